package match

import (
	"sync"
	"time"
)

// state is where a ticket stands; the drawing in the package comment has the
// transitions.
type state uint8

const (
	arriving state = iota // not in the pool: to be offered when its reader rests
	waiting               // in the pool
	matched               // has a partner
	gone                  // will not be matched any more
)

// ticket is one visitor's wish to be matched.
type ticket struct {
	user    string
	since   time.Time
	quiet   func() bool // false: something arrived and was not handled, perhaps an end
	visitor *visitor    // whose it is

	// Guarded by pool.mu.
	state      state
	first      bool // offered again: to the head of the pool, it has waited before
	next, prev *ticket
}

// pool is who waits, first come first served. The zero pool is empty.
type pool struct {
	mu         sync.Mutex // guards the fields below and the states of all tickets; never held while sending
	head, tail *ticket
	size       int
	closed     bool
}

// offer finds a partner for an arriving ticket and marks both as matched, or
// enlists it among those who wait. Whoever is not quiet is not proposed to
// anybody: that ticket arrives again when its reader has rested.
func (p *pool) offer(t *ticket) (partner *ticket, enlisted bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if t.state != arriving || p.closed || !t.quiet() {
		return nil, false
	}
	for w := p.head; w != nil; {
		next := w.next
		switch {
		case w.user == t.user: // never with oneself
		case !w.quiet():
			p.remove(w)
			w.state, w.first = arriving, true
		default:
			p.remove(w)
			w.state, t.state = matched, matched
			return w, false
		}
		w = next
	}
	t.state = waiting
	p.insert(t)
	return nil, true
}

// again lets a matched ticket arrive once more, before all others: its
// partner could not be told.
func (p *pool) again(t *ticket) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if t.state == matched {
		t.state, t.first = arriving, true
	}
}

// cancel takes a ticket out for good. It tells whether the ticket was still
// without a partner.
func (p *pool) cancel(t *ticket) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	was := t.state
	if was == waiting {
		p.remove(t)
	}
	t.state = gone
	return was == waiting || was == arriving
}

// close takes everybody out, and returns them; nothing is offered any more.
func (p *pool) close() []*ticket {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	left := p.list()
	for _, t := range left {
		p.remove(t)
		t.state = gone
	}
	return left
}

// all returns who waits, from the head.
func (p *pool) all() []*ticket {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.list()
}

// list is all for those who hold p.mu.
func (p *pool) list() []*ticket {
	list := make([]*ticket, 0, p.size)
	for t := p.head; t != nil; t = t.next {
		list = append(list, t)
	}
	return list
}

// len is how many wait.
func (p *pool) len() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.size
}

// insert puts a ticket at the end, or at the head if it has waited before.
func (p *pool) insert(t *ticket) {
	switch {
	case p.head == nil:
		p.head, p.tail = t, t
	case t.first:
		t.next, p.head.prev = p.head, t
		p.head = t
	default:
		t.prev, p.tail.next = p.tail, t
		p.tail = t
	}
	p.size++
}

func (p *pool) remove(t *ticket) {
	if t.prev == nil {
		p.head = t.next
	} else {
		t.prev.next = t.next
	}
	if t.next == nil {
		p.tail = t.prev
	} else {
		t.next.prev = t.prev
	}
	t.next, t.prev = nil, nil
	p.size--
}
