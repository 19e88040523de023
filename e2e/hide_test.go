//go:build browser

package e2e

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/pion/stun/v3"

	"github.com/wasmp2pchat/wasmp2pchat/internal/natlab"
	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// TestHiddenOnTheWire lets a stranger who keeps everything that he is told meet
// somebody who hides. Neither the server's words nor the packets may say where
// that one is.
func TestHiddenOnTheWire(t *testing.T) {
	for _, brand := range []brand{chromium, firefox} {
		t.Run(string(brand), func(t *testing.T) {
			t.Parallel()
			w := newTown(t, natlab.FullCone, natlab.NoNAT)
			hidden := w.person(natlab.SideA, brand)
			hidden.visit(site + "?relay=1")
			hidden.start()
			hidden.becomes(waiting)
			s := w.newStranger(natlab.SideB)
			s.meets()
			hidden.becomes(chatting)
			hidden.showsRelay()
			s.says(1, "where are you?")
			hidden.hears("where are you?")
			s.isTold("typ relay")
			w.isHiddenFrom(s)
			w.isNotGuessedBy(s)
		})
	}
}

// isNotGuessedBy has a stranger ask the relay whether he may send to A, with each
// of the credentials that he was given: the answer is the same wherever A is.
func (w *world) isNotGuessedBy(s *stranger) {
	w.t.Helper()
	relay := w.lab.Server().Addr()
	for from, servers := range map[string][]wire.ICEServer{"MATCH": s.match.ICEServers, "accept": s.accept.ICEServers} {
		i := slices.IndexFunc(servers, func(server wire.ICEServer) bool { return server.Credential != "" })
		if i < 0 {
			w.t.Fatalf("the stranger was given no credential in %s: %+v", from, servers)
		}
		client := dialRelay(w.t, s.host, netip.AddrPortFrom(relay, 3478).String(), servers[i])
		if code := client.allocate(); code != granted {
			w.t.Fatalf("Allocate with the credential of %s: error %d", from, code)
		}
		for peer, want := range map[netip.Addr]stun.ErrorCode{
			w.lab.Outside(natlab.SideA):         403,
			w.lab.Client(natlab.SideA).Addr():   403,
			netip.MustParseAddr("51.51.51.112"): 403, // nobody's, next door
			relay:                               granted,
		} {
			if code := client.permit(netip.AddrPortFrom(peer, 7000)); code != want {
				w.t.Errorf("CreatePermission for %v with the credential of %s: error %d, want %d", peer, from, code, want)
			}
		}
	}
}

// isHiddenFrom looks through all that reached a stranger for the address of A.
func (w *world) isHiddenFrom(s *stranger) {
	w.t.Helper()
	for _, text := range s.words() {
		for _, secret := range []string{w.lab.Client(natlab.SideA).Addr().String(), w.lab.Outside(natlab.SideA).String(), "typ host", "typ srflx", "typ prflx", ".local"} {
			if strings.Contains(strings.ToLower(text), secret) {
				w.t.Errorf("the partner of who hides was told %q: %s", secret, text)
			}
		}
	}
	for _, from := range s.heardOf() {
		if from != w.lab.Server().Addr() {
			w.t.Errorf("a packet came from %v to the partner of who hides", from)
		}
	}
}

// TestTheServerHides is about a client that says it hides and tells its
// addresses all the same: the server takes them out of what it says.
func TestTheServerHides(t *testing.T) {
	w := newTown(t, natlab.FullCone, natlab.NoNAT)
	liar, s := w.newStranger(natlab.SideA), w.newStranger(natlab.SideB)
	found := liar.asks()
	match := s.asks()()
	found()
	s.joins(match.RoomID)
	s.listens(func(string, []byte) {})
	liar.joins(match.RoomID, wire.ExtRelayOnly)

	private, public := w.lab.Client(natlab.SideA).Addr(), w.lab.Outside(natlab.SideA)
	lines := []string{
		fmt.Sprintf("candidate:1 1 udp 2122260223 %v 50000 typ host generation 0", private),
		fmt.Sprintf("candidate:2 1 tcp 1518280447 %v 9 typ host tcptype active", private),
		fmt.Sprintf("candidate:3 1 udp 1686052607 %v 50000 typ srflx raddr %v rport 50000", public, private),
		fmt.Sprintf("candidate:4 1 udp 1686052607 %v 50000 typ prflx raddr %v rport 50000", public, private),
		fmt.Sprintf("CANDIDATE:5 1 UDP 1 %v 50000 TYP HOST", private),
		fmt.Sprintf("candidate:6 1 udp 1 %v 50000  typ  host", private),
		"candidate:7 1 udp 1 0d5b1c1e-7a49-4f0e-9c6c-0123456789ab.local 50000 typ host",
	}
	good := fmt.Sprintf("candidate:8 1 udp 41885439 %v 50000 typ relay raddr %v rport 60000", w.lab.Server().Addr(), public)
	sdp := []string{"v=0", "o=- 1 1 IN IP4 " + private.String(), "s=-", "c=IN IP4 " + public.String(), "t=0 0", "m=application 50000 UDP/DTLS/SCTP webrtc-datachannel", "c=IN IP4 " + public.String(), "a=mid:0"}
	for _, line := range append([]string{good}, lines...) {
		sdp = append(sdp, "a="+line)
		liar.tell(wire.Candidate{Type: wire.SignalCandidate, ICE: wire.ICECandidate{Candidate: line, SDPMid: "0"}})
	}
	for _, kind := range []string{wire.SignalOffer, wire.SignalAnswer} {
		liar.tell(wire.Description{Type: kind, SDP: strings.Join(sdp, "\r\n") + "\r\n"})
		liar.tell(wire.Description{Type: kind, SDP: strings.Join(sdp, "\n") + "\n"})
	}
	escaped, err := json.Marshal(lines[0])
	if err != nil {
		t.Fatal(err)
	}
	liar.tell(`{"type":"candidate","ice":{"candidate":` + strings.ReplaceAll(string(escaped), "host", `hos\u0074`) + `,"sdpMid":"0"},"hint":"` + public.String() + `"}`)
	liar.tell(`{"type":"candidate","ice":{"candidate":"","sdpMid":"0"},"end":"of it"}`)
	liar.tell(wire.Candidate{Type: wire.SignalCandidate, ICE: wire.ICECandidate{Candidate: strings.Replace(good, "candidate:8", "candidate:9", 1), SDPMid: "0"}})
	s.isTold("candidate:9 ") // what came before it has been forwarded, or not
	s.isTold("candidate:8 ")
	w.isHiddenFrom(s)
}
