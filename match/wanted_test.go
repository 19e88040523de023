package match

import (
	"net/netip"
	"testing"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

func TestARoomIsAtTheNodeThatKeepsIt(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, fixed, node, want string }{
		{"one node", "", "", ""},
		{"rooms are elsewhere", "wss://rooms.example.org/signaling", "", "wss://rooms.example.org/signaling"},
		{"a node with a certificate", "", "https://n1.example.org", "wss://n1.example.org/signaling"},
		{"a node without one", "", "http://192.0.2.7:8080", "ws://192.0.2.7:8080/signaling"},
		{"a node under a path", "", "https://example.org/n1/", "wss://example.org/n1/signaling"},
		{"what the room says counts", "wss://rooms.example.org/signaling", "https://n1.example.org", "wss://n1.example.org/signaling"},
	} {
		l := New(Config{PoolConfig: numberedRooms(), SignalingURL: c.fixed})
		if got := l.signalingURL(Meeting{URL: c.node}); got != c.want {
			t.Errorf("%s: signalingURL = %q, want %q", c.name, got, c.want)
		}
	}
}

func TestWantedIsWhatTheMeetingSays(t *testing.T) {
	t.Parallel()
	at := netip.MustParseAddr("51.51.51.10")
	met := Meeting{RoomName: "name", Side: wire.SideB, Partner: Party{Addr: at}, Relay: "n1", PartnerNode: "n2"}
	v := &visitor{ticket: &Ticket{Party: Party{Hides: true}}}
	want := Wanted{Room: "name", Side: wire.SideB, Hides: true, Partner: at, Relay: "n1", PartnerNode: "n2"}
	if got := v.wanted(met); got != want {
		t.Errorf("wanted = %+v, want %+v", got, want)
	}
	met.Partner.Hides = true
	want.Partner = netip.Addr{}
	if got := v.wanted(met); got != want {
		t.Errorf("of a partner who hides, wanted = %+v, want %+v", got, want)
	}
}
