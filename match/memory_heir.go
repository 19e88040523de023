package match

import (
	"cmp"
	"slices"
	"time"
)

// seniority is what a pool knows of a ticket that another pool has to know if the
// visitor goes over to it.
type seniority struct {
	Deadline time.Time `json:"deadline"` // then nobody came
	First    bool      `json:"first,omitempty"`
	Greeted  bool      `json:"greeted,omitempty"`
	Matched  bool      `json:"matched,omitempty"` // has a partner
	// Order is its place among those in the queues, smaller is first: before all that
	// have come to the other pool. 0: it has none.
	Order int64 `json:"order,omitempty"`
}

// The places of those who have come from other pools are before all that are given
// out in this one. Those of its own that go on to another pool follow them.
const (
	lastInherited = -1 << 41
	ownPlaces     = 1 << 40 // of this pool: half of them at the head, half at the end
)

// inOrder sorts tickets as they stand: those in the queues first, then the others by
// when they came. Those that are none of the pool's come last, as they are.
func (p *Memory) inOrder(tickets []*Ticket) {
	p.mu.Lock()
	defer p.mu.Unlock()
	rank := func(t *Ticket) int {
		switch {
		case t == nil || !t.memory.enlisted:
			return 2
		case t.memory.spot == queued:
			return 0
		default:
			return 1
		}
	}
	slices.SortStableFunc(tickets, func(a, b *Ticket) int {
		switch ra, rb := rank(a), rank(b); {
		case ra != rb:
			return ra - rb
		case ra == 0:
			return cmp.Compare(a.memory.order, b.memory.order)
		case ra == 1:
			return cmp.Compare(a.memory.since, b.memory.since)
		default:
			return 0
		}
	})
}

// withdrawFor takes t out for another pool. False: it is none of those that are here;
// its visitor has left or is being sent away. One that has a partner stays as it is,
// and here, until its visitor was told: the caller sees to that.
func (p *Memory) withdrawFor(t *Ticket) (s seniority, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	m := &t.memory
	now := p.now()
	switch m.state {
	case gone:
		return s, false
	case matched:
		return seniority{Matched: true, Deadline: p.dayOf(m.deadline, now)}, true
	}
	p.enlist(t, now) // if it never was, it has its times by that
	s = seniority{Deadline: p.dayOf(m.deadline, now), First: m.first, Greeted: m.greeted}
	switch {
	case m.spot != queued:
	case m.order > lastInherited:
		s.Order = p.queues.inherited + ownPlaces + m.order
	default:
		s.Order = m.order
	}
	p.move(t, left)
	p.delist(t, now)
	return s, true
}

// dayOf is the time of day of a time of this pool, by what is left or has passed.
func (p *Memory) dayOf(at, now time.Duration) time.Time { return time.Now().Add(at - now) }

// inherit makes t, which was never offered here, one that has stood in another pool.
func (p *Memory) inherit(t *Ticket, s seniority) {
	p.mu.Lock()
	defer p.mu.Unlock()
	m, now := &t.memory, p.now()
	m.since = t.Since.Sub(p.born)
	if !t.NotBefore.IsZero() {
		m.notBefore = t.NotBefore.Sub(p.born)
	}
	m.deadline = min(max(s.Deadline.Sub(p.born), now+1), now+p.cfg.MaxWait) // 0 would mean that it is new
	m.user = p.met.hash(t.User)
	m.first, m.greeted = s.First, s.Greeted
	if s.Order < lastInherited {
		m.inherited = s.Order
		p.queues.inherited = max(p.queues.inherited, s.Order)
	}
	if s.Matched {
		m.state = matched
	}
}

// acquaint notes that two users have met somewhere else. What is told in order of
// time is kept in order of time.
func (p *Memory) acquaint(a, b string, at time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now, met := p.now(), at.Sub(p.born)
	if since := now - p.cfg.Avoid; p.cfg.Avoid > 0 && met >= since && met <= now {
		p.met.noteUsers(p.met.hash(a), p.met.hash(b), met, since)
	}
}
