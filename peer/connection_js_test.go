package peer

import (
	"context"
	"syscall/js"
	"testing"
	"time"

	"github.com/pion/webrtc/v4"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// browserConnection stands in for the browser's RTCPeerConnection, which node
// does not have: as much of it as link_js.go touches without the help of pion.
const browserConnection = `
globalThis.window = globalThis;
globalThis.RTCPeerConnection = class extends EventTarget {
	getStats() { return this.stats; }
	close() { this.closed = true; }
}`

// browserConnected is a connection with nothing but a PeerConnection.
func browserConnected(t *testing.T) *connection {
	t.Helper()
	js.Global().Call("eval", browserConnection)
	pc, err := newPeerConnection("", tuning{}, webrtc.Configuration{}, new(listeners))
	if err != nil {
		t.Fatal(err)
	}
	return &connection{pc: pc, wake: make(chan struct{}, 1), local: make(chan wire.ICECandidate, 2)}
}

func TestBrowserCandidates(t *testing.T) {
	l := browserConnected(t)
	l.listenCandidates()
	for _, candidate := range []string{
		`{candidate: "candidate:1 1 udp 1 2a0a:5151::1 5 typ host tcptype active", sdpMid: "0", sdpMLineIndex: 0, usernameFragment: "uf"}`,
		`{candidate: "candidate:2 1 udp 1 x.local 5 typ host", sdpMid: null, sdpMLineIndex: 3, usernameFragment: null}`,
		`{candidate: "", sdpMid: "0", sdpMLineIndex: 0}`,
	} {
		emitCandidate(l, "(() => { const c = "+candidate+"; c.toJSON = () => c; return c })()")
	}
	emitCandidate(l, "null")
	close(l.local)
	want := []wire.ICECandidate{
		{Candidate: "candidate:1 1 udp 1 2a0a:5151::1 5 typ host tcptype active", SDPMid: "0", UsernameFragment: "uf"},
		{Candidate: "candidate:2 1 udp 1 x.local 5 typ host", SDPMLineIndex: 3},
	}
	for _, want := range want {
		if got := <-l.local; got != want {
			t.Errorf("candidate %+v, want %+v", got, want)
		}
	}
	if got, more := <-l.local; more {
		t.Errorf("candidate %+v, want none for the end of them", got)
	}
	l.events.release()
	emitCandidate(l, `{candidate: "late"}`) // would panic
}

func emitCandidate(l *connection, candidate string) {
	event := js.Global().Call("eval", `Object.assign(new Event("icecandidate"), {candidate: `+candidate+`})`)
	l.pc.JSValue().Call("dispatchEvent", event)
}

func TestBrowserMeasure(t *testing.T) {
	const entries = `
		["L", {type: "local-candidate", candidateType: "relay", relayProtocol: "tls"}],
		["R", {type: "remote-candidate", candidateType: "prflx", address: "51.1.2.3", port: 5}],
		["P", {type: "candidate-pair", localCandidateId: "L", remoteCandidateId: "R", currentRoundTripTime: 0.025`
	pairOf := pair{localType: "relay", relayProtocol: "tls", remoteType: "prflx", remoteAddress: "51.1.2.3 5", rtt: 25 * time.Millisecond}
	for _, c := range []struct {
		name, stats string
		want        pair
		ok          bool
	}{
		{"Chromium", `Promise.resolve(new Map([["T", {type: "transport", selectedCandidatePairId: "P"}],` + entries + `}]]))`, pairOf, true},
		{"Firefox", `Promise.resolve(new Map([` + entries + `, selected: true}]]))`, pairOf, true},
		{"no pair yet", `Promise.resolve(new Map([["T", {type: "transport"}]]))`, pair{}, false},
		{"a pair without candidates", `Promise.resolve(new Map([["P", {type: "candidate-pair", selected: true}]]))`, pair{remoteAddress: " 0"}, true},
		{"a failure", `Promise.reject(new Error("no"))`, pair{}, false},
		{"no answer", `new Promise(() => {})`, pair{}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := browserConnected(t)
			l.pc.JSValue().Set("stats", js.Global().Call("eval", c.stats))
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			if got, ok := l.measure(ctx); got != c.want || ok != c.ok {
				t.Errorf("measure() = %+v, %t, want %+v, %t", got, ok, c.want, c.ok)
			}
		})
	}
}
