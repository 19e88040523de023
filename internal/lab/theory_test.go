package lab

import (
	"testing"

	"github.com/wasmp2pchat/wasmp2pchat/internal/natlab"
)

// TestBest has every case of theory that is a case of its own.
func TestBest(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		why  string
		pair Pair
		want string
	}{
		{"nothing is between", Pair{A: None, B: None}, "direct IPv4"},
		{"the one behind a NAT sends first", Pair{A: None, B: Symmetric}, "direct IPv4"},
		{"both keep their ports", Pair{A: PRCone, B: PRCone}, "direct IPv4"},
		{"two NATs keep their ports as one does", Pair{A: Double, B: Double}, "direct IPv4"},
		{"the port changes, and the cone does not look at it", Pair{A: FullCone, B: Symmetric}, "direct IPv4"},
		{"the port changes, and the address is what counts", Pair{A: Restricted, B: Symmetric}, "direct IPv4"},
		{"the port changes, and counts", Pair{A: PRCone, B: Symmetric}, "relay udp IPv4"},
		{"the same, turned round", Pair{A: Symmetric, B: PRCone}, "relay udp IPv4"},
		{"both ports change", Pair{A: Symmetric, B: Symmetric}, "relay udp IPv4"},
		{"the carrier spoils what the home keeps", Pair{A: CGNAT, B: PRCone}, "relay udp IPv4"},
		{"the carrier spoils it, and nobody looks", Pair{A: CGNAT, B: FullCone}, "direct IPv4"},
		{"the one without UDP has the relay", Pair{A: UDPBlocked, B: None}, "relay tcp–udp IPv4"},
		{"each needs a relay", Pair{A: UDPBlocked, B: UDPBlocked}, "2 relays tcp IPv4"},
		{"each needs a relay of its own kind", Pair{A: UDPBlocked, B: TCP443}, "2 relays tcp–tls IPv4"},
		{"TLS alone", Pair{A: TCP443, B: TCP443}, "2 relays tls IPv4"},
		{"nothing translates IPv6", Pair{A: IPv6, B: IPv6}, "direct IPv6"},
		{"no common family: the relay translates", Pair{A: IPv6, B: None}, "relay udp IPv6–IPv4"},
		{"the one reaches no relayed address, the other none by UDP", Pair{A: IPv6, B: UDPBlocked}, "2 relays udp–tcp IPv6–IPv4"},
		{"IPv6 beside a symmetric NAT", Pair{A: Dual, B: Dual}, "direct IPv6"},
		{"IPv6 on one side only", Pair{A: Dual, B: IPv6}, "direct IPv6"},
		{"no IPv6 on the other side", Pair{A: Dual, B: PRCone}, "relay udp IPv4/6–IPv4"},
		{"what is in one home does not come to its router", Pair{A: Symmetric, B: Symmetric, OneNAT: true}, "direct IPv4"},
		{"even where no UDP passes", Pair{A: TCP443, B: TCP443, OneNAT: true}, "direct IPv4"},
		{"both hide", Pair{A: None, B: None, RelayOnly: true}, "2 relays udp IPv4"},
		{"loss and delay change nothing", Pair{A: PRCone, B: PRCone, Loss: 5, Delay: 40}, "direct IPv4"},
		{"nor does a server behind 1:1 NAT", Pair{A: Symmetric, B: Symmetric, Cloud: true}, "relay udp IPv4"},
	} {
		if got := Best(c.pair).String(); got != c.want {
			t.Errorf("%s: Best(%s) = %s, want %s", c.why, c.pair.Name(), got, c.want)
		}
		turned := Best(c.pair.turned())
		turned.Legs[0], turned.Legs[1] = turned.Legs[1], turned.Legs[0]
		if best := Best(c.pair); turned != best {
			t.Errorf("Best(%s) = %v, turned round %v", c.pair.Name(), best, turned)
		}
	}
}

// TestHolePunchingAsRFC5128HasIt counts the pairs of single NATs between which a hole
// can be punched: all but those with a symmetric one that meet a port-restricted one,
// or another symmetric one.
func TestHolePunchingAsRFC5128HasIt(t *testing.T) {
	t.Parallel()
	kinds := []Kind{None, FullCone, Restricted, PRCone, Symmetric}
	relayed := map[[2]Kind]bool{
		{PRCone, Symmetric}: true, {Symmetric, PRCone}: true, {Symmetric, Symmetric}: true,
	}
	for _, a := range kinds {
		for _, b := range kinds {
			if got, want := Best(Pair{A: a, B: b}).Direct(), !relayed[[2]Kind{a, b}]; got != want {
				t.Errorf("%s with %s is direct: %t, want %t", a, b, got, want)
			}
		}
	}
}

// TestKindsAreNATs holds the kinds to what the laboratory can build.
func TestKindsAreNATs(t *testing.T) {
	t.Parallel()
	known := map[natlab.NAT]bool{"": true}
	for _, nat := range natlab.Kinds() {
		known[nat] = true
	}
	for _, kind := range Kinds() {
		if r := kind.routers(); !known[r.home] || r.home == "" || !known[r.carrier] {
			t.Errorf("%s is behind %q and %q, which nobody can build", kind, r.home, r.carrier)
		}
	}
}
