package turnsvc

import (
	"maps"
	"slices"
)

// maxSpenders bounds of how many older processes it is known what they spend.
const maxSpenders = 64

// budgetWill is the account that a newer process goes on with. What the older one
// spends from then on it tells; one process writes the ledger.
type budgetWill struct {
	Month    string // empty: there is no budget
	Spent    int64
	Reported map[string]spending // by older processes still
}

// spending is what an older process has spent since it was taken over from.
type spending struct {
	Month string
	Bytes int64
}

// yield leaves the account to another process.
func (b *budget) yield() budgetWill {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.yielded = true
	if b.limit.Load() == 0 {
		return budgetWill{}
	}
	b.turnMonth()
	b.base = spending{Month: b.month, Bytes: b.count.spent.Load()}
	return budgetWill{Month: b.base.Month, Spent: b.base.Bytes, Reported: maps.Clone(b.reported)}
}

// resume undoes yield.
func (b *budget) resume() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.yielded = false
}

// inherit goes on with the account of an older process.
func (b *budget) inherit(will budgetWill) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.reported = will.Reported
	if b.limit.Load() > 0 && will.Month == b.month {
		b.count.spent.Store(max(will.Spent, b.count.spent.Load()))
	}
}

// since is what was spent since yield.
func (b *budget) since() (month string, bytes int64) {
	month, bytes = b.account()
	b.mu.Lock()
	defer b.mu.Unlock()
	if month != "" && month == b.base.Month {
		bytes -= b.base.Bytes
	}
	return month, bytes
}

// by notes what an older process has spent since it was taken over from.
func (b *budget) by(node string, now spending) {
	b.mu.Lock()
	defer b.mu.Unlock()
	before, known := b.reported[node]
	if b.yielded || b.limit.Load() == 0 || now.Month != b.month || !known && len(b.reported) >= maxSpenders {
		return
	}
	if before.Month != now.Month {
		before.Bytes = 0
	}
	if now.Bytes <= before.Bytes {
		return
	}
	if b.reported == nil {
		b.reported = map[string]spending{}
	}
	b.reported[node] = now
	b.count.spent.Add(now.Bytes - before.Bytes)
}

// onlyBy forgets what those have reported that do not live any more: it is spent.
func (b *budget) onlyBy(nodes []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	maps.DeleteFunc(b.reported, func(node string, _ spending) bool { return !slices.Contains(nodes, node) })
}

// SpentSinceWill is what this server has spent of MonthlyBudget in the present month
// since Will: SpentBy at the newer process, which keeps the account. An empty month
// stands for no budget.
func (s *Server) SpentSinceWill() (month string, bytes int64) { return s.budget.since() }

// SpentBy adds what an older process has spent of MonthlyBudget in a month since its
// Will, all in all: it may be told again and again.
func (s *Server) SpentBy(node, month string, bytes int64) {
	s.budget.by(node, spending{Month: month, Bytes: bytes})
}
