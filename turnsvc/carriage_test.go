package turnsvc

import (
	"bytes"
	"errors"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/pion/stun/v3"

	"github.com/wasmp2pchat/wasmp2pchat/turnsvc/dataplane"
)

// fakePlane remembers what it is told, and carries nothing.
type fakePlane struct {
	failed chan error

	mu      sync.Mutex
	bound   map[dataplane.Channel]bool
	errs    []string // what nobody may ask of a plane
	bitrate int64
	counts  dataplane.Counts
	closed  bool
}

var errFake = errors.New("not I")

func (*fakePlane) Name() string           { return "fake" }
func (p *fakePlane) Failed() <-chan error { return p.failed }

func (p *fakePlane) Bind(c dataplane.Channel) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bound[c] || p.closed {
		p.errs = append(p.errs, "bound twice, or too late")
	}
	if c.Number == 0x4fff {
		return errFake
	}
	p.bound[c] = true
	return nil
}

func (p *fakePlane) Unbind(c dataplane.Channel) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.bound[c] {
		p.errs = append(p.errs, "unbound what was not bound")
	}
	delete(p.bound, c)
}

func (p *fakePlane) SetBitrate(rate int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.bitrate = rate
}

func (p *fakePlane) Counts() (dataplane.Counts, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.counts, nil
}

func (p *fakePlane) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	return nil
}

// holds are the channels that are bound.
func (p *fakePlane) holds() []dataplane.Channel {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Collect(maps.Keys(p.bound))
}

// withFake is a service in rooms whose kernel plane is a fake.
func withFake(t *testing.T, change func(*Config)) (*service, *fakePlane) {
	t.Helper()
	p := &fakePlane{failed: make(chan error, 1), bound: map[dataplane.Channel]bool{}}
	s := serve(t, func(c *Config) {
		c.DataPlane, c.PublicIPs = PlaneEBPF, addrs("198.51.100.7")
		c.Peers, c.AllowPeers = PeersRoom, []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
		c.kernel = func(o dataplane.Options) (dataplane.Plane, error) {
			p.bitrate = o.Bitrate
			return p, nil
		}
		if change != nil {
			change(c)
		}
	})
	t.Cleanup(func() {
		s.stopped(t)
		p.mu.Lock()
		defer p.mu.Unlock()
		if len(p.errs) > 0 || !p.closed || len(p.bound) > 0 && len(p.failed) == 0 {
			t.Errorf("after the end: closed is %v, %d channels are bound, faults: %q", p.closed, len(p.bound), p.errs)
		}
	})
	return s, p
}

// TestPlaneIsToldOfChannels holds that a plane has each channel that may be
// carried, with its addresses, from the answer to ChannelBind on, and no other.
func TestPlaneIsToldOfChannels(t *testing.T) {
	t.Parallel()
	s, p := withFake(t, nil)
	a, b, c := s.member(t, "room", "a"), s.member(t, "room", "b"), s.member(t, "other", "a")
	atA, atB := a.mustAllocate(), b.mustAllocate()
	c.mustAllocate()
	for who, peer := range map[*client]netip.AddrPort{a: atB, c: atA} { // c is of another room
		if !who.bind(peer) {
			t.Fatal("a ChannelBind was refused")
		}
	}
	if !a.bind(atB) {
		t.Fatal("a ChannelBind was refused the second time")
	}
	held := p.holds()
	want := dataplane.Channel{
		Client: netip.MustParseAddrPort(a.conn.LocalAddr().String()), Server: netip.MustParseAddrPort(s.udp[0].LocalAddr().String()),
		Number: 0x4000, Relayed: netip.AddrPortFrom(netip.IPv4Unspecified(), atA.Port()),
		Peer:    netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), atB.Port()),
		Partner: netip.AddrPortFrom(netip.IPv4Unspecified(), atB.Port()),
	}
	if len(held) != 1 {
		t.Fatalf("the plane carries %v, want one channel", held)
	}
	if want.Allocation = held[0].Allocation; held[0] != want || want.Allocation == 0 {
		t.Errorf("the plane carries %+v, want %+v", held[0], want)
	}
	b.do(stun.MethodRefresh, attr(stun.AttrLifetime, 0, 0, 0, 0))
	if held := p.holds(); len(held) != 0 {
		t.Errorf("when the partner's allocation has ended the plane carries %v, want nothing", held)
	}
	atB = s.member(t, "room", "b").mustAllocate()
	if code(a.do(stun.MethodChannelBind, attr(stun.AttrChannelNumber, 0x40, 1, 0, 0), peerAddr(atB))) != 0 || len(p.holds()) != 1 {
		t.Fatalf("the plane carries %v, want the channel to the partner's new relay", p.holds())
	}
	if s.EndRoom("room"); len(p.holds()) != 0 {
		t.Errorf("when the room has ended the plane carries %v, want nothing", p.holds())
	}
}

// TestPlaneFollowsWhatIsAllowed holds that a channel is carried when rooms become
// one, and no more when its peer has become an address of ours.
func TestPlaneFollowsWhatIsAllowed(t *testing.T) {
	t.Parallel()
	s, p := withFake(t, nil)
	a, b := s.member(t, "room", "ma"), s.member(t, "annex", "ma")
	a.mustAllocate()
	if atB := b.mustAllocate(); !a.bind(atB) || len(p.holds()) != 0 {
		t.Fatalf("the plane carries %v before there is a partner", p.holds())
	}
	s.Join("annex", "room")
	s.within(t, "the plane does not carry what two rooms that became one allow", func() bool { return len(p.holds()) == 1 })

	home := netip.MustParseAddr("8.8.4.4")
	c := s.member(t, "far", "a", home)
	c.mustAllocate()
	if !c.bind(netip.AddrPortFrom(home, 5000)) || len(p.holds()) != 2 {
		t.Fatalf("the plane carries %v, want a channel to the partner's home", p.holds())
	}
	if err := s.SetPublicIPs([]netip.Addr{home}); err != nil {
		t.Fatal(err)
	}
	if held := p.holds(); len(held) != 1 {
		t.Errorf("the plane carries %v to an address that is ours now", held)
	}
}

// TestPlaneIsMetered holds that what a plane has carried is counted, and spent of
// the budget: once what stays within the machine, and else twice; and that the
// bitrate follows.
func TestPlaneIsMetered(t *testing.T) {
	t.Parallel()
	s, p := withFake(t, func(c *Config) { c.MonthlyBudget = 10_000 })
	p.mu.Lock()
	p.counts = dataplane.Counts{
		In: dataplane.Traffic{Packets: 10, Bytes: 1000}, Out: dataplane.Traffic{Packets: 30, Bytes: 3000},
		OutWithin: dataplane.Traffic{Packets: 10, Bytes: 1000}, Dropped: 7,
	}
	p.mu.Unlock()
	const want = 2*(1000+10*headerBytes) + 2*(3000+30*headerBytes) - (1000 + 10*headerBytes)
	s.within(t, "what the plane has carried does not count", func() bool {
		now := s.Stats()
		return now.BudgetSpent == want && now.DroppedBitrate == 7 && now.RelayedBytesIn == 1000 && now.RelayedPacketsOut == 30 &&
			now.Carried[PlaneEBPF].Out.Bytes == 3000
	})
	s.within(t, "the budget does not slow the plane down", func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.bitrate == int64(DefaultBitrate/shapeDivisor)
	})
}

// TestPlaneFails holds that a relay goes on when its plane ends, or refuses a
// channel.
func TestPlaneFails(t *testing.T) {
	t.Parallel()
	var log lines
	s, p := withFake(t, func(c *Config) {
		c.Peers, c.Log = PeersAny, slog.New(slog.NewTextHandler(&log, nil))
	})
	ann := s.dial(t, "udp", "ann")
	ann.mustAllocate()
	conn, peer := newPeer(t)
	if m := ann.do(stun.MethodChannelBind, attr(stun.AttrChannelNumber, 0x4f, 0xff, 0, 0), peerAddr(peer)); m.Type.Class != stun.ClassSuccessResponse {
		t.Fatal("ChannelBind was refused")
	}
	p.failed <- errFake
	s.within(t, "no word about the end of the plane", func() bool { return log.with("turn data plane failed") == 1 })
	p.failed <- errFake // for withFake: it has failed
	message := append([]byte{0x4f, 0xff, 0, 5}, "hello"...)
	ann.send(message)
	got := make([]byte, 100)
	n, from, err := conn.ReadFromUDPAddrPort(got)
	if err != nil || string(got[:n]) != "hello" {
		t.Fatalf("the peer got %q, %v, want hello", got[:n], err)
	}
	if _, err := conn.WriteToUDPAddrPort([]byte("hello"), from); err != nil {
		t.Fatal(err)
	}
	if got, err := ann.read(); err != nil || !bytes.Equal(got, message) {
		t.Errorf("the client got %x, %v, want %x", got, err, message)
	}
}

// TestPlaneComesBack holds that a plane which has failed is opened again, though not
// at the first try, has the channels that live, and counts from its own start.
func TestPlaneComesBack(t *testing.T) {
	t.Parallel()
	next := &fakePlane{failed: make(chan error, 1), bound: map[dataplane.Channel]bool{}}
	var opened int
	s, p := withFake(t, func(c *Config) {
		first := c.kernel
		c.Peers, c.reopenAfter = PeersAny, time.Millisecond
		c.kernel = func(o dataplane.Options) (dataplane.Plane, error) {
			switch opened++; opened { // by one goroutine after the other
			case 1:
				return first(o)
			case 2:
				return nil, errFake
			}
			return next, nil
		}
	})
	ann := s.dial(t, "udp", "ann")
	ann.mustAllocate()
	_, peer := newPeer(t)
	if !ann.bind(peer) || len(p.holds()) != 1 {
		t.Fatalf("the plane carries %v, want one channel", p.holds())
	}
	carried := dataplane.Counts{In: dataplane.Traffic{Packets: 10, Bytes: 1000}}
	p.mu.Lock()
	p.counts = carried
	p.mu.Unlock()
	next.counts = carried
	p.failed <- errFake
	s.within(t, "the next plane does not carry the channel", func() bool { return slices.Equal(next.holds(), p.holds()) })
	p.failed <- errFake // for withFake: it has failed
	s.within(t, "what both have carried does not count", func() bool { return s.Stats().RelayedBytesIn == 2000 })
	ann.do(stun.MethodRefresh, attr(stun.AttrLifetime, 0, 0, 0, 0))
	if held := next.holds(); len(held) != 0 {
		t.Errorf("when the allocation has ended the next plane carries %v", held)
	}
	s.stopped(t)
	if next.mu.Lock(); !next.closed || len(next.errs) > 0 {
		t.Errorf("after the end: closed is %v, faults: %q", next.closed, next.errs)
	}
	next.mu.Unlock()
}

func TestDataPlaneIsRead(t *testing.T) {
	t.Parallel()
	for _, want := range []DataPlane{PlaneAuto, PlaneEBPF, PlaneBatch, PlanePion} {
		text, _ := want.MarshalText()
		got := DataPlane(99)
		if err := got.UnmarshalText(text); err != nil || got != want {
			t.Errorf("UnmarshalText(%s) = %v, %v, want %v", text, got, err, want)
		}
	}
	if err := new(DataPlane).UnmarshalText([]byte("dpdk")); err == nil {
		t.Error(`UnmarshalText("dpdk") succeeded`)
	}
}
