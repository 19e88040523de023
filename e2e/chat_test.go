//go:build browser

package e2e

import (
	"flag"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/wasmp2pchat/wasmp2pchat/internal/natlab"
	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// rounds is how often each pair meets: what works once may have been luck.
const rounds = 3

// TestTwoStrangersTalk plays every pair of NATs that matters, with Chromium on
// both sides, and with Firefox on one, which tells no address of its network, as
// it is with everybody who has not changed that. Where both ends are open a direct
// path must be found, and where none exists the relay inside the server must carry
// the chat.
func TestTwoStrangersTalk(t *testing.T) {
	for _, c := range []struct {
		a, b natlab.NAT
		path string
	}{
		{natlab.FullCone, natlab.FullCone, "direct"},
		{natlab.PortRestrictedCone, natlab.PortRestrictedCone, "direct"},
		{natlab.Symmetric, natlab.Symmetric, "relay-udp"},
		{natlab.PortRestrictedCone, natlab.Symmetric, "relay-udp"},
		{natlab.UDPBlocked, natlab.UDPBlocked, "relay-tcp"},
	} {
		for _, with := range []struct {
			a, b   brand
			rounds int
		}{
			{chromium, chromium, rounds},
			{chromium, firefox, roundsOfFirefox()},
			{firefox, chromium, roundsOfFirefox()},
		} {
			if with.a == firefox && c.a == c.b {
				continue // as the one before, turned round
			}
			t.Run(fmt.Sprintf("%s, %s with %s, %s is %s", c.a, with.a, c.b, with.b, c.path), func(t *testing.T) {
				w := newTown(t, c.a, c.b)
				w.hides = true
				w.people(with.a, with.b)
				for range with.rounds {
					w.chats(c.path)
					w.usesItsCredentials()
					w.part()
				}
			})
		}
	}
}

// TestEveryPlaneCarries lets two who need the relay talk through each of the server's
// data planes, by UDP and by TCP.
func TestEveryPlaneCarries(t *testing.T) {
	for _, plane := range []string{"pion", "batch", "ebpf"} {
		t.Run(plane, func(t *testing.T) {
			w := newTown(t, natlab.Symmetric, natlab.Symmetric, "TURN_DATAPLANE="+plane)
			w.people(chromium, chromium)
			w.chats("relay-udp")
			w.part()
			w.setNATs(natlab.UDPBlocked, natlab.UDPBlocked)
			w.chats("relay-tcp")
			if !strings.Contains(w.server.log.String(), "plane="+plane+" ") {
				t.Errorf("the server took another data plane")
			}
		})
	}
}

// roundsOfFirefox is one, for it takes 10 s to start, unless -everyround is given.
func roundsOfFirefox() int {
	if flag.Lookup("everyround").Value.(flag.Getter).Get().(bool) {
		return rounds
	}
	return 1
}

// TestFirefox lets Firefox meet each of the brands, directly and through the
// relay. Neither browser asks the network for anything else than the page does.
func TestFirefox(t *testing.T) {
	for _, with := range []brand{chromium, firefox} {
		t.Run("with "+string(with), func(t *testing.T) {
			w := newTown(t, natlab.FullCone, natlab.FullCone)
			w.asksNobody(natlab.SideA)
			w.asksNobody(natlab.SideB)
			w.people(firefox, with)
			for _, c := range []struct {
				nat  natlab.NAT
				path string
			}{
				{natlab.FullCone, "direct"},
				{natlab.Symmetric, "relay-udp"},
			} {
				w.setNATs(c.nat, c.nat)
				w.chats(c.path)
				w.usesItsCredentials()
				w.a.picture("firefox-"+c.path+".png", look{screen: desktop})
				w.part()
			}
		})
	}
}

// TestHideMyIP holds the page to its word: the partner learns the address of
// the relay and nothing else.
func TestHideMyIP(t *testing.T) {
	w := newWorld(t, natlab.FullCone, natlab.FullCone)
	w.a.visit(site + "?relay=1")
	w.meet()
	w.a.showsRelay()
	w.b.showsRelay()
	if got := w.a.connection().Policy; got != "relay" {
		t.Errorf("iceTransportPolicy of A = %q, want relay", got)
	}
	for _, known := range w.b.connection().Known {
		if known.Address != w.lab.Server().Addr().String() {
			t.Errorf("B knows a candidate of A that is no relay: %+v", known)
		}
	}
	w.talks(1)
}

// chats lets the two meet and talk over a path.
func (w *world) chats(path string) {
	w.t.Helper()
	w.meet()
	w.a.shows(path)
	w.b.shows(path)
	w.talks(20)
	w.connectsBy(path)
}

// talks sends n messages each way, both at once, and wants each of them once
// and in order. The server must not have seen any.
func (w *world) talks(n int) {
	w.t.Helper()
	var fromA, fromB []string
	for i := range n {
		fromA = append(fromA, fmt.Sprintf("<b>à</b> %d, says A", i))
		fromB = append(fromB, fmt.Sprintf("こんにちは %d, says B", i))
		w.a.say(fromA[i])
		w.b.say(fromB[i])
	}
	w.a.hears(fromB...)
	w.b.hears(fromA...)
	for _, person := range []struct {
		tab  *tab
		said []string
	}{{w.a, fromA}, {w.b, fromB}} {
		if got := person.tab.messages(me); !slices.Equal(got, person.said) {
			w.t.Errorf("%s: own messages = %q, want %q", person.tab.name, got, person.said)
		}
	}
	w.server.keptSecret(w.t, "says A", "says B")
}

// connectsBy compares the badge with what the browsers chose.
func (w *world) connectsBy(path string) {
	w.t.Helper()
	transport := map[string]string{"direct": "", "relay-udp": "udp", "relay-tcp": "tcp", "relay-tls": "tls"}[path]
	relayed := false
	var pairs []string
	for _, tab := range []*tab{w.a, w.b} {
		c := tab.connection()
		pairs = append(pairs, fmt.Sprintf("%s has %+v and %+v", tab.name, c.Local, c.Remote))
		if c.Local.Type == "" || c.Remote.Type == "" {
			w.t.Errorf("%s: no pair is selected: %+v", tab.name, c)
		}
		if (c.Local.Type == "relay" || c.Remote.Type == "relay") != (path != "direct") {
			w.t.Errorf("%s: badge %s, but the pair is %+v, %+v", tab.name, path, c.Local, c.Remote)
		}
		if c.Local.Type == "relay" {
			relayed = true
			if c.Local.RelayProtocol != transport {
				w.t.Errorf("%s: badge %s, but it talks %s to the relay", tab.name, path, c.Local.RelayProtocol)
			}
		}
	}
	if path != "direct" && !relayed {
		w.t.Errorf("badge %s, but neither side uses a relay of its own: %s", path, strings.Join(pairs, ", "))
	}
}

// usesItsCredentials wants the RTCPeerConnections to have exactly the servers
// and credentials that came with the MATCH, or before it for the room to come,
// and one room for both.
func (w *world) usesItsCredentials() {
	w.t.Helper()
	matchA, matchB := w.a.match(), w.b.match()
	if matchA.RoomID == "" || matchA.RoomID != matchB.RoomID {
		w.t.Errorf("rooms of the two MATCHes: %q and %q, want the same", matchA.RoomID, matchB.RoomID)
	}
	for _, tab := range []*tab{w.a, w.b} {
		offered := evaluate[[][]wire.ICEServer](tab, "window.witness.offered")
		got := tab.connection().ICEServers
		if !slices.ContainsFunc(offered, func(servers []wire.ICEServer) bool { return slices.EqualFunc(got, servers, sameServer) }) {
			w.t.Errorf("%s: RTCPeerConnection has %+v, want some that were offered: %+v", tab.name, got, offered)
		}
		for _, servers := range offered {
			w.server.keptSecret(w.t, turnServer(tab, servers).Credential)
		}
	}
	if turnServer(w.a, matchA.ICEServers).Username == turnServer(w.b, matchB.ICEServers).Username {
		w.t.Error("both sides were given the same TURN username")
	}
}

// turnServer is the one of the servers that needs a credential.
func turnServer(tab *tab, servers []wire.ICEServer) wire.ICEServer {
	tab.t.Helper()
	for _, server := range servers {
		if server.Username != "" && server.Credential != "" {
			return server
		}
	}
	tab.t.Fatalf("%s: there is no TURN credential: %+v", tab.name, servers)
	return wire.ICEServer{}
}

func sameServer(a, b wire.ICEServer) bool {
	return slices.Equal(a.URLs, b.URLs) && a.Username == b.Username && a.Credential == b.Credential
}
