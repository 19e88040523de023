package turnsvc

import (
	"net/netip"
	"testing"

	"github.com/pion/stun/v3"
)

// outside is a Server as behind a 1:1 NAT, with the policy for strangers.
func outside(t *testing.T, public ...string) *service {
	t.Helper()
	return serve(t, func(c *Config) { c.Peers, c.PublicIPs = PeersPublic, addrs(public...) })
}

func TestReservedPeersAreRefused(t *testing.T) {
	t.Parallel()
	for _, public := range []string{"198.51.100.7", "2001:db8::7"} {
		t.Run("by a relay at "+public, func(t *testing.T) {
			t.Parallel()
			s := outside(t, public)
			for _, network := range []string{"udp", "tcp"} {
				c := s.dial(t, network, "ann "+network)
				if relayed, code := c.allocate(); code != 0 {
					t.Skipf("no relay at %v on this machine: %d", relayed, code)
				}
				for _, ip := range reserved() {
					peer := netip.AddrPortFrom(ip.WithZone(""), 9)
					if c.permit(peer) || c.bind(peer) {
						t.Errorf("a permission for %v was granted over %s", ip, network)
					}
				}
				if !c.permit(netip.MustParseAddrPort("8.8.8.8:53")) && public == "198.51.100.7" {
					t.Error("a permission for 8.8.8.8 was refused")
				}
			}
		})
	}
}

// TestNothingReachesLoopback sends to a real socket in every way there is,
// whatever the answers were, and past pion, straight into the relay.
func TestNothingReachesLoopback(t *testing.T) {
	t.Parallel()
	s := outside(t, "198.51.100.7")
	conn, peer := newPeer(t)
	c := s.dial(t, "udp", "ann")
	relayed := c.mustAllocate()
	mapped := netip.AddrPortFrom(netip.AddrFrom16(peer.Addr().As16()), peer.Port())
	for _, to := range []netip.AddrPort{peer, mapped} {
		c.permit(to)
		c.bind(to)
		c.sendTo(to, "by Send")
		c.send(channelData("by channel"))
	}
	c.raw(stun.MethodBinding) // answered, so all before it was handled
	r := s.homes.of(family4).on(relayed.Port())
	if n, err := r.WriteTo([]byte("by force"), conn.LocalAddr()); n != 8 || err != nil {
		t.Errorf("WriteTo = %d, %v, want 8 and silence", n, err)
	}
	if n := s.Stats().RefusedPeer; n != 5 {
		t.Errorf("RefusedPeer = %d, want 4 permissions and 1 datagram", n)
	}
	mark(t, c, peer)
	p := make([]byte, 100)
	if n, _, err := conn.ReadFrom(p); err != nil || string(p[:n]) != "marker" {
		t.Errorf("the socket on 127.0.0.1 got %q, %v first, want only the marker", p[:n], err)
	}
}

// mark sends a marker to a peer: what the relay had let through has arrived
// before.
func mark(t *testing.T, c *client, peer netip.AddrPort) {
	t.Helper()
	conn, _ := newPeer(t)
	if _, err := conn.WriteToUDPAddrPort([]byte("marker"), peer); err != nil {
		t.Fatal(err)
	}
	c.raw(stun.MethodBinding)
}

func TestOwnPortsAreOutOfReach(t *testing.T) {
	t.Parallel()
	s := serve(t, nil) // where every peer is allowed
	c := s.dial(t, "udp", "ann")
	c.mustAllocate()
	conn, peer := newPeer(t)
	own := netip.MustParseAddrPort(s.udp[0].LocalAddr().String())
	for _, to := range []netip.AddrPort{own, netip.AddrPortFrom(netip.IPv4Unspecified(), own.Port()), peer} {
		if !c.permit(to) {
			t.Fatalf("a permission for %v was refused", to)
		}
		binding, err := stun.Build(stun.TransactionID, stun.BindingRequest)
		if err != nil {
			t.Fatal(err)
		}
		c.sendTo(to, string(binding.Raw))
	}
	p := make([]byte, 100)
	_, relayed, err := conn.ReadFromUDPAddrPort(p)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.WriteToUDPAddrPort([]byte("only this"), relayed); err != nil {
		t.Fatal(err)
	}
	if from, data := c.data(); from != peer || data != "only this" {
		t.Errorf("the client got %q from %v, want an answer of the peer only", data, from)
	}
	if n := s.Stats().RefusedPeer; n != 2 {
		t.Errorf("RefusedPeer = %d, want 2", n)
	}
}

// TestRelayToRelay lets two clients of one Server talk, where the public address
// is on no interface and where it is on one.
func TestRelayToRelay(t *testing.T) {
	t.Parallel()
	for _, public := range []string{"198.51.100.7", "127.0.0.1", "2001:db8::7"} {
		t.Run("at "+public, func(t *testing.T) {
			t.Parallel()
			s := outside(t, public)
			ann, bob := s.dial(t, "udp", "ann"), s.dial(t, "tcp", "bob")
			family := attr(stun.AttrRequestedAddressFamily, familyOf(netip.MustParseAddr(public)), 0, 0, 0)
			a, code := ann.allocate(family)
			if code != 0 {
				t.Skipf("no relay at %s on this machine: %d", public, code)
			}
			b, code := bob.allocate(family)
			if code != 0 {
				t.Fatalf("the second Allocate = %d, want success", code)
			}
			if !ann.permit(b) || !bob.bind(a) {
				t.Fatal("a permission for the other relay was refused")
			}
			ann.sendTo(b, "hello bob")
			if got, err := bob.read(); err != nil || string(got) != string(channelData("hello bob")) {
				t.Fatalf("bob got %x, %v, want hello bob on his channel", got, err)
			}
			bob.send(channelData("hello ann"))
			if from, data := ann.data(); from != b || data != "hello ann" {
				t.Errorf("ann got %q from %v, want hello ann from %v", data, from, b)
			}
		})
	}
}

func TestOwnAddressWithoutARelayIsOutOfReach(t *testing.T) {
	t.Parallel()
	s := outside(t, "198.51.100.7")
	w := s.homes.of(family4).wall
	relayed := s.dial(t, "udp", "ann").mustAllocate()
	for _, c := range []struct {
		name string
		peer string
		want bool
	}{
		{"a live relay is reached", relayed.String(), true},
		{"its port on loopback is not", netip.AddrPortFrom(addrs("127.0.0.1")[0], relayed.Port()).String(), false},
		{"port 22 of the public address is not", "198.51.100.7:22", false},
		{"a public peer is reached", "8.8.8.8:22", true},
		{"a peer of the other family is not", "[2a00::1]:22", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := w.lets(netip.MustParseAddrPort(c.peer)); got != c.want {
				t.Errorf("lets(%s) = %v, want %v", c.peer, got, c.want)
			}
		})
	}
}
