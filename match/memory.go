package match

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// tickEvery is how often Memory looks whose time has come.
const tickEvery = time.Second

// state is where a ticket stands; the drawing in the package comment has the
// transitions.
type state uint8

const (
	arriving state = iota // not in the pool: to be offered when its reader rests
	waiting               // in the pool
	matched               // has a partner
	gone                  // will not be matched any more
)

// place is where Memory has put a ticket. Guarded by Memory.mu.
type place struct {
	state      state
	first      bool
	next, prev *Ticket
}

// PoolConfig is what a pool needs to know. RoomKey is required, zero fields
// mean what their comment says.
type PoolConfig struct {
	// RoomKey returns a new room id, which is the admission to the room.
	RoomKey func() string

	TagWait time.Duration // then somebody without a shared tag is welcome too; 8 s
	MaxWait time.Duration // then nobody came; 2 min
	Avoid   time.Duration // the same two do not meet again so soon; 0: they may at once
	Crowd   int           // more than these waiting from one address share one place; 0: no limit
}

// Memory is the pool of one process.
type Memory struct {
	cfg PoolConfig

	mu         sync.Mutex // guards the fields below and the places of all tickets; never held while sending
	head, tail *Ticket
	size       int
	closed     bool
}

// NewMemory returns an empty pool.
func NewMemory(cfg PoolConfig) *Memory {
	if cfg.MaxWait == 0 {
		cfg.MaxWait = 2 * time.Minute
	}
	return &Memory{cfg: cfg}
}

// Offer implements Pool.
func (p *Memory) Offer(newcomer *Ticket) {
	for {
		waited, enlisted := p.offer(newcomer)
		if enlisted {
			newcomer.Visitor.News(p.Waiting())
		}
		if waited == nil || p.introduce(waited, newcomer) {
			return
		}
		p.Return(newcomer)
	}
}

// introduce gives two visitors a room. The one who waited is told first: if
// that fails the other has lost nothing.
func (p *Memory) introduce(waited, newcomer *Ticket) bool {
	m := Meeting{Room: p.cfg.RoomKey(), At: time.Now(), Side: wire.SideA, Tags: shared(waited.Tags, newcomer.Tags), Partner: newcomer.Party}
	if waited.Visitor.Meet(m) != nil {
		p.Cancel(waited)
		return false
	}
	m.Side, m.Partner = wire.SideB, waited.Party
	_ = newcomer.Visitor.Meet(m) // who cannot be told is gone; the room notices
	return true
}

func shared(a, b []string) (both []string) {
	for _, tag := range a {
		if slices.Contains(b, tag) {
			both = append(both, tag)
		}
	}
	return both
}

func (p *Memory) offer(t *Ticket) (partner *Ticket, enlisted bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if t.memory.state != arriving || p.closed || t.Visitor.Presence() != Here {
		return nil, false
	}
	for w := p.head; w != nil; {
		next := w.memory.next
		switch {
		case w.User == t.User: // never with oneself
		case w.Visitor.Presence() != Here:
			p.remove(w)
			w.memory.state, w.memory.first = arriving, true
		default:
			p.remove(w)
			w.memory.state, t.memory.state = matched, matched
			return w, false
		}
		w = next
	}
	t.memory.state = waiting
	p.insert(t)
	return nil, true
}

// Return implements Pool.
func (p *Memory) Return(t *Ticket) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if t.memory.state == matched {
		t.memory.state, t.memory.first = arriving, true
	}
}

// Cancel implements Pool.
func (p *Memory) Cancel(t *Ticket) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	was := t.memory.state
	if was == waiting {
		p.remove(t)
	}
	t.memory.state = gone
	return was == waiting || was == arriving
}

// Waiting implements Pool.
func (p *Memory) Waiting() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.size
}

// Serve implements Pool.
func (p *Memory) Serve(ctx context.Context) error {
	tick := time.NewTicker(tickEvery)
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			p.round(now)
		case <-ctx.Done():
			for _, t := range p.close() {
				t.Visitor.End(wire.ErrorShuttingDown)
			}
			return nil
		}
	}
}

// round sends home who has waited too long, and news to the others.
func (p *Memory) round(now time.Time) {
	p.mu.Lock()
	all := p.list()
	p.mu.Unlock()
	for _, t := range all {
		if now.Sub(t.Since) < p.cfg.MaxWait {
			t.Visitor.News(p.Waiting())
		} else if p.Cancel(t) {
			t.Visitor.End(wire.MatchTimeout)
		}
	}
}

func (p *Memory) close() []*Ticket {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	left := p.list()
	for _, t := range left {
		p.remove(t)
		t.memory.state = gone
	}
	return left
}

func (p *Memory) list() []*Ticket {
	list := make([]*Ticket, 0, p.size)
	for t := p.head; t != nil; t = t.memory.next {
		list = append(list, t)
	}
	return list
}

// insert puts a ticket at the end, or at the head if it has waited before.
func (p *Memory) insert(t *Ticket) {
	switch {
	case p.head == nil:
		p.head, p.tail = t, t
	case t.memory.first || t.First:
		t.memory.next, p.head.memory.prev = p.head, t
		p.head = t
	default:
		t.memory.prev, p.tail.memory.next = p.tail, t
		p.tail = t
	}
	p.size++
}

func (p *Memory) remove(t *Ticket) {
	if t.memory.prev == nil {
		p.head = t.memory.next
	} else {
		t.memory.prev.memory.next = t.memory.next
	}
	if t.memory.next == nil {
		p.tail = t.memory.prev
	} else {
		t.memory.next.memory.prev = t.memory.prev
	}
	t.memory.next, t.memory.prev = nil, nil
	p.size--
}
