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
	b.base = maps.Clone(b.ledger)
	b.base[b.month] = b.count.spent.Load()
	will := budgetWill{Month: b.month, Spent: b.base[b.month], Reported: map[string]spending{}}
	for node, months := range b.reported {
		if bytes, known := months[b.month]; known {
			will.Reported[node] = spending{b.month, bytes}
		}
	}
	return will
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
	for node, now := range will.Reported {
		b.reported[node] = ledger{now.Month: now.Bytes}
	}
	if b.limit.Load() > 0 && will.Month == b.month {
		b.count.spent.Store(max(will.Spent, b.count.spent.Load()))
	}
}

// since is what was spent since yield.
func (b *budget) since() (month string, bytes int64) {
	month, bytes = b.account()
	b.mu.Lock()
	defer b.mu.Unlock()
	return month, bytes - b.base[month]
}

// by notes what an older process has spent since it was taken over from.
func (b *budget) by(node string, now spending) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.yielded || b.limit.Load() == 0 || now.Month != b.month || b.reported[node] == nil && len(b.reported) >= maxSpenders {
		return
	}
	if b.reported[node] == nil {
		b.reported[node] = ledger{}
	}
	months := b.reported[node]
	if more := now.Bytes - months[now.Month]; more > 0 {
		months[now.Month] = now.Bytes
		months.trim(now.Month)
		b.count.spent.Add(more)
	}
}

// onlyBy forgets what those have reported that do not live any more: it is spent.
func (b *budget) onlyBy(nodes []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	maps.DeleteFunc(b.reported, func(node string, _ ledger) bool { return !slices.Contains(nodes, node) })
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
