package turnsvc

import (
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/pion/stun/v3"

	"github.com/wasmp2pchat/wasmp2pchat/turnsvc/gate"
)

// meet lets two clients with relays at a and b permit each other and talk both
// ways.
func meet(t *testing.T, ann *client, a netip.AddrPort, bob *client, b netip.AddrPort) {
	t.Helper()
	if !ann.permit(b) || !bob.bind(a) {
		t.Fatal("a permission for the other relay was refused")
	}
	talk(t, ann, a, bob, b)
}

// talk sends both ways, from bob by the channel that he has bound.
func talk(t *testing.T, ann *client, a netip.AddrPort, bob *client, b netip.AddrPort) {
	t.Helper()
	ann.sendTo(b, "hello bob")
	if got, err := bob.read(); err != nil || string(got) != string(bob.padded(channelData("hello bob"), 9)) {
		t.Fatalf("bob got %x, %v, want hello bob on his channel for %v", got, err, a)
	}
	bob.send(channelData("hello ann"))
	if from, data := ann.data(); from != b || data != "hello ann" {
		t.Fatalf("ann got %q from %v, want hello ann from %v", data, from, b)
	}
}

// padded is a ChannelData message of n bytes as the client's transport has it.
func (c *client) padded(message []byte, n int) []byte {
	if c.frames == nil {
		return message[:4+n]
	}
	return message
}

func familyAttr(ip netip.Addr) stun.Setter {
	return attr(stun.AttrRequestedAddressFamily, familyOf(ip), 0, 0, 0)
}

// TestAddressChanges holds that new relays have the new address, that those which
// live keep theirs, that all of them reach each other, whichever of the addresses
// are on an interface, and that an address without relays is like any other.
func TestAddressChanges(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, before, after string }{
		{"behind a NAT", "198.51.100.7", "198.51.100.8"},
		{"from an interface to behind a NAT", "127.0.0.1", "198.51.100.7"},
		{"from behind a NAT to an interface", "198.51.100.7", "127.0.0.1"},
		{"from interface to interface", "127.0.0.1", "127.0.0.1"},
		{"behind a NAT for IPv6", "2001:db8::7", "2001:db8::8"},
		{"from an interface to behind a NAT for IPv6", "::1", "2001:db8::7"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			before, after := netip.MustParseAddr(c.before), netip.MustParseAddr(c.after)
			s := outside(t, c.before)
			ann, bob, carl := s.dial(t, "udp", "ann"), s.dial(t, "tcp", "bob"), s.dial(t, "udp", "carl")
			a, code := ann.allocate(familyAttr(before))
			if code != 0 {
				t.Skipf("no relay at %v on this machine: %d", before, code)
			}
			if err := s.SetPublicIPs([]netip.Addr{after}); err != nil {
				t.Fatal(err)
			}
			if got := s.PublicIPs(); !slices.Equal(got, []netip.Addr{after}) {
				t.Errorf("PublicIPs() = %v, want %v", got, after)
			}
			b, code := bob.allocate(familyAttr(after))
			if code != 0 || a.Addr() != before || b.Addr() != after {
				t.Fatalf("relays at %v and %v, %d, want %v and %v", a, b, code, before, after)
			}
			meet(t, ann, a, bob, b)
			for _, ip := range []netip.Addr{before, after} {
				if w := s.homes.of(familyOf(after)).wall; w.lets(netip.AddrPortFrom(ip, 22)) {
					t.Errorf("port 22 of %v, where we have relays, is reached", ip)
				}
			}
			if got := ann.do(stun.MethodRefresh, attr(stun.AttrLifetime, 0, 0, 0, 0)); got.Type.Class != stun.ClassSuccessResponse {
				t.Fatal("the end of an allocation was refused")
			}
			if before != after {
				w := s.homes.of(familyOf(after)).wall
				s.within(t, "an old address without relays is still ours", func() bool { return !s.homes.view.Load().relayed(before) })
				if w.grants(before) {
					t.Errorf("a permission for %v, which is no relay's any more, is granted", before)
				}
			}
			if relayed, code := carl.allocate(familyAttr(after)); code != 0 || relayed.Addr() != after {
				t.Errorf("Allocate = %v, %d, want a relay at %v", relayed, code, after)
			}
		})
	}
}

// TestAddressOfOneFamilyChanges holds that the other family goes on as it was, and
// that one which has gone is not given away any more.
func TestAddressOfOneFamilyChanges(t *testing.T) {
	t.Parallel()
	s := outside(t, "198.51.100.7", "2001:db8::7")
	four := s.homes.of(family4)
	if err := s.SetPublicIPs(addrs("198.51.100.7", "2001:db8::8")); err != nil {
		t.Fatal(err)
	}
	if s.homes.of(family4) != four || s.homes.of(family6).public != addrs("2001:db8::8")[0] {
		t.Errorf("homes at %v and %v, want the first one as it was and the other one moved", s.homes.of(family4).public, s.homes.of(family6).public)
	}
	if err := s.SetPublicIPs(addrs("198.51.100.7")); err != nil {
		t.Fatal(err)
	}
	if _, code := s.dial(t, "udp", "ann").allocate(familyAttr(netip.IPv6Loopback())); code != stun.CodeAddrFamilyNotSupported {
		t.Errorf("Allocate for a family that has gone = %d, want 440", code)
	}
	s.dial(t, "udp", "bob").mustAllocate()
	for _, bad := range [][]netip.Addr{nil, {{}}, addrs("0.0.0.0"), addrs("198.51.100.9", "ff02::1")} {
		if err := s.SetPublicIPs(bad); err == nil || s.homes.of(family4) != four {
			t.Errorf("SetPublicIPs(%v) = %v, want an error and no change", bad, err)
		}
	}
}

// TestAddressChangesUnderLoad lets relays talk, and others come and go, while the
// address changes to and fro; the race detector watches.
func TestAddressChangesUnderLoad(t *testing.T) {
	t.Parallel()
	s := outside(t, "198.51.100.7")
	ann, bob := s.dial(t, "udp", "ann"), s.dial(t, "tcp", "bob")
	a, b := ann.mustAllocate(), bob.mustAllocate()
	meet(t, ann, a, bob, b)
	done := make(chan struct{})
	var changing sync.WaitGroup
	changing.Go(func() {
		list := []string{"198.51.100.8", "127.0.0.1", "198.51.100.7"}
		for i := 0; ; i++ {
			select {
			case <-done:
				return
			default:
			}
			if err := s.SetPublicIPs(addrs(list[i%len(list)])); err != nil {
				t.Error(err)
			}
		}
	})
	for i := range 50 {
		talk(t, ann, a, bob, b)
		c := s.dial(t, "udp", "user "+string(rune('A'+i)))
		c.mustAllocate()
		c.do(stun.MethodRefresh, attr(stun.AttrLifetime, 0, 0, 0, 0))
	}
	close(done)
	changing.Wait()
	if n := len(s.homes.view.Load().all); n > 3 {
		t.Errorf("%d homes, want those at an end forgotten", n)
	}
}

// TestFamiliesMeet lets a client that has only IPv6 talk to one that has only
// IPv4: as browsers do, they ask for no family of their relays, and get the same.
func TestFamiliesMeet(t *testing.T) {
	t.Parallel()
	if len(hosts(t)) == 1 {
		t.Skip("no IPv6 on this machine")
	}
	for _, c := range []struct {
		name   string
		public []string
		want   byte
	}{
		{"of a server with both families", []string{"2001:db8::7", "198.51.100.7"}, family4},
		{"of a server with IPv4 alone", []string{"198.51.100.7"}, family4},
		{"of a server with IPv6 alone", []string{"2001:db8::7"}, family6},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, func(cfg *Config) {
				cfg.UDPAddrs, cfg.TCPAddr = []string{":0"}, ":0"
				cfg.PublicIPs, cfg.Peers = addrs(c.public...), PeersRoom
			})
			ann, bob := s.dialVia(t, "udp", "::1", "room.a"), s.dialVia(t, "tcp", "127.0.0.1", "room.b")
			a, b := ann.mustAllocate(), bob.mustAllocate()
			if familyOf(a.Addr()) != c.want || familyOf(b.Addr()) != c.want {
				t.Fatalf("relays at %v and %v, want both of family %d", a, b, c.want)
			}
			meet(t, ann, a, bob, b)
			eve := s.dialVia(t, "udp", "::1", "other.a")
			e := eve.mustAllocate()
			if !eve.permit(b) || !bob.permit(e) {
				t.Fatal("a permission for the public address was refused: the relay sees whose port it is")
			}
			eve.sendTo(b, "hello")
			ann.sendTo(b, "after eve")
			if got, err := bob.read(); err != nil || string(got) != string(channelData("after eve")) {
				t.Errorf("bob got %q, %v, want only what ann sends", got, err)
			}
		})
	}
}

// TestRelaysOfTwoHomes holds that a relay which is bound to the address of an
// interface and one which is bound to none know each other, though the kernel
// sends from another address than the one that was meant.
func TestRelaysOfTwoHomes(t *testing.T) {
	t.Parallel()
	onInterface := netip.MustParseAddr("127.0.0.2")
	var lc net.ListenConfig
	conn, err := lc.ListenPacket(t.Context(), "udp", "127.0.0.2:0")
	if err != nil {
		t.Skipf("%v is not ours: %v", onInterface, err)
	}
	_ = conn.Close()
	cfg := Config{PublicIPs: []netip.Addr{onInterface}, Peers: PeersPublic}.withDefaults()
	interfaces := map[netip.Addr]bool{onInterface: true}
	h := newHomes(cfg, interfaces, nil, newMeter(cfg, new(counters), new(budget)))
	var ours [2]*relay
	for i, public := range []string{"127.0.0.2", "198.51.100.7"} {
		h.move(addrs(public), interfaces)
		r, err := h.of(family4).open(false)
		if err != nil {
			t.Fatal(err)
		}
		r.belongTo(new(grant), func(*relay) {}, func() {})
		t.Cleanup(func() { _ = r.Close() })
		ours[i] = r
	}
	for i, from := range ours {
		to := ours[1-i]
		sender, receiver := from.home.addr(from), to.home.addr(to)
		to.permit([]netip.AddrPort{gate.AddrPort(sender)}, time.Now())
		if _, err := from.WriteTo([]byte("ours"), receiver); err != nil {
			t.Fatal(err)
		}
		p := make([]byte, 100)
		n, got, err := readOnce(to, p)
		if err != nil || string(p[:n]) != "ours" || got.String() != sender.String() {
			t.Errorf("%v got %q from %v, %v, want ours from %v", receiver, p[:n], got, err, sender)
		}
	}
	// An interface other than loopback has the kernel send from that very address.
	from := netip.AddrPortFrom(onInterface, ours[1].port)
	if got, want := h.outward(from), gate.AddrPort(ours[1].home.addr(ours[1])); got != want {
		t.Errorf("outward(%v) = %v, want %v", from, got, want)
	}
	_ = ours[0].Close()
	if v := h.view.Load(); len(v.all) != 1 || v.relayed(onInterface) {
		t.Errorf("%d homes after the last relay of the old one, want 1", len(v.all))
	}
}

// readOnce closes the relay if nothing comes in time, since only that ends
// ReadFrom.
func readOnce(r *relay, p []byte) (int, net.Addr, error) {
	late := time.AfterFunc(patience, func() { _ = r.Close() })
	defer late.Stop()
	return r.ReadFrom(p)
}
