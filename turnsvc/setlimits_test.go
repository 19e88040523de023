package turnsvc

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pion/stun/v3"
)

// limited is somebody who talks through a server whose limits change.
type limited struct {
	*client
	t     *testing.T
	s     *service
	limit Limits // at first
	conn  *net.UDPConn
	peer  netip.AddrPort
}

func startLimited(t *testing.T) *limited {
	t.Helper()
	k := &limited{t: t, limit: Limits{MaxAllocations: 10, MaxPerUser: 10, MaxPerAddr: 10, MaxBitrate: NoLimit, AllowPeers: prefixes("127.0.0.0/8")}}
	k.s = serve(t, func(c *Config) { c.Peers = PeersPublic; *c = c.with(k.limit) })
	k.client = k.s.dial(t, "udp", "ann")
	k.mustAllocate()
	k.conn, k.peer = newPeer(t)
	if !k.permit(k.peer) {
		t.Fatal("no permission")
	}
	return k
}

// goesOn checks that what is said arrives, and nothing before it.
func (k *limited) goesOn(text string) {
	k.t.Helper()
	k.sendTo(k.peer, text)
	buf := make([]byte, 1600)
	if n, err := k.conn.Read(buf); err != nil || string(buf[:n]) != text {
		k.t.Errorf("the peer reads %q, %v, want %q", buf[:n], err, text)
	}
}

func (k *limited) set(change func(*Limits)) {
	k.t.Helper()
	l := k.limit
	change(&l)
	if err := k.s.SetLimits(l); err != nil {
		k.t.Fatal(err)
	}
}

func (k *limited) setBack() { k.set(func(*Limits) {}) }

// TestLimitsChangeWhileItServes lowers and lifts each limit of a server on which
// somebody talks: he goes on, and the next ones are let in by the new limits.
func TestLimitsChangeWhileItServes(t *testing.T) {
	t.Parallel()
	k := startLimited(t)
	for name, c := range map[string]struct {
		lower func(*Limits)
		user  string
	}{
		"in all":      {func(l *Limits) { l.MaxAllocations = 1 }, "bob"},
		"per user":    {func(l *Limits) { l.MaxPerUser = 1 }, "ann"},
		"per address": {func(l *Limits) { l.MaxPerAddr = 1 }, "bob"},
	} {
		k.set(c.lower)
		if _, code := k.s.dial(t, "udp", c.user).allocate(); code != stun.CodeAllocQuotaReached {
			t.Errorf("%s: Allocate over the new limit = %d, want 486", name, code)
		}
		k.goesOn(name)
		k.setBack()
		next := k.s.dial(t, "udp", c.user)
		next.mustAllocate()
		k.goesOn(name + ", lifted")
		if got := code(next.do(stun.MethodRefresh, attr(stun.AttrLifetime, 0, 0, 0, 0))); got != 0 {
			t.Errorf("%s: Refresh 0 = %d", name, got)
		}
	}
	bad := k.limit
	bad.MaxAllocations, bad.MaxPerUser = -1, 1
	if err := k.s.SetLimits(bad); err == nil || k.s.Stats().AllocationsLimit != 10 {
		t.Errorf("a bad limit = %v with %d allocations, want an error and what was before", err, k.s.Stats().AllocationsLimit)
	}
}

// TestAPeerThatIsDeniedLater holds that a permission of before does not count.
func TestAPeerThatIsDeniedLater(t *testing.T) {
	t.Parallel()
	k := startLimited(t)
	k.set(func(l *Limits) { l.DenyPeers = prefixes("127.0.0.1/32") })
	if k.permit(k.peer) {
		t.Error("a peer that is denied by now gets a permission")
	}
	before := k.s.Stats().RefusedPeer
	k.sendTo(k.peer, "denied")
	k.s.within(t, "the datagram to a denied peer is not refused", func() bool { return k.s.Stats().RefusedPeer > before })
	k.setBack()
	k.goesOn("allowed again")
}

// TestABitrateThatChanges holds live allocations to the bitrate of now.
func TestABitrateThatChanges(t *testing.T) {
	t.Parallel()
	m := newMeter(Config{MaxBitrate: NoLimit}, new(counters), new(budget))
	way := new(bucket)
	pass := func() (n int) {
		for range 200 {
			if m.lets(way, 1000, 0) {
				n++
			}
		}
		return n
	}
	if n := pass(); n != 200 {
		t.Errorf("without a limit %d of 200 pass", n)
	}
	m.bitrate.Store(int64(minBitrate))
	if n := pass(); n == 0 || n > 100 {
		t.Errorf("with the least bitrate %d of 200 pass, want a burst", n)
	}
}

// TestABudgetThatChanges switches the budget on, raises it, and switches it off.
func TestABudgetThatChanges(t *testing.T) {
	t.Parallel()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(t.TempDir(), "budget")
	count := new(counters)
	b, err := openBudget(Config{BudgetFile: path}.withDefaults(), count)
	check(err)
	b.spend(500)
	if !b.admits() || b.shapes() || count.spent.Load() != 0 {
		t.Errorf("without a budget: spent %d", count.spent.Load())
	}
	check(b.setLimit(1000))
	b.spend(900)
	if !b.admits() || !b.shapes() {
		t.Errorf("900 of 1000: admits %v, shapes %v, want both", b.admits(), b.shapes())
	}
	check(b.setLimit(2000))
	if b.shapes() {
		t.Error("900 of 2000 shapes")
	}
	check(b.setLimit(0))
	b.spend(5000)
	if !b.admits() || b.shapes() {
		t.Error("switched off, it shapes or refuses")
	}
	if text, err := os.ReadFile(path); err != nil || !strings.Contains(string(text), "900") {
		t.Errorf("the ledger is %q, %v, want 900 bytes", text, err)
	}
	check(b.setLimit(800))
	if b.admits() || count.spent.Load() != 900 {
		t.Errorf("switched on again: admits %v with %d spent, want no with 900", b.admits(), count.spent.Load())
	}
	check(errors.Join(b.setLimit(0), os.WriteFile(path, []byte("{"), 0o600)))
	if err := b.setLimit(800); err == nil || !b.admits() {
		t.Errorf("with a broken ledger: %v, admits %v; want an error, and no budget as before", err, b.admits())
	}
}
