package turnsvc

import (
	"io"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"slices"
	"testing"

	"github.com/pion/stun/v3"

	"github.com/wasmp2pchat/wasmp2pchat/turnsvc/gate"
)

// inBatches is a service whose plane is batch, where there is one.
func inBatches(t testing.TB, change func(*Config)) *service {
	t.Helper()
	s := serve(t, func(c *Config) {
		c.DataPlane, c.MaxBitrate = PlaneBatch, NoLimit
		if change != nil {
			change(c)
		}
	})
	if s.userSpace != PlaneBatch {
		t.Skip("no batch on this machine")
	}
	return s
}

// TestBatchPathMakesNoGarbage sends datagrams through the whole service and back:
// by channels, by indications, from relay to relay and to a stream; through outlets and
// without.
func TestBatchPathMakesNoGarbage(t *testing.T) {
	for _, after := range []uint64{10, 1 << 20} {
		testGarbage(t, after)
	}
}

func testGarbage(t *testing.T, outletAfter uint64) {
	t.Helper()
	s := inBatches(t, func(c *Config) { c.outletAfter = outletAfter })
	ann, bob, cat := s.dial(t, "udp", "ann"), s.dial(t, "udp", "bob"), s.dial(t, "tcp", "cat")
	atAnn, atBob, atCat := ann.mustAllocate(), bob.mustAllocate(), cat.mustAllocate()
	conn, peer := newPeer(t)
	other, stranger := newPeer(t) // permitted by its address
	for _, c := range []*client{ann, bob, cat} {
		if !c.bind(peer) {
			t.Fatal("ChannelBind was refused")
		}
	}
	toPeer := onChannel(0, make([]byte, 160), 0)
	indication := (&stage{t: t}).sendTo(stranger, make([]byte, 160))
	toBob := (&stage{t: t}).sendTo(atBob, make([]byte, 160))
	p := make([]byte, 2000)
	read := func(from io.Reader) {
		if _, err := from.Read(p); err != nil {
			t.Fatal(err)
		}
	}
	write := func(to io.Writer, message []byte) {
		if _, err := to.Write(message); err != nil {
			t.Fatal(err)
		}
	}
	for name, round := range map[string]func(){
		"by channels": func() {
			write(ann.conn, toPeer)
			read(conn)
			if _, err := conn.WriteToUDPAddrPort(p[:160], atAnn); err != nil {
				t.Fatal(err)
			}
			read(ann.conn)
		},
		"by indications": func() {
			write(ann.conn, indication)
			read(other)
			if _, err := other.WriteToUDPAddrPort(p[:160], atAnn); err != nil {
				t.Fatal(err)
			}
			read(ann.conn)
		},
		"from relay to relay": func() {
			write(ann.conn, toBob)
			read(bob.conn)
		},
		"by a stream": func() {
			write(cat.conn, toPeer)
			read(conn)
			if _, err := conn.WriteToUDPAddrPort(p[:160], atCat); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(cat.conn, p[:164]); err != nil {
				t.Fatal(err)
			}
		},
	} {
		for range 20 { // what is made once
			round()
		}
		if n := testing.AllocsPerRun(200, round); n != 0 {
			t.Errorf("a round trip %s makes %v allocations, want 0", name, n)
		}
	}
	// To ann, to bob, and for each of ann and cat to the peer.
	if n, want := s.batch.outlets.count(), map[bool]int{true: 4}[outletAfter == 10]; n != want {
		t.Errorf("%d outlets are open, want %d", n, want)
	}
}

// TestEveryPlaneHoldsTheBitrate floods a relay one way and the other: 65 datagrams of
// 1000 bytes are what 64 KiB hold, and 1 kbit/s adds nothing while the test runs.
func TestEveryPlaneHoldsTheBitrate(t *testing.T) {
	t.Parallel()
	for _, plane := range userSpacePlanes() {
		s := serve(t, func(c *Config) { c.DataPlane, c.MaxBitrate = plane, minBitrate })
		ann := s.dial(t, "udp", "ann")
		relayed := ann.mustAllocate()
		conn, peer := newPeer(t)
		if !ann.bind(peer) {
			t.Fatal("ChannelBind was refused")
		}
		for range 10 { // the kernel holds only so many
			for range 10 {
				ann.send(onChannel(0, make([]byte, 1000), 0))
			}
			ann.raw(stun.MethodBinding) // answered, so all before it was handled
		}
		s.within(t, "not 65 of 100 datagrams pass to the peer", func() bool {
			now := s.Stats()
			return now.RelayedPacketsOut == 65 && now.DroppedBitrate == 35
		})
		for range 65 {
			if _, err := conn.WriteToUDPAddrPort(make([]byte, 1000), relayed); err != nil {
				t.Fatal(err)
			}
			if got, err := ann.read(); err != nil || len(got) != 1004 {
				t.Fatalf("the client got %d bytes, %v, want 1004: the other way is free", len(got), err)
			}
		}
		if _, err := conn.WriteToUDPAddrPort(make([]byte, 1000), relayed); err != nil {
			t.Fatal(err)
		}
		s.within(t, "one datagram too many passes to the client", func() bool {
			now := s.Stats()
			return now.RelayedPacketsIn == 65 && now.DroppedBitrate == 36
		})
	}
}

// TestChatsGoOnWhenAWorkerFails holds that they do, whoever is in them.
func TestChatsGoOnWhenAWorkerFails(t *testing.T) {
	t.Parallel()
	log := new(lines)
	s := inBatches(t, func(c *Config) { c.cores, c.Log = 1, slog.New(slog.NewTextHandler(log, nil)) })
	ann, bob := s.dial(t, "udp", "ann"), s.dial(t, "tcp", "bob")
	a, b := ann.mustAllocate(), bob.mustAllocate()
	meet(t, ann, a, bob, b)
	s.fall(t, a, b)
	talk(t, ann, a, bob, b)
	carl := s.dial(t, "udp", "carl")
	c := carl.mustAllocate()
	meet(t, ann, a, carl, c)
	if n := log.with("turn data plane failed"); n != 1 {
		t.Errorf("%d lines about the failure, want 1", n)
	}
}

// fall lets the workers fail, and waits until those relays have none.
func (s *service) fall(t *testing.T, relays ...netip.AddrPort) {
	t.Helper()
	for _, w := range s.batch.workers {
		if err := w.poller.Close(); err != nil {
			t.Fatal(err)
		}
	}
	s.within(t, "the relays still have a worker", func() bool {
		return !slices.ContainsFunc(relays, func(at netip.AddrPort) bool { return s.homes.at(at).batched() })
	})
}

// TestWithoutWorkersItCarriesTheSame is TestPlanesCarryTheSame when the workers have
// failed.
func TestWithoutWorkersItCarriesTheSame(t *testing.T) {
	t.Parallel()
	for _, where := range []struct{ listen, public string }{{"127.0.0.1:0", "127.0.0.1"}, {":0", "::1"}} {
		t.Run("relays at "+where.public, func(t *testing.T) {
			t.Parallel()
			want := newStage(t, PlanePion, where.listen, where.public).play(4)
			s := newStage(t, PlaneBatch, where.listen, where.public)
			s.srv.fall(t, slices.Collect(maps.Values(s.relays))...)
			compare(t, PlaneBatch, want, s.play(4))
		})
	}
}

// TestClosedRelayIsNobodys holds that what was on its way to a relay which is closed
// does not reach the one that comes after it, and that its worker forgets it.
func TestClosedRelayIsNobodys(t *testing.T) {
	t.Parallel()
	s := inBatches(t, func(c *Config) { c.cores, c.RelayPorts = 1, freePorts(t, 1) })
	conn, peer := newPeer(t)
	w := s.batch.workers[0]
	for turn, name := range []string{"ann", "bob", "cat"} {
		c := s.dial(t, "udp", name)
		relayed := c.mustAllocate()
		for old := range turn {
			if w.of(uint64(old)<<32) != nil {
				t.Error("the worker takes what the poller knew of a relay that was closed for the present one")
			}
		}
		if !c.bind(peer) {
			t.Fatal("ChannelBind was refused")
		}
		if _, err := conn.WriteToUDPAddrPort([]byte("mine"), relayed); err != nil {
			t.Fatal(err)
		}
		if got, err := c.read(); err != nil || string(got) != string(onChannel(0, []byte("mine"), 0)) {
			t.Fatalf("received %q, %v", got, err)
		}
		s.EndUser(name)
	}
	if len(w.slots) != 1 || w.slots[0].relay != nil || len(w.free) != 1 {
		t.Errorf("the worker has %d slots and %d free, want one, which is free", len(w.slots), len(w.free))
	}
}

// BenchmarkService is a round trip through the whole service on each plane: from
// client to peer and back, one datagram at a time, so that nothing can be batched.
func BenchmarkService(b *testing.B) {
	for _, plane := range userSpacePlanes() {
		b.Run(plane.String(), func(b *testing.B) {
			s := serve(b, func(c *Config) { c.DataPlane, c.MaxBitrate = plane, NoLimit })
			ann := s.dial(b, "udp", "ann")
			relayed := ann.mustAllocate()
			conn, peer := newPeer(b)
			if !ann.bind(peer) {
				b.Fatal("ChannelBind was refused")
			}
			message, p := onChannel(0, make([]byte, 160), 0), make([]byte, gate.MaxFrameBytes)
			to := net.UDPAddrFromAddrPort(relayed).AddrPort()
			b.ReportAllocs()
			for b.Loop() {
				if _, err := ann.conn.Write(message); err != nil {
					b.Fatal(err)
				}
				if _, err := conn.Read(p); err != nil {
					b.Fatal(err)
				}
				if _, err := conn.WriteToUDPAddrPort(p[:160], to); err != nil {
					b.Fatal(err)
				}
				if _, err := ann.conn.Read(p); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
