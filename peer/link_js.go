package peer

import (
	"context"
	"strconv"
	"syscall/js"
	"time"

	"github.com/pion/webrtc/v4"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// newPeerConnection makes an RTCPeerConnection of the browser.
func newPeerConnection(_ Config, search Search, servers []wire.ICEServer) (*webrtc.PeerConnection, error) {
	return webrtc.NewPeerConnection(configuration(search, servers))
}

// listenCandidates hands over our candidates as they are found. It does so
// without pion, whose OnICECandidate breaks IPv6 addresses, drops the user
// name fragment and costs every visitor 77 kB.
func (l *link) listenCandidates() {
	l.events.on(l.pc.JSValue(), "icecandidate", func(event js.Value) {
		found := event.Get("candidate")
		if !found.Truthy() || found.Get("candidate").String() == "" { // that was the last one
			return
		}
		init := object{v: found.Call("toJSON"), fault: new(error)}
		candidate := init.iceCandidate()
		if *init.fault != nil {
			return
		}
		select {
		case l.local <- candidate:
		default:
		}
	})
}

// listenFrames hands over the frames that come on a DataChannel. It does so
// without pion, which starts a goroutine for each before it knows its size.
func (l *link) listenFrames(channel *webrtc.DataChannel) {
	l.events.on(channel.JSValue(), "message", func(event js.Value) {
		data := event.Get("data")
		if data.Type() != js.TypeString {
			return
		}
		if text := data.String(); len(text) <= wire.MaxFrameBytes { // a js.Value of a string has no Length
			l.take(text)
		}
	})
}

// measure asks the browser for the pair that ICE selected; pion has no
// GetStats here.
func (l *link) measure(ctx context.Context) (pair, bool) {
	report, ok := await(ctx, l.pc.JSValue().Call("getStats"))
	if !ok {
		return pair{}, false
	}
	selected := js.Undefined()
	entries := js.Global().Get("Array").Call("from", report.Call("values"))
	for i := range entries.Length() {
		switch s := entries.Index(i); s.Get("type").String() {
		case "transport":
			if id := s.Get("selectedCandidatePairId"); id.Truthy() {
				selected = report.Call("get", id)
			}
		case "candidate-pair":
			if s.Get("selected").Truthy() { // Firefox, whose transports do not tell
				selected = s
			}
		}
	}
	if !selected.Truthy() {
		return pair{}, false
	}
	local := stats(report.Call("get", selected.Get("localCandidateId")))
	remote := stats(report.Call("get", selected.Get("remoteCandidateId")))
	return pair{
		localType:     local.text("candidateType"),
		relayProtocol: local.text("relayProtocol"),
		remoteType:    remote.text("candidateType"),
		remoteAddress: addressPort(remote.text("address"), strconv.Itoa(remote.integer("port"))),
		rtt:           time.Duration(stats(selected).number("currentRoundTripTime") * float64(time.Second)),
	}, true
}

// stats is one entry of an RTCStatsReport.
func stats(entry js.Value) object { return object{v: entry, fault: new(error)} }

// await waits for a promise; false means that it failed or that ctx ended.
func await(ctx context.Context, promise js.Value) (js.Value, bool) {
	kept, broken := make(chan js.Value, 1), make(chan struct{}, 1)
	var resolve, reject js.Func
	release := func() { // by whichever is called: it may be after ctx has ended
		resolve.Release()
		reject.Release()
	}
	resolve = js.FuncOf(func(_ js.Value, args []js.Value) any {
		release()
		kept <- args[0]
		return nil
	})
	reject = js.FuncOf(func(js.Value, []js.Value) any {
		release()
		broken <- struct{}{}
		return nil
	})
	promise.Call("then", resolve, reject)
	select {
	case value := <-kept:
		return value, true
	case <-broken:
	case <-ctx.Done():
	}
	return js.Undefined(), false
}

// closeChannel begins to close the DataChannel. pion's Close would release the
// callbacks at once, and the browser would call what is no longer there.
func (l *link) closeChannel() { l.channel.JSValue().Call("close") }

// closeConnection closes without a last word to pion's callbacks, which its
// Close releases.
func (l *link) closeConnection() {
	if l.channel != nil {
		l.channel.JSValue().Set("onopen", nil)
		l.channel.JSValue().Set("onclose", nil)
		_ = l.channel.Close()
	}
	l.pc.JSValue().Set("onconnectionstatechange", nil)
	l.pc.JSValue().Set("ondatachannel", nil)
	_ = l.pc.Close()
}
