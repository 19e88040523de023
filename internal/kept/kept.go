// Package kept is a map of a bounded size whose entries live for a time of their own.
//
// It promises that an entry whose time is over is not found, and makes room for others
// before one that lives does; and that what is done with the map costs little on
// average however full it is: only then the oldest make room, some of them at once. It
// is not safe for concurrent use.
package kept

import (
	"iter"
	"time"
)

// evictShare is how many of the entries make room at once: one in so many.
const evictShare = 16

// Map is such a map. Its zero value is of no use; see New.
type Map[V any] struct {
	most    int
	entries map[string]entry[V]
	order   []string // the oldest first; those that were dropped, too, until it is compacted
}

type entry[V any] struct {
	value V
	until time.Time
}

// New returns a map of at most so many entries, at least one.
func New[V any](most int) Map[V] { return Map[V]{most: most, entries: map[string]entry[V]{}} }

// Len is how many entries there are, including those whose time is over and whose
// place nobody needed yet.
func (m *Map[V]) Len() int { return len(m.entries) }

// Find is what is kept under a key, if its time is not over.
func (m *Map[V]) Find(key string, now time.Time) (value V, found bool) {
	e, known := m.entries[key]
	if !known || !now.Before(e.until) {
		return value, false
	}
	return e.value, true
}

// Keep keeps a value under a key until then.
func (m *Map[V]) Keep(key string, value V, now, until time.Time) {
	if _, known := m.entries[key]; !known {
		if len(m.entries) >= m.most || len(m.order) >= 2*m.most {
			m.compact(now)
		}
		m.order = append(m.order, key)
	}
	m.entries[key] = entry[V]{value, until}
}

// compact forgets what is over, the order of what was dropped and, if that is not
// enough, the oldest.
func (m *Map[V]) compact(now time.Time) {
	seen, order := make(map[string]struct{}, len(m.entries)), make([]string, 0, m.most)
	for _, key := range m.order {
		e, known := m.entries[key]
		_, again := seen[key]
		switch {
		case !known || again:
		case !now.Before(e.until):
			delete(m.entries, key)
		default:
			seen[key] = struct{}{}
			order = append(order, key)
		}
	}
	if len(order) >= m.most {
		oldest := max(1, m.most/evictShare)
		for _, key := range order[:oldest] {
			delete(m.entries, key)
		}
		order = order[oldest:]
	}
	m.order = order
}

// Drop forgets what is kept under a key.
func (m *Map[V]) Drop(key string) { delete(m.entries, key) }

// All are the entries whose time is not over, in no order.
func (m *Map[V]) All(now time.Time) iter.Seq2[string, V] {
	return func(yield func(string, V) bool) {
		for key, e := range m.entries {
			if now.Before(e.until) && !yield(key, e.value) {
				return
			}
		}
	}
}
