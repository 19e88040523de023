package match

import "time"

// recent is a map that cannot grow for ever: it forgets what was not touched
// for life, and beyond limit entries what was touched longest ago. All it does
// takes the same time whatever its size.
type recent[K comparable, V any] struct {
	limit int
	life  time.Duration

	entries        map[K]*entry[K, V]
	newest, oldest *entry[K, V]
}

type entry[K comparable, V any] struct {
	key          K
	value        V
	at           time.Time // when it was touched
	newer, older *entry[K, V]
}

func newRecent[K comparable, V any](limit int, life time.Duration) recent[K, V] {
	return recent[K, V]{limit: limit, life: life, entries: map[K]*entry[K, V]{}}
}

// find is the value of a key, nil if there is none. It does not touch it.
func (r *recent[K, V]) find(key K, now time.Time) *V {
	if e := r.entries[key]; e != nil && now.Sub(e.at) <= r.life {
		return &e.value
	}
	return nil
}

// touch is the value of a key, a new one if there is none.
func (r *recent[K, V]) touch(key K, now time.Time) *V {
	e := r.entries[key]
	switch {
	case e == nil:
		r.forget(now)
		e = &entry[K, V]{key: key}
		r.entries[key] = e
	case now.Sub(e.at) > r.life:
		r.unlink(e)
		e.value = *new(V)
	default:
		r.unlink(e)
	}
	e.at = now
	r.link(e)
	return &e.value
}

func (r *recent[K, V]) drop(key K) {
	if e := r.entries[key]; e != nil {
		r.unlink(e)
		delete(r.entries, key)
	}
}

// forget makes room for one more. It drops two whose time is over, so that
// the map shrinks as well when fewer come.
func (r *recent[K, V]) forget(now time.Time) {
	for range 2 {
		if r.oldest != nil && (now.Sub(r.oldest.at) > r.life || len(r.entries) >= r.limit) {
			r.drop(r.oldest.key)
		}
	}
}

// all goes through the entries, from the one that was touched longest ago.
func (r *recent[K, V]) all(yield func(at time.Time, key K, value *V)) {
	for e := r.oldest; e != nil; e = e.newer {
		yield(e.at, e.key, &e.value)
	}
}

// link makes an entry the newest.
func (r *recent[K, V]) link(e *entry[K, V]) {
	e.older, e.newer = r.newest, nil
	if r.newest != nil {
		r.newest.newer = e
	} else {
		r.oldest = e
	}
	r.newest = e
}

func (r *recent[K, V]) unlink(e *entry[K, V]) {
	if e.newer != nil {
		e.newer.older = e.older
	} else {
		r.newest = e.older
	}
	if e.older != nil {
		e.older.newer = e.newer
	} else {
		r.oldest = e.newer
	}
}
