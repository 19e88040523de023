package match

import (
	"math/bits"
	"slices"
	"time"
)

// How far a look goes.
const (
	// glance is how many tickets that do not fit an offer steps over in one
	// queue. If it ends there, the ticket searches at the next tick.
	glance = 16
	// search is how many a ticket steps over later. More never stand in one
	// queue: they would fit each other, unless any two of them have met
	// (maxMet is reached with 512), or are young and of one address (Crowd).
	search = 1024
	// maxDoubts is how many who turn out not to be here one look takes out of
	// the queues. If it ends there, the ticket looks again at the next tick.
	maxDoubts = 16
)

// fits tells whether a and b may meet now.
func (p *Memory) fits(a, b *Ticket, now time.Duration) bool {
	both := min(now-a.memory.since, now-b.memory.since) // waited this long
	switch {
	case a.User == b.User:
		return false
	case !share(a, b) && (!p.isOpen(a, now) || !p.isOpen(b, now)):
		return false
	case p.cfg.Avoid > 0 && both < AloneFor && p.met.met(a, b, now-p.cfg.Avoid):
		return false
	case p.cfg.Crowd > 0 && a.memory.crowd != nil && a.memory.crowd == b.memory.crowd && both < YoungFor:
		return false
	}
	return true
}

// isOpen tells whether t meets somebody without a shared tag.
func (p *Memory) isOpen(t *Ticket, now time.Duration) bool {
	return len(t.Tags) == 0 || now-t.memory.since >= p.cfg.TagWait
}

// share tells whether two like the same, as far as the queues know.
func share(a, b *Ticket) bool {
	for _, x := range a.memory.tags[:a.memory.tagCount] {
		if slices.Contains(b.memory.tags[:b.memory.tagCount], x) {
			return true
		}
	}
	return false
}

// best is who fits t best: with the most shared tags and, among those, who has
// waited longest. Cut means that a queue has not been looked at to its end.
func (p *Memory) best(t *Ticket, now time.Duration, steps int) (best *Ticket, cut bool) {
	m := &t.memory
	p.looks++
	if m.stands == nil {
		p.queues.know(t)
	}
	for size := m.tagCount; size > 0; size-- {
		for mask := 1; mask < 1<<m.tagCount; mask++ {
			if bits.OnesCount(uint(mask)) != size {
				continue
			}
			w, more := p.firstFit(t, queueName{m.among, subset(m.tags, mask)}, now, steps)
			cut = cut || more
			if w != nil && (best == nil || w.memory.order < best.memory.order) {
				best = w
			}
		}
		if best != nil {
			return best, false
		}
	}
	if !p.isOpen(t, now) {
		return nil, cut
	}
	best, more := p.firstFit(t, queueName{among: m.among}, now, steps)
	return best, cut || more
}

// firstFit is the first in a queue who fits t, of those whom this look has not
// seen yet.
func (p *Memory) firstFit(t *Ticket, name queueName, now time.Duration, steps int) (first *Ticket, cut bool) {
	q := p.queues.byName[name]
	if q == nil {
		return nil, false
	}
	for k := q.head; k != nil; k = k.next {
		if steps--; steps < 0 {
			return nil, true
		}
		w := k.ticket
		if w.memory.seen == p.looks { // in the queue of another subset
			continue
		}
		if w.memory.seen = p.looks; p.fits(t, w, now) {
			return w, false
		}
	}
	return nil, false
}

// seek finds a partner for t who is here. Whoever is not leaves the queues.
func (p *Memory) seek(t *Ticket, now time.Duration, steps int, o *outcome) *Ticket {
	stood := t.memory.spot
	for range maxDoubts {
		if t.memory.spot != stood { // taking somebody out has moved t itself
			break
		}
		w, cut := p.best(t, now, steps)
		switch {
		case w == nil && cut:
			p.wake(t, now)
			return nil
		case w == nil || p.isHere(w, now, o):
			return w
		}
	}
	p.wake(t, now)
	return nil
}

// isHere looks at the connection of t. If something has come that was not
// handled, or nothing for too long, t leaves the queues until its reader
// offers it again, and stands at the head then.
func (p *Memory) isHere(t *Ticket, now time.Duration, o *outcome) bool {
	presence := t.Visitor.Presence()
	if presence == Here {
		return true
	}
	if p.move(t, doubted) {
		p.withdraw(t, now)
		t.memory.first = true
	}
	if presence == Silent {
		o.silent[o.silents] = t
		o.silents++
	}
	return false
}
