package turnsvc

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pion/stun/v3"
)

// TestMonthlyBudget spends a budget of 10 kB: the chat that spent it goes on, no
// other one begins, and a restart does not change that.
func TestMonthlyBudget(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "budget")
	limit := func(c *Config) { c.MonthlyBudget, c.BudgetFile = 10_000, path }
	s := serve(t, limit)
	ann, bob := s.dial(t, "udp", "ann"), s.dial(t, "tcp", "bob")
	ann.mustAllocate()
	conn, peer := newPeer(t)
	if !ann.permit(peer) {
		t.Fatal("no permission")
	}
	carry := func() {
		t.Helper()
		ann.sendTo(peer, strings.Repeat("x", 1000))
		if n, err := conn.Read(make([]byte, 1600)); n != 1000 || err != nil {
			t.Fatalf("the peer reads %d bytes, %v, want 1000", n, err)
		}
	}
	for range 6 { // twice 1000 bytes and headers each; the last may be counted after the peer has it
		carry()
	}
	if _, code := bob.allocate(); code != stun.CodeInsufficientCapacity {
		t.Errorf("Allocate after the budget = %d, want 508", code)
	}
	carry()
	if got := code(ann.do(stun.MethodRefresh)); got != 0 {
		t.Errorf("Refresh after the budget = %d, want success", got)
	}
	s.stopped(t)
	stats := s.Stats()
	if want := int64(7 * 2 * (1000 + headerBytes)); stats.BudgetSpent != want || stats.RefusedBudget != 1 || stats.Refused[508] != 1 {
		t.Errorf("Stats() = %+v, want %d bytes and one refusal with 508", stats, want)
	}
	again := serve(t, limit)
	if _, code := again.dial(t, "udp", "cid").allocate(); code != stun.CodeInsufficientCapacity || again.Stats().BudgetSpent != stats.BudgetSpent {
		t.Errorf("after a restart: Allocate = %d with %d bytes spent, want 508 with %d", code, again.Stats().BudgetSpent, stats.BudgetSpent)
	}
}

func TestListenRefusesABrokenBudget(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "budget")
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Listen(t.Context(), Config{
		Secrets: []string{"secret"}, UDPAddrs: []string{"127.0.0.1:0"}, PublicIPs: addrs("127.0.0.1"),
		MonthlyBudget: 1, BudgetFile: path,
	})
	if err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("Listen = %v, want an error that names %s", err, path)
	}
}
