package turnsvc

import (
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// october and november are times on the two sides of the end of a month.
func october() time.Time  { return time.Date(2026, 10, 31, 23, 59, 58, 0, time.UTC) }
func november() time.Time { return october().Add(4 * time.Second) }

// newBudget is a budget of 1000 bytes, saved in a folder of the test, in October.
func newBudget(t testing.TB, change func(*Config)) (*budget, *testClock) {
	t.Helper()
	clock := new(testClock)
	clock.unix.Store(october().Unix())
	cfg := Config{MonthlyBudget: 1000, BudgetFile: filepath.Join(t.TempDir(), "budget"), now: clock.now}
	if change != nil {
		change(&cfg)
	}
	b, err := openBudget(cfg.withDefaults(), new(counters))
	if err != nil {
		t.Fatal(err)
	}
	return b, clock
}

func TestBudget(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name           string
		limit, spent   int64
		shapes, admits bool
	}{
		{"nothing is spent", 1000, 0, false, true},
		{"less than 80 %", 1000, 799, false, true},
		{"80 %", 1000, 800, true, true},
		{"less than all", 1000, 999, true, true},
		{"all", 1000, 1000, true, false},
		{"a budget that cannot be divided by five", 1001, 800, false, true},
		{"no budget", 0, 1 << 60, false, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b, _ := newBudget(t, func(cfg *Config) { cfg.MonthlyBudget = c.limit })
			b.spend(c.spent)
			if b.shapes() != c.shapes || b.admits() != c.admits {
				t.Errorf("after %d of %d: shapes %v, admits %v, want %v, %v", c.spent, c.limit, b.shapes(), b.admits(), c.shapes, c.admits)
			}
		})
	}
	if none := new(budget); none.shapes() || !none.admits() {
		t.Error("the zero budget bounds something")
	}
}

func TestBudgetFollowsTheCalendar(t *testing.T) {
	t.Parallel()
	type step struct {
		at    time.Time
		spend int64
		want  int64 // of that month, then
	}
	year := 365 * 24 * time.Hour
	for _, c := range []struct {
		name  string
		steps []step
	}{
		{"a month begins with nothing", []step{{october(), 900, 900}, {november(), 5, 5}}},
		{"a clock that is set back refunds nothing, and loses nothing", []step{{october(), 900, 900}, {november(), 5, 5}, {october(), 20, 920}, {november(), 1, 6}}},
		{"a clock that runs ahead for a while locks nobody out", []step{{october(), 900, 900}, {october().Add(9 * year), 70, 70}, {october(), 1, 901}, {november(), 1, 1}}},
		{"the calendar is that of UTC", []step{{november(), 5, 5}, {november().In(time.FixedZone("west", -8*3600)), 5, 10}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var now time.Time
			b, _ := newBudget(t, func(cfg *Config) {
				now, cfg.now = c.steps[0].at, func() time.Time { return now }
			})
			for i, s := range c.steps {
				now = s.at
				b.turnMonth()
				b.spend(s.spend)
				if got := b.count.spent.Load(); got != s.want {
					t.Errorf("step %d, at %v: %d bytes are spent, want %d", i, s.at, got, s.want)
				}
			}
		})
	}
}

// TestBudgetLosesNothingAtTheTurn spends while the month turns back and forth.
func TestBudgetLosesNothingAtTheTurn(t *testing.T) {
	t.Parallel()
	b, clock := newBudget(t, nil)
	var spending sync.WaitGroup
	for range 4 {
		spending.Go(func() {
			for range 10_000 {
				b.spend(1)
			}
		})
	}
	for i := range 1000 {
		clock.unix.Store([]time.Time{october(), november()}[i%2].Unix())
		b.turnMonth()
	}
	spending.Wait()
	b.save()
	if got := b.ledger["2026-10"] + b.ledger["2026-11"]; got != 40_000 {
		t.Errorf("%d bytes are in the ledger %v, want 40000", got, b.ledger)
	}
}

func TestBudgetIsKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, clock := newBudget(t, nil)
		saved := func() ledger {
			t.Helper()
			synctest.Wait()
			l, err := readLedger(b.path)
			if err != nil {
				t.Error(err)
			}
			return l
		}
		stop := b.keep()
		b.spend(100)
		<-time.After(budgetInterval + 1)
		if got := saved(); got["2026-10"] != 100 {
			t.Errorf("after %v the file says %v, want 100", budgetInterval, got)
		}
		clock.advance(10 * time.Second)
		<-time.After(budgetInterval)
		b.spend(7)
		stop()
		want := ledger{"2026-10": 100, "2026-11": 7}
		if got := saved(); !maps.Equal(got, want) {
			t.Errorf("in the end the file says %v, want %v", got, want)
		}
		again, _ := newBudget(t, func(c *Config) { c.BudgetFile, c.now = b.path, clock.now })
		if got := again.count.spent.Load(); got != 7 {
			t.Errorf("after a restart %d bytes are spent, want 7", got)
		}
	})
}

func TestBudgetThatCannotBeReadStopsTheStart(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "budget")
	if err := os.WriteFile(path, []byte("\x00\x00"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := Config{MonthlyBudget: 1000, BudgetFile: path}.withDefaults()
	if _, err := openBudget(cfg, new(counters)); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("openBudget = %v, want an error that names %s", err, path)
	}
	cfg.MonthlyBudget = 0
	if _, err := openBudget(cfg, new(counters)); err != nil {
		t.Errorf("openBudget without a budget = %v, want nil: the file is not read", err)
	}
}

// TestBudgetOutlivesTheDisk takes the folder of the budget away for a while: a
// line is logged when that begins, and relaying goes on.
func TestBudgetOutlivesTheDisk(t *testing.T) {
	t.Parallel()
	log := heard{make(chan string, 100)}
	folder := filepath.Join(t.TempDir(), "state")
	b, _ := newBudget(t, func(c *Config) { c.BudgetFile, c.Log = filepath.Join(folder, "budget"), slog.New(log) })
	save := func(times int) {
		for range times {
			b.spend(1)
			b.save()
		}
	}
	save(3)
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	save(2)
	if l, err := readLedger(b.path); err != nil || l["2026-10"] != 5 || !b.admits() {
		t.Errorf("when the disk is back the file says %v, %v, want 5 bytes", l, err)
	}
	if err := os.RemoveAll(folder); err != nil {
		t.Fatal(err)
	}
	save(3)
	close(log.events)
	if got := len(log.events); got != 2 || b.count.unsaved.Load() != 6 {
		t.Errorf("%d lines for two outages, and %d counted, want 2 and 6", got, b.count.unsaved.Load())
	}
}

func TestBudgetSaysOnceAMonthThatItRunsOut(t *testing.T) {
	t.Parallel()
	log := heard{make(chan string, 100)}
	b, clock := newBudget(t, func(c *Config) { c.Log = slog.New(log) })
	for _, spend := range []int64{700, 100, 100, 100, 100} {
		b.spend(spend)
		b.tell()
		b.tell()
	}
	clock.unix.Store(november().Unix())
	b.turnMonth()
	b.spend(2000)
	b.tell()
	close(log.events)
	var got []string
	for event := range log.events {
		got = append(got, event)
	}
	slow, out := "turn budget runs out: allocations are slower", "turn budget spent: no new allocations"
	if want := []string{slow, out, out}; !slices.Equal(got, want) {
		t.Errorf("logged %q, want %q", got, want)
	}
}

// TestTheBudgetIsThatOfAFleet holds that what other servers have spent counts, for the
// month that it is about, and that nothing that is heard makes it less.
func TestTheBudgetIsThatOfAFleet(t *testing.T) {
	t.Parallel()
	b, clock := newBudget(t, nil)
	b.spend(300)
	month, _ := b.account()
	b.share("2026-09", 900, 900)
	if b.shapes() {
		t.Error("what was spent in another month counts")
	}
	b.share(month, 100, 500)
	if !b.shapes() || !b.admits() || b.count.spent.Load() != 300 {
		t.Errorf("with 300 of 1000 here and 500 elsewhere: shapes %v, admits %v, here %d", b.shapes(), b.admits(), b.count.spent.Load())
	}
	b.share(month, 0, 400) // somebody has forgotten
	b.spend(200)
	if b.admits() {
		t.Error("with 500 here and 500 elsewhere somebody is admitted")
	}
	b.look()
	if l, err := readLedger(b.path); err != nil || l[month] != 500 {
		t.Errorf("the file has %d, %v; want the server's own 500", l[month], err)
	}

	again, err := openBudget(Config{MonthlyBudget: 1000, now: clock.now}.withDefaults(), new(counters))
	if err != nil {
		t.Fatal(err)
	}
	again.share(month, 500, 0)
	if _, spent := again.account(); spent != 500 {
		t.Errorf("without its file a server has spent %d after a restart, want the 500 that others know of", spent)
	}

	clock.advance(4 * time.Second)
	if month, spent := b.account(); month != "2026-11" || spent != 0 || !b.admits() || b.shapes() {
		t.Errorf("in %s %d are spent, admits %v, shapes %v; want a new month", month, spent, b.admits(), b.shapes())
	}
	none, _ := newBudget(t, func(c *Config) { c.MonthlyBudget = 0 })
	none.share("2026-10", 1<<40, 1<<40)
	if month, _ := none.account(); month != "" || !none.admits() {
		t.Errorf("without a budget the month is %q, admits %v", month, none.admits())
	}
}

// TestTheBudgetCountsEveryProcess lets more processes take over, one from the other, than
// are remembered at a time.
func TestTheBudgetCountsEveryProcess(t *testing.T) {
	t.Parallel()
	s := listen(t, func(c *Config) { c.MonthlyBudget = 1000 })
	month, _ := s.budget.account()
	for i := range maxSpenders + 6 {
		process := fmt.Sprint(i)
		s.SpentBy(process, month, 1)
		s.HeldOnlyBy([]string{process})
		s.SpentBy(process, month, 2)
	}
	if _, spent := s.budget.account(); spent != 2*(maxSpenders+6) {
		t.Errorf("%d bytes are spent, want %d", spent, 2*(maxSpenders+6))
	}
}

// TestTheBudgetIsChargedOnceThoughTheMonthIsAnotherOne sets the clock to another month and
// back, beside an older process that goes on telling what it has spent, and with a
// takeover in the wrong month.
func TestTheBudgetIsChargedOnceThoughTheMonthIsAnotherOne(t *testing.T) {
	t.Parallel()
	const wrong = 4 * time.Second // into November
	b, clock := newBudget(t, nil)
	b.by("1", spending{"2026-10", 100})
	clock.advance(wrong)
	b.look()
	b.by("1", spending{"2026-11", 1})
	clock.advance(-wrong)
	b.look()
	b.by("1", spending{"2026-10", 100})
	if month, spent := b.account(); spent != 100 {
		t.Errorf("%s has cost %d, want 100", month, spent)
	}
	clock.advance(wrong)
	b.yield()
	clock.advance(-wrong)
	if month, spent := b.since(); spent != 0 {
		t.Errorf("since the takeover %d were spent in %s, want 0", spent, month)
	}
}
