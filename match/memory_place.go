package match

import "time"

// place is all that Memory knows of a ticket. Times are counted from when the
// Memory was made.
type place struct {
	state    state
	spot     spot
	enlisted bool // is on the roll
	first    bool // to the head, where it stands next
	greeted  bool // was told how many wait

	since     time.Duration // when it came
	notBefore time.Duration // end of its cool-down
	deadline  time.Duration // then nobody came
	due       time.Duration // its next moment, by the wheel
	told      time.Duration // when it was last told how many wait

	user  uint64    // keyed hash of its user
	meets encounter // the note of its match, if it is the second of the pair
	crowd *crowd    // those of its address; nil: it has none

	seen      uint64  // the last look that saw it
	order     int64   // among those in the queues, smaller is first
	inherited int64   // the place that it had in another pool, until it stands in these queues; 0: none
	among     *crowd  // whose queues it stands in; nil: everybody's
	atHead    bool    // it went to the head of them
	stands    []stand // in the queues: one for each subset of its tags; else nil
	tags      tagSet
	tagCount  int

	roll, wheel, mates, tabs link // on the roll, the wheel, the lists of its crowd and of its user
}

// enlist writes t on the roll, the wheel and with those of its address, until
// it has a partner or is gone.
func (p *Memory) enlist(t *Ticket, now time.Duration) {
	m := &t.memory
	if m.enlisted {
		return
	}
	if m.deadline == 0 { // never seen before
		m.since, m.first = t.Since.Sub(p.born), t.First
		if t.Since.IsZero() {
			m.since = now
		}
		if !t.NotBefore.IsZero() {
			m.notBefore = t.NotBefore.Sub(p.born)
		}
		m.deadline = m.since + p.cfg.MaxWait
		m.user = p.met.hash(t.User)
	}
	m.enlisted, m.told = true, now
	p.roll.add(&m.roll, t, false)
	p.joinCrowd(t)
	p.schedule(t, now)
}

// delist forgets t.
func (p *Memory) delist(t *Ticket, now time.Duration) {
	if !t.memory.enlisted {
		return
	}
	t.memory.enlisted = false
	t.memory.roll.leave()
	t.memory.wheel.leave()
	p.lift(t, now)
	p.leaveCrowd(t, now)
}

// withdraw takes t from where it stands.
func (p *Memory) withdraw(t *Ticket, now time.Duration) {
	p.lift(t, now)
	if c := t.memory.crowd; c != nil {
		p.settle(c, now)
	}
}

// lift is withdraw without the consequences for others of its address.
func (p *Memory) lift(t *Ticket, now time.Duration) {
	m := &t.memory
	was := m.spot
	m.spot = nowhere
	m.mates.leave()
	m.tabs.leave()
	p.queues.leave(t)
	if was == queued {
		p.vacate(t.User, now)
	}
}

// enter puts t into the queues of everybody, or of those held of one crowd.
func (p *Memory) enter(t *Ticket, among *crowd, now time.Duration) {
	if among == nil {
		t.memory.spot = queued
	}
	p.queues.enter(t, among, t.memory.first)
	t.memory.first = false
	if p.isOpen(t, now) {
		p.queues.open(t)
	}
	p.wake(t, now)
}

// wake sees to it that t has a moment at a time, if not before.
func (p *Memory) wake(t *Ticket, at time.Duration) {
	if t.memory.wheel.on == nil || at < t.memory.due {
		p.wheel.set(t, at)
	}
}

// schedule sets the next of the moments of t's own life at which it may fit
// somebody whom it did not fit before, or has waited too long.
func (p *Memory) schedule(t *Ticket, now time.Duration) {
	m := &t.memory
	next := m.deadline
	for _, at := range [...]time.Duration{
		m.notBefore, m.since + YoungFor, m.since + p.cfg.TagWait, m.since + CrowdWait, m.since + AloneFor,
	} {
		if now < at && at < next {
			next = at
		}
	}
	p.wheel.set(t, next)
}
