package turnsvc

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/turnsvc/gate"
)

// echo returns a function that sends a datagram through a relay to a peer and
// one back.
func echo(t testing.TB) func() {
	t.Helper()
	cfg := Config{PublicIPs: addrs("127.0.0.1"), Peers: PeersAny, MaxBitrate: maxBitrate}.withDefaults()
	own, err := interfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	h := newHomes(cfg, own, nil, newMeter(cfg, new(counters), new(budget))).of(family4)
	r, err := h.open(false)
	if err != nil {
		t.Fatal(err)
	}
	r.belongTo(new(grant), func(*relay) {}, func() {})
	t.Cleanup(func() { _ = r.Close() })
	conn, addr := newPeer(t)
	r.permit([]netip.AddrPort{addr}, time.Now())
	peer := net.Addr(net.UDPAddrFromAddrPort(addr))
	p, q := make([]byte, 160), make([]byte, 1600)
	return func() {
		if _, err := r.WriteTo(p, peer); err != nil {
			t.Fatal(err)
		}
		n, from, err := conn.ReadFromUDPAddrPort(q)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.WriteToUDPAddrPort(q[:n], from); err != nil {
			t.Fatal(err)
		}
		if n, _, err := r.ReadFrom(q); n != len(p) || err != nil {
			t.Fatal(n, err)
		}
	}
}

func TestRelayMakesNoGarbage(t *testing.T) {
	if n := testing.AllocsPerRun(100, echo(t)); n != 0 {
		t.Errorf("a round trip makes %v allocations, want 0", n)
	}
}

// TestRelayReadsOnlyWhatTheWallLetsThrough sends to the socket itself, where
// pion's permissions are not asked.
func TestRelayReadsOnlyWhatTheWallLetsThrough(t *testing.T) {
	t.Parallel()
	cfg := Config{PublicIPs: addrs("198.51.100.7"), Peers: PeersPublic}.withDefaults()
	h := newHomes(cfg, map[netip.Addr]bool{}, nil, newMeter(cfg, new(counters), new(budget))).of(family4)
	var ours [2]*relay
	for i := range ours {
		r, err := h.open(false)
		if err != nil {
			t.Fatal(err)
		}
		r.belongTo(new(grant), func(*relay) {}, func() {})
		t.Cleanup(func() { _ = r.Close() })
		ours[i] = r
	}
	foreign, addr := newPeer(t)
	ours[0].permit([]netip.AddrPort{addr, gate.AddrPort(h.addr(ours[1]))}, time.Now())
	if _, err := foreign.WriteToUDPAddrPort([]byte("foreign"), netip.AddrPortFrom(h.inner(), ours[0].port)); err != nil {
		t.Fatal(err)
	}
	if _, err := ours[1].WriteTo([]byte("ours"), h.addr(ours[0])); err != nil {
		t.Fatal(err)
	}
	p := make([]byte, 100)
	n, from, err := ours[0].ReadFrom(p)
	if err != nil || string(p[:n]) != "ours" || from.String() != h.addr(ours[1]).String() {
		t.Errorf("ReadFrom = %q from %v, %v, want ours from %v", p[:n], from, err, h.addr(ours[1]))
	}
	if refused := h.count.peers.Load(); refused != 1 {
		t.Errorf("%d datagrams were refused, want the foreign one", refused)
	}
}

// BenchmarkRelay is a round trip through our wrapper without pion: nothing is
// allocated, and nearly all of it are the four system calls.
func BenchmarkRelay(b *testing.B) {
	round := echo(b)
	b.ReportAllocs()
	for b.Loop() {
		round()
	}
}

// BenchmarkWall is what the wall costs a datagram of a public peer, which is
// compared with every prefix: little beside the system call that follows, of more
// than a microsecond.
func BenchmarkWall(b *testing.B) {
	cfg := Config{PublicIPs: addrs("198.51.100.7"), Peers: PeersPublic}.withDefaults()
	w := newHomes(cfg, map[netip.Addr]bool{}, nil, newMeter(cfg, new(counters), new(budget))).of(family4).wall
	peer := netip.MustParseAddrPort("8.8.8.8:53")
	b.ReportAllocs()
	for b.Loop() {
		if !w.lets(peer) {
			b.Fatal("a public peer is refused")
		}
	}
}
