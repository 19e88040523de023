package turnsvc

import (
	"slices"
	"time"
)

// remembered is a map that forgets: what its time is over for, and the oldest of
// too many.
type remembered[V any] struct {
	most    int
	entries map[string]entry[V]
	order   []string // the oldest first; those that were dropped, too, until it is their turn
}

type entry[V any] struct {
	value V
	until time.Time
}

func newRemembered[V any](most int) remembered[V] {
	return remembered[V]{most: most, entries: map[string]entry[V]{}}
}

// note keeps a value until then.
func (r *remembered[V]) note(key string, value V, now, until time.Time) {
	r.forget(now)
	if _, known := r.entries[key]; !known {
		r.order = append(r.order, key)
	}
	r.entries[key] = entry[V]{value, until}
}

// find is what was kept under a key, if its time is not over.
func (r *remembered[V]) find(key string, now time.Time) (value V, found bool) {
	e, known := r.entries[key]
	if !known || !now.Before(e.until) {
		return value, false
	}
	return e.value, true
}

func (r *remembered[V]) drop(key string) { delete(r.entries, key) }

// forget makes room for one more.
func (r *remembered[V]) forget(now time.Time) {
	over := max(0, len(r.order)-r.most+1)
	for over < len(r.order) && now.After(r.entries[r.order[over]].until) {
		over++
	}
	for _, key := range r.order[:over] {
		delete(r.entries, key)
	}
	r.order = r.order[over:]
}

// legacyEntry is what another process is told of an entry.
type legacyEntry[V any] struct {
	Key   string
	Value V     `json:",omitzero"`
	Until int64 // in Unix seconds
}

// bequeath is what is remembered, the oldest first; of more than most the latest.
func (r *remembered[V]) bequeath(most int, now time.Time) (list []legacyEntry[V]) {
	for _, key := range slices.Backward(r.order) {
		e, known := r.entries[key]
		if known && now.Before(e.until) && len(list) < most {
			list = append(list, legacyEntry[V]{key, e.value, e.until.Add(time.Second - 1).Unix()})
		}
	}
	slices.Reverse(list)
	return list
}

// inherit remembers what another process did.
func (r *remembered[V]) inherit(list []legacyEntry[V], now time.Time) {
	for _, e := range list {
		r.note(e.Key, e.Value, now, time.Unix(e.Until, 0))
	}
}
