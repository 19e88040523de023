package turnsvc

import (
	"net/netip"
	"os"
	"testing"

	"github.com/pion/stun/v3"
)

// TestPartnersReachOneAnotherAcrossATakeOver lets one of a room relay at the older
// server and the other at the newer one: data goes both ways once each was told of the
// other. The other rooms' is not reached, nor what else is at the address.
func TestPartnersReachOneAnotherAcrossATakeOver(t *testing.T) {
	t.Parallel()
	for _, public := range []string{"127.0.0.1", "198.51.100.7"} {
		change := func(c *Config) { c.Peers, c.PublicIPs = PeersRoom, addrs(public) }
		near := func(s *service) *service { // the address may be that of an interface
			s.homes.move(addrs(public), map[netip.Addr]bool{netip.MustParseAddr("127.0.0.1"): true})
			return s
		}
		older := near(serve(t, change))
		a, c := older.memberByTCP(t, "room", "ma"), older.member(t, "other", "ma")
		atA, atC := a.mustAllocate(), c.mustAllocate()
		newer := near(older.takeOver(t, change))
		b := newer.member(t, "room", "mb")
		atB := b.mustAllocate()
		older.SetKin(map[string][]netip.Addr{"newer": newer.RelayedAt()})
		newer.SetKin(map[string][]netip.Addr{"older": older.RelayedAt()})
		for _, room := range []string{"room", "other"} {
			newer.Elsewhere("older", room, older.RelayedIn(room))
			older.Elsewhere("newer", room, newer.RelayedIn(room))
		}
		if !a.permit(atB) || !b.permit(atA) || !c.permit(atB) {
			t.Fatalf("%s: a permission for where this server relays was refused", public)
		}
		c.sendTo(atB, "of another room")
		newer.within(t, "what another room sends is not refused", func() bool { return older.Stats().RefusedPeer > 0 })
		before := newer.Stats().RefusedPeer
		b.sendTo(atC, "to another room")
		newer.within(t, "what goes to another room is not refused", func() bool { return newer.Stats().RefusedPeer > before })
		a.sendTo(atB, "there")
		if from, data := b.data(); from != atA || data != "there" {
			t.Errorf("%s: b got %q from %v first, want what a has sent from %v", public, data, from, atA)
		}
		b.sendTo(atA, "and back")
		if from, data := a.data(); from != atB || data != "and back" {
			t.Errorf("%s: a got %q from %v first, want what b has sent from %v", public, data, from, atB)
		}
	}
}

// memberByTCP is member by TCP.
func (s *service) memberByTCP(t *testing.T, room, side string) *client {
	t.Helper()
	return s.dial(t, "tcp", string(Claims{Room: room, Side: side}.appendTo(nil, tagMAC("new"))))
}

// TestLimitsHoldAcrossATakeOver holds that what the older server keeps counts at the
// newer one from its first moment, and what the newer one holds at the older one.
func TestLimitsHoldAcrossATakeOver(t *testing.T) {
	t.Parallel()
	change := func(c *Config) { c.MaxPerUser, c.MaxPerAddr, c.MaxAllocations = 2, 4, 5 }
	older := serve(t, change)
	for _, user := range []string{"a", "a", "b"} {
		older.dial(t, "udp", user).mustAllocate()
	}
	waits := older.dial(t, "tcp", "c")
	waits.raw(stun.MethodBinding)
	newer := older.takeOver(t, change)
	if _, got := newer.dial(t, "udp", "a").allocate(); got != stun.CodeAllocQuotaReached {
		t.Errorf("a third allocation of a user = %d, want 486", got)
	}
	newer.dial(t, "udp", "b").mustAllocate()
	if _, got := newer.dial(t, "udp", "d").allocate(); got != stun.CodeAllocQuotaReached {
		t.Errorf("a fifth allocation of an address = %d, want 486", got)
	}
	older.HeldBy("newer", newer.Holdings(), true)
	if _, got := waits.allocate(); got != stun.CodeAllocQuotaReached {
		t.Errorf("a fifth allocation of an address at the older server = %d, want 486", got)
	}
	for _, s := range []*service{older, newer} {
		if err := s.SetLimits(Limits{MaxPerUser: 2, MaxPerAddr: 10, MaxAllocations: 4, MaxBitrate: NoLimit}); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []*client{waits, newer.dial(t, "udp", "e")} {
		if _, got := c.allocate(); got != stun.CodeAllocQuotaReached {
			t.Errorf("one allocation more than there may be in all = %d, want 486", got)
		}
	}
	newer.HeldOnlyBy(nil) // the older one has ended
	newer.dial(t, "udp", "a").mustAllocate()
}

// TestTheBudgetHasOneAccount holds that what two processes spend is one sum, also when
// there is a third one, and that only the last one writes it down.
func TestTheBudgetHasOneAccount(t *testing.T) {
	t.Parallel()
	file := t.TempDir() + "/budget"
	change := func(c *Config) { c.MonthlyBudget, c.BudgetFile = 1<<30, file }
	first := serve(t, change)
	first.budget.spend(1000)
	second := first.takeOver(t, change)
	first.budget.spend(10)
	second.budget.spend(100)
	report := func(from, to *service, name string) {
		month, bytes := from.SpentSinceWill()
		to.SpentBy(name, month, bytes)
	}
	report(first, second, "first")
	report(first, second, "first") // again
	if _, spent := second.Spent(); spent != 1110 {
		t.Errorf("two servers have spent %d bytes, want 1110", spent)
	}
	third := second.takeOver(t, change)
	first.budget.spend(20)
	second.budget.spend(200)
	for range 2 {
		report(first, third, "first")
		report(second, third, "second")
		report(first, second, "first") // which keeps the account no more
	}
	if _, spent := third.Spent(); spent != 1330 {
		t.Errorf("three servers have spent %d bytes, want 1330", spent)
	}
	third.budget.look()
	if saved, err := readLedger(file); err != nil || saved[third.budget.month] != 1330 {
		t.Errorf("the server that serves has written %v, %v, want 1330", saved, err)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	first.budget.look()
	second.budget.look()
	if _, err := os.Stat(file); err == nil {
		t.Error("a retired server has written down what it has spent")
	}
}
