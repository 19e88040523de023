package turnsvc

import (
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// budgetInterval is how often the budget is written down, and how late a new
// month is noticed. A crash forgets what was relayed since the last time: with
// 100 Mbit/s, 250 MB at most.
const budgetInterval = 10 * time.Second

// A budget bounds what the relay costs in a month: 80 % of it shape every
// allocation (shapeDivisor), 100 % let no new one in. Live ones are never cut.
//
// It counts what a provider does: every datagram that enters the machine for a
// relay or leaves it, with its headers, and so a relayed one twice. What is no
// relaying, such as the answers to strangers or the page, is not in it.
//
// The zero value is no budget. spend, shapes, admits and setLimit may be called by
// any number of goroutines; all else belongs to the one that keeps the budget.
type budget struct {
	limit   atomic.Int64 // bytes a month; 0: none
	shapeAt atomic.Int64 // 80 % of them
	count   *counters    // count.spent is what was spent in month
	// elsewhere is what other servers of a fleet have spent of the budget in month.
	elsewhere atomic.Int64

	path string // where the ledger is; empty: nowhere
	now  func() time.Time
	log  *slog.Logger

	mu     sync.Mutex // guards the fields below
	month  string     // that count.spent is about
	ledger ledger     // the other months, and month as it was when it was last saved
	told   int        // how much of the budget was spent when it was last logged: 0, 80 or 100 %
	broken bool       // the last time it could not be saved

	yielded  bool              // another process writes the ledger
	base     ledger            // what was spent when that began
	reported map[string]ledger // by older processes, of which count.spent and ledger have all
}

// openBudget reads the ledger of the budget, if there is one.
func openBudget(cfg Config, count *counters) (*budget, error) {
	b := &budget{count: count, path: cfg.BudgetFile, now: cfg.now, log: cfg.Log, ledger: ledger{}, reported: map[string]ledger{}}
	return b, b.setLimit(cfg.MonthlyBudget)
}

// setLimit changes the budget. Where there was none what other months and this one
// have cost before is read from the ledger. One that cannot be read is an error: to
// start with nothing would spend the month's money again, without a word.
func (b *budget) setLimit(limit int64) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch before := b.limit.Load(); {
	case before == limit:
		return nil
	case before == 0:
		if err := b.begin(); err != nil {
			return err
		}
	case limit == 0:
		b.save()
		b.ledger[b.month] = b.count.spent.Load()
	}
	b.told = 0
	b.shapeAt.Store(limit - limit/5)
	b.limit.Store(limit)
	return nil
}

// begin takes up the account of the present month. b.mu is held.
func (b *budget) begin() error {
	l := b.ledger
	if b.path != "" {
		var err error
		if l, err = readLedger(b.path); err != nil {
			return fmt.Errorf("read the budget of turn: %w", err)
		}
	}
	b.ledger, b.month = l, monthOf(b.now())
	b.elsewhere.Store(0)
	b.count.spent.Store(l[b.month])
	return nil
}

// spend notes bytes that entered or left the machine.
func (b *budget) spend(n int64) {
	if b.limit.Load() > 0 {
		b.count.spent.Add(n)
	}
}

// shapes reports whether allocations are to be slower.
func (b *budget) shapes() bool {
	return b.limit.Load() > 0 && b.spent() >= b.shapeAt.Load()
}

// spent is what was spent of the budget in month, here and elsewhere.
func (b *budget) spent() int64 { return b.count.spent.Load() + b.elsewhere.Load() }

// admits reports whether there may be a new allocation.
func (b *budget) admits() bool {
	limit := b.limit.Load()
	return limit == 0 || b.spent() < limit
}

// keep saves the budget from time to time, and turns the month, until the
// function that it returns is called, which saves it for the last time.
func (b *budget) keep() (stop func()) {
	done := make(chan struct{})
	var keeping sync.WaitGroup
	keeping.Go(func() { b.run(done) })
	return func() {
		close(done)
		keeping.Wait()
	}
}

func (b *budget) run(done <-chan struct{}) {
	tick := time.NewTicker(budgetInterval)
	defer tick.Stop()
	for last := false; ; {
		b.look()
		if last {
			return
		}
		select {
		case <-tick.C:
		case <-done:
			last = true
		}
	}
}

// look is what happens every budgetInterval.
func (b *budget) look() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.limit.Load() > 0 {
		b.turnMonth()
		b.tell()
		b.save()
	}
}

// turnMonth goes on with the account of the present month. Each month keeps its
// own, so a clock that is set back, or forward and back, neither refunds anything
// nor charges it twice.
func (b *budget) turnMonth() {
	month := monthOf(b.now())
	if month == b.month {
		return
	}
	b.ledger[b.month] = b.count.spent.Swap(b.ledger[month])
	b.elsewhere.Store(0)
	b.month, b.told = month, 0
}

// account is what was spent here, and in which month; empty: there is no budget.
func (b *budget) account() (month string, spent int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.limit.Load() == 0 {
		return "", 0
	}
	b.turnMonth()
	return b.month, b.count.spent.Load()
}

// share takes what is known of a month elsewhere: what this server has spent of it at
// least, and what others have. Neither grows less in a month.
func (b *budget) share(month string, here, others int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.limit.Load() == 0 || month != b.month {
		return
	}
	if lost := here - b.count.spent.Load(); lost > 0 {
		b.count.spent.Add(lost)
	}
	if others > b.elsewhere.Load() {
		b.elsewhere.Store(others)
	}
}

// Spent is what this server has spent of MonthlyBudget in the present month, which is
// written as 2026-10; an empty one stands for no budget.
func (s *Server) Spent() (month string, bytes int64) { return s.budget.account() }

// SpentElsewhere tells what other servers of a fleet have spent of the same budget in
// a month, and what this one is known to have spent at least: more than it knows after
// a restart without BudgetFile. It is ignored of another month than the present one,
// and without a budget.
func (s *Server) SpentElsewhere(month string, here, others int64) {
	s.budget.share(month, here, others)
}

// tell logs once a month that the budget runs out, and once that it has.
func (b *budget) tell() {
	spent, limit := b.spent(), b.limit.Load()
	attrs := []any{"month", b.month, "spent_bytes", spent, "budget_bytes", limit}
	switch {
	case spent >= limit && b.told < 100:
		b.told = 100
		b.log.Warn("turn budget spent: no new allocations", attrs...)
	case spent >= b.shapeAt.Load() && b.told < 80:
		b.told = 80
		b.log.Warn("turn budget runs out: allocations are slower", attrs...)
	}
}

// save writes the ledger if it has changed. A full disk stops nobody's chat: it
// is counted, and logged when it begins.
func (b *budget) save() {
	spent := b.count.spent.Load()
	if old, known := b.ledger[b.month]; b.path == "" || b.yielded || known && old == spent && !b.broken {
		return
	}
	b.ledger[b.month] = spent
	b.ledger.trim(b.month)
	err := b.ledger.write(b.path)
	if err != nil {
		b.count.unsaved.Add(1)
		if !b.broken {
			b.log.Warn("turn budget not saved", "err", err.Error())
		}
	}
	b.broken = err != nil
}
