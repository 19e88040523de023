package turnsvc

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/turnsvc/gate"
)

// newMeteredRelay is the relay of an allocation on loopback, with a budget that
// nothing has been spent of, and a peer.
func newMeteredRelay(t testing.TB, change func(*Config)) (r *relay, peer *net.UDPConn) {
	t.Helper()
	cfg := Config{PublicIPs: addrs("127.0.0.1"), Peers: PeersAny, MonthlyBudget: 1 << 40}
	if change != nil {
		change(&cfg)
	}
	cfg = cfg.withDefaults()
	count := new(counters)
	b, err := openBudget(cfg, count)
	if err != nil {
		t.Fatal(err)
	}
	own, err := interfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	home := newHomes(cfg, own, nil, newMeter(cfg, count, b)).of(family4)
	peer, addr := newPeer(t)
	r = openRelay(t, home)
	r.permit([]netip.AddrPort{addr}, time.Now())
	return r, peer
}

func openRelay(t testing.TB, home *relays) *relay {
	t.Helper()
	r, err := home.open(false)
	if err != nil {
		t.Fatal(err)
	}
	r.belongTo(nil, func(*relay) {}, func() {})
	t.Cleanup(func() { _ = r.Close() })
	return r
}

// send sends n datagrams of 1000 bytes from a peer to a relay.
func send(t testing.TB, from *net.UDPConn, to *relay, n int) {
	t.Helper()
	for range n {
		if _, err := from.WriteToUDPAddrPort(make([]byte, 1000), gate.AddrPort(to.LocalAddr())); err != nil {
			t.Fatal(err)
		}
	}
}

// receive lets a relay read one datagram.
func receive(t testing.TB, r *relay) {
	t.Helper()
	if _, _, err := r.ReadFrom(make([]byte, 1600)); err != nil {
		t.Fatal(err)
	}
}

// TestBitrateIsHeldEachWay floods a relay one way: 65 datagrams of 1000 bytes are
// what 64 KiB hold, and the rate of 1 kbit/s adds nothing while the test runs.
// The other way is as free as before.
func TestBitrateIsHeldEachWay(t *testing.T) {
	t.Parallel()
	r, peer := newMeteredRelay(t, func(c *Config) { c.MaxBitrate = minBitrate })
	p, to := make([]byte, 1000), peer.LocalAddr()
	for i := range 200 {
		if n, err := r.WriteTo(p, to); n != len(p) || err != nil {
			t.Fatalf("WriteTo number %d = %d, %v, want %d: pion takes less for an error", i, n, err, len(p))
		}
	}
	count := r.home.count
	if out, dropped := count.user.out.packets.Load(), count.bitrate.Load(); out != 65 || dropped != 135 {
		t.Errorf("of 200 datagrams %d passed and %d were dropped, want 65 and 135", out, dropped)
	}
	for range 65 {
		send(t, peer, r, 1) // one by one: the kernel holds only so many
		receive(t, r)
	}
	if in, dropped := count.user.in.packets.Load(), count.bitrate.Load(); in != 65 || dropped != 135 {
		t.Errorf("the other way %d of 65 passed, and %d are dropped in all, want 65 and 135", in, dropped)
	}
}

func TestBitrateFollowsTheBudget(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name           string
		bitrate        Bitrate
		normal, shaped Bitrate
	}{
		{"by default", 0, 2e6, 5e5},
		{"as set", 8e6, 8e6, 2e6},
		{"without a limit there is one when the budget runs out", NoLimit, NoLimit, 5e5},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r, _ := newMeteredRelay(t, func(cfg *Config) { cfg.MaxBitrate, cfg.MonthlyBudget = c.bitrate, 1000 })
			if got := r.home.meter.rate(); got != c.normal {
				t.Errorf("rate() = %v, want %v", got, c.normal)
			}
			r.home.meter.budget.spend(800)
			if got := r.home.meter.rate(); got != c.shaped {
				t.Errorf("rate() when the budget runs out = %v, want %v", got, c.shaped)
			}
		})
	}
}

// TestBudgetCountsWhatEntersAndLeavesTheMachine holds that a datagram counts
// twice, and between two relays of ours once each.
func TestBudgetCountsWhatEntersAndLeavesTheMachine(t *testing.T) {
	t.Parallel()
	const leg = 1000 + headerBytes
	r, peer := newMeteredRelay(t, nil)
	spent := func() int64 { return r.home.count.spent.Load() }
	if _, err := r.WriteTo(make([]byte, 1000), peer.LocalAddr()); err != nil || spent() != 2*leg {
		t.Errorf("to a peer: %d bytes are spent, %v, want %d", spent(), err, 2*leg)
	}
	send(t, peer, r, 1)
	if receive(t, r); spent() != 4*leg {
		t.Errorf("and from a peer: %d bytes are spent, want %d", spent(), 4*leg)
	}
}

// newNeighbours are the relays of two allocations of one server, which stands
// behind a 1:1 NAT.
func newNeighbours(t testing.TB) (from, to *relay) {
	t.Helper()
	cfg := Config{PublicIPs: addrs("198.51.100.7"), Peers: PeersAny, MaxBitrate: minBitrate, MonthlyBudget: 1 << 40}.withDefaults()
	count := new(counters)
	b, err := openBudget(cfg, count)
	if err != nil {
		t.Fatal(err)
	}
	home := newHomes(cfg, map[netip.Addr]bool{}, nil, newMeter(cfg, count, b)).of(family4)
	from, to = openRelay(t, home), openRelay(t, home)
	to.permit([]netip.AddrPort{gate.AddrPort(home.addr(from))}, time.Now())
	return from, to
}

func TestBudgetCountsOneLegBetweenRelays(t *testing.T) {
	t.Parallel()
	from, to := newNeighbours(t)
	if _, err := from.WriteTo(make([]byte, 1000), from.home.addr(to)); err != nil {
		t.Fatal(err)
	}
	receive(t, to)
	if got := from.home.count.spent.Load(); got != 2*(1000+headerBytes) {
		t.Errorf("%d bytes are spent, want %d: in from one client, out to the other", got, 2*(1000+headerBytes))
	}
}

// TestStrangersSpendNothing sends to a relay from an address that has no
// permission, and then from one that has: neither the budget nor the bucket has
// felt the former.
func TestStrangersSpendNothing(t *testing.T) {
	t.Parallel()
	from, to := newNeighbours(t)
	stranger, _ := newPeer(t)
	for range 50 {
		if _, err := stranger.WriteToUDPAddrPort(make([]byte, 1000), netip.AddrPortFrom(to.home.inner(), to.port)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := from.WriteTo(make([]byte, 1000), to.home.addr(to)); err != nil {
		t.Fatal(err)
	}
	receive(t, to)
	c := to.home.count
	if got := c.spent.Load(); got != 2*(1000+headerBytes) || c.user.in.packets.Load() != 1 || c.peers.Load() != 50 {
		t.Errorf("%d bytes are spent, %d datagrams passed and %d were refused, want one that passed", got, c.user.in.packets.Load(), c.peers.Load())
	}
	one := minBitrate.takes(1000)
	if owed := time.Duration(to.in.full.Load()) - to.home.meter.now(); owed > one || owed < one/2 {
		t.Errorf("the bucket is full again in %v, want nearly %v, for one datagram", owed, one)
	}
}

func TestMeterMakesNoGarbage(t *testing.T) {
	r, _ := newMeteredRelay(t, nil)
	r.permit([]netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:7")}, r.home.meter.start)
	ip := netip.MustParseAddr("192.0.2.1")
	n := testing.AllocsPerRun(100, func() {
		now := r.home.meter.now()
		if r.routes.lets(ip, now) && r.home.meter.lets(&r.in, 160, now) {
			r.home.meter.carriedIn(160, false)
		}
	})
	if n != 0 {
		t.Errorf("metering a datagram makes %v allocations, want 0", n)
	}
}

// BenchmarkMeter is what permission, bitrate, budget and counters cost a
// datagram: less than a tenth of the system call that brought it.
func BenchmarkMeter(b *testing.B) {
	r, _ := newMeteredRelay(b, func(c *Config) { c.MaxBitrate = maxBitrate })
	r.permit([]netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:7")}, r.home.meter.start)
	ip := netip.MustParseAddr("192.0.2.1")
	b.ReportAllocs()
	for b.Loop() {
		now := r.home.meter.now()
		if r.routes.lets(ip, now) && r.home.meter.lets(&r.in, 160, now) {
			r.home.meter.carriedIn(160, false)
		}
	}
}
