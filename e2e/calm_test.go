//go:build (redis && browser) || soak

package e2e

import (
	"cmp"
	"slices"
	"time"
)

// trouble is a time in which servers are not held to how soon they do things: from a
// fault until they should have recovered from it.
type trouble struct{ from, to time.Duration }

// befalls notes a fault: for a while nobody is held to how soon he acts.
func (o *oracle) befalls(from, to time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.troubles = append(o.troubles, trouble{from.Sub(o.born), to.Sub(o.born)})
}

// calm is how much of a time is outside of troubles.
func (o *oracle) calm(from, to time.Duration) time.Duration { return calmOf(o.troubles, from, to) }

// calmOf is how much of a time is outside of troubles, which may overlap.
func calmOf(troubles []trouble, from, to time.Duration) time.Duration {
	calm := max(0, to-from)
	covered := from
	if !slices.IsSortedFunc(troubles, byStart) {
		troubles = slices.SortedFunc(slices.Values(troubles), byStart)
	}
	for _, t := range troubles {
		begin, end := max(covered, t.from), min(to, t.to)
		if end > begin {
			calm -= end - begin
			covered = end
		}
	}
	return calm
}

func byStart(a, b trouble) int { return cmp.Compare(a.from, b.from) }
