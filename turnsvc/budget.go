package turnsvc

import (
	"fmt"
	"log/slog"
	"sync"
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
// The zero value is no budget. spend, shapes and admits may be called by any
// number of goroutines; all else belongs to the one that keeps the budget.
type budget struct {
	limit   int64     // bytes a month; 0: none
	shapeAt int64     // 80 % of them
	count   *counters // count.spent is what was spent in month

	path   string // where the ledger is; empty: nowhere
	now    func() time.Time
	log    *slog.Logger
	month  string // that count.spent is about
	ledger ledger // the other months, and month as it was when it was last saved
	told   int    // how much of the budget was spent when it was last logged: 0, 80 or 100 %
	broken bool   // the last time it could not be saved
}

// openBudget reads the ledger of the budget. One that cannot be read is an error:
// to start with nothing would spend the month's money again, without a word.
func openBudget(cfg Config, count *counters) (*budget, error) {
	b := &budget{
		limit: cfg.MonthlyBudget, shapeAt: cfg.MonthlyBudget - cfg.MonthlyBudget/5, count: count,
		path: cfg.BudgetFile, now: cfg.now, log: cfg.Log, ledger: ledger{},
	}
	if b.limit == 0 {
		return b, nil
	}
	if b.path != "" {
		l, err := readLedger(b.path)
		if err != nil {
			return nil, fmt.Errorf("read the budget of turn: %w", err)
		}
		b.ledger = l
	}
	b.month = monthOf(b.now())
	b.count.spent.Store(b.ledger[b.month])
	return b, nil
}

// spend notes bytes that entered or left the machine.
func (b *budget) spend(n int64) {
	if b.limit > 0 {
		b.count.spent.Add(n)
	}
}

// shapes reports whether allocations are to be slower.
func (b *budget) shapes() bool { return b.limit > 0 && b.count.spent.Load() >= b.shapeAt }

// admits reports whether there may be a new allocation.
func (b *budget) admits() bool { return b.limit == 0 || b.count.spent.Load() < b.limit }

// keep saves the budget from time to time, and turns the month, until the
// function that it returns is called, which saves it for the last time.
func (b *budget) keep() (stop func()) {
	if b.limit == 0 {
		return func() {}
	}
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
		b.turnMonth()
		b.tell()
		b.save()
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

// turnMonth goes on with the account of the present month. Each month keeps its
// own, so a clock that is set back, or forward and back, neither refunds anything
// nor charges it twice.
func (b *budget) turnMonth() {
	month := monthOf(b.now())
	if month == b.month {
		return
	}
	b.ledger[b.month] = b.count.spent.Swap(b.ledger[month])
	b.month, b.told = month, 0
}

// tell logs once a month that the budget runs out, and once that it has.
func (b *budget) tell() {
	spent := b.count.spent.Load()
	attrs := []any{"month", b.month, "spent_bytes", spent, "budget_bytes", b.limit}
	switch {
	case spent >= b.limit && b.told < 100:
		b.told = 100
		b.log.Warn("turn budget spent: no new allocations", attrs...)
	case spent >= b.shapeAt && b.told < 80:
		b.told = 80
		b.log.Warn("turn budget runs out: allocations are slower", attrs...)
	}
}

// save writes the ledger if it has changed. A full disk stops nobody's chat: it
// is counted, and logged when it begins.
func (b *budget) save() {
	spent := b.count.spent.Load()
	if old, known := b.ledger[b.month]; b.path == "" || known && old == spent && !b.broken {
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
