package main

import (
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// person is one visitor of a simulated pool.
type person struct {
	tags    []int
	partner *person
	since   float64 // when he began to wait
	turn    int     // grows whenever he begins or ends to wait
	waits   bool    // is in the queues
	open    bool    // somebody without a shared tag is welcome
}

// pool is one pool of the fleet, simulated: people come to it, wait, meet, and
// come back. Its pairs are those of package match, without what hardly ever
// happens among many: the same two again, crowds, reports.
type pool struct {
	people  assumptions
	arrival float64 // mean seconds between two who come new; 0: nobody does
	random  *rand.Rand
	zipf    []float64 // shares of the tags, added up

	now     float64
	agenda  agenda
	byTag   map[int][]place // who waits, by each of his tags, oldest first; those who have gone are skipped
	anybody []place         // who waits and is open, oldest first; likewise
	here    int             // visitors
	waiting int

	from  float64 // what was before does not count
	waits []float64
	seen  report
}

// place is one wait in a queue.
type place struct {
	who  *person
	turn int
}

// report is what was seen of a pool.
type report struct {
	visitors float64       // mean
	pairs    float64       // a second
	at50     time.Duration // how long half of those who looked for somebody have waited
	at99     time.Duration
	shared   float64 // share of the pairs of which one had tags, who had one in common
	gaveUp   float64 // share of those who looked for somebody

	met, tagged, common, tired int
	visits                     float64 // added up over time
}

// newPool is a pool that holds so many visitors in the mean, most of whom are in a
// meeting when it begins.
func newPool(visitors int, a assumptions, seed uint64) *pool {
	p := &pool{people: a, random: rand.New(rand.NewPCG(seed, uint64(visitors))), byTag: map[int][]place{}} //nolint:gosec // a simulation, to be repeated
	p.zipf = zipf(a.tags, a.zipf)
	p.arrival = a.meeting().Seconds() / (float64(visitors) * (1 - a.again))
	p.agenda.add(event{at: p.gap(p.arrival), what: arrives})
	for range visitors / 2 {
		one, other := p.comes(), p.comes()
		p.meet(one, other, p.residual())
	}
	return p
}

// comes is a new visitor.
func (p *pool) comes() *person {
	v := new(person)
	if p.random.Float64() < p.people.tagged {
		for range 1 + p.random.IntN(p.people.mostTags) {
			t, _ := slices.BinarySearch(p.zipf, p.random.Float64())
			if t = min(t, len(p.zipf)-1); !slices.Contains(v.tags, t) {
				v.tags = append(v.tags, t)
			}
		}
	}
	p.here++
	return v
}

// zipf are the shares of n tags, of which the k-th is named k^-s times as often
// as the first, added up.
func zipf(n int, s float64) []float64 {
	sums := make([]float64, n)
	all := 0.0
	for k := range sums {
		all += math.Pow(float64(k+1), -s)
		sums[k] = all
	}
	for k := range sums {
		sums[k] /= all
	}
	return sums
}

func (p *pool) gap(mean float64) float64 { return p.random.ExpFloat64() * mean }

// length is how long a meeting takes.
func (p *pool) length() float64 {
	if p.random.Float64() < p.people.skips {
		return p.gap(p.people.skipTime.Seconds())
	}
	return p.gap(p.people.talkTime.Seconds())
}

// residual is how long a meeting still takes that one comes upon.
func (p *pool) residual() float64 {
	skips := p.people.skips * float64(p.people.skipTime)
	if p.random.Float64()*float64(p.people.meeting()) < skips {
		return p.gap(p.people.skipTime.Seconds())
	}
	return p.gap(p.people.talkTime.Seconds())
}

// run lets time pass: the first part is not counted.
func (p *pool) run(before, counted time.Duration) report {
	p.from = before.Seconds()
	end := p.from + counted.Seconds()
	for len(p.agenda) > 0 && p.agenda[0].at <= end {
		e := p.agenda.next()
		p.pass(e.at)
		p.happens(e)
	}
	p.pass(end)
	return p.result(counted.Seconds())
}

// pass moves the clock.
func (p *pool) pass(to float64) {
	p.seen.visits += float64(p.here) * max(0, to-max(p.now, p.from))
	p.now = to
}

func (p *pool) happens(e event) {
	switch {
	case e.what == arrives:
		p.agenda.add(event{at: p.now + p.gap(p.arrival), what: arrives})
		p.looks(p.comes())
	case e.turn != e.who.turn: // it is about a wait or a meeting that is over
	case e.what == opens:
		p.opens(e.who)
	case e.what == givesUp:
		p.leaves(e.who)
	case e.what == parts:
		one, other := e.who, e.who.partner
		one.turn++
		for _, v := range [...]*person{one, other} {
			v.partner = nil
			if p.random.Float64() < p.people.again {
				p.looks(v)
			} else {
				p.here--
			}
		}
	}
}

// looks lets somebody look for a partner, or wait for one.
func (p *pool) looks(v *person) {
	v.since, v.open = p.now, len(v.tags) == 0
	if w := p.find(v); w != nil {
		p.pair(w, v)
		return
	}
	v.turn++
	v.waits = true
	p.waiting++
	for _, t := range v.tags {
		p.byTag[t] = append(p.byTag[t], place{v, v.turn})
	}
	if v.open {
		p.anybody = append(p.anybody, place{v, v.turn})
	} else {
		p.agenda.add(event{at: p.now + tagWait.Seconds(), what: opens, who: v, turn: v.turn})
	}
	until := min(p.gap(p.people.patience.Seconds()), maxWait.Seconds())
	p.agenda.add(event{at: p.now + until, what: givesUp, who: v, turn: v.turn})
}

// find is the one who fits v: a shared tag comes first, and then who has waited
// longest.
func (p *pool) find(v *person) (best *person) {
	for _, t := range v.tags {
		if p.byTag[t] = gone(p.byTag[t]); len(p.byTag[t]) == 0 {
			continue
		}
		if w := p.byTag[t][0].who; best == nil || w.since < best.since {
			best = w
		}
	}
	if p.anybody = gone(p.anybody); best == nil && v.open && len(p.anybody) > 0 {
		best = p.anybody[0].who
	}
	return best
}

// gone is a queue without those at its head who do not wait any more.
func gone(queue []place) []place {
	for len(queue) > 0 && queue[0].turn != queue[0].who.turn {
		queue = queue[1:]
	}
	return queue
}

// opens is the moment from which on anybody is welcome.
func (p *pool) opens(v *person) {
	v.open = true
	p.anybody = gone(p.anybody)
	if len(p.anybody) > 0 {
		p.pair(p.anybody[0].who, v)
		return
	}
	p.anybody = append(p.anybody, place{v, v.turn})
}

// pair lets two meet, of whom the second may not have waited.
func (p *pool) pair(first, second *person) {
	common := slices.ContainsFunc(first.tags, func(t int) bool { return slices.Contains(second.tags, t) })
	for _, v := range [...]*person{first, second} {
		p.ends(v)
		if p.now >= p.from {
			p.waits = append(p.waits, p.now-v.since)
		}
	}
	if p.now >= p.from {
		p.seen.met++
		if len(first.tags)+len(second.tags) > 0 {
			p.seen.tagged++
		}
		if common {
			p.seen.common++
		}
	}
	p.meet(first, second, p.length())
}

// ends is the end of a wait.
func (p *pool) ends(v *person) {
	if v.waits {
		v.waits = false
		p.waiting--
	}
	v.turn++
}

func (p *pool) meet(one, other *person, length float64) {
	one.partner, other.partner = other, one
	p.agenda.add(event{at: p.now + length, what: parts, who: one, turn: one.turn})
}

func (p *pool) leaves(v *person) {
	p.ends(v)
	p.here--
	if p.now >= p.from {
		p.seen.tired++
	}
}

func (p *pool) result(seconds float64) report {
	r := p.seen
	r.visitors, r.pairs = r.visits/seconds, float64(r.met)/seconds
	slices.Sort(p.waits)
	if n := len(p.waits); n > 0 {
		r.at50, r.at99 = duration(p.waits[n/2]), duration(p.waits[n*99/100])
		r.gaveUp = float64(r.tired) / float64(n+r.tired)
	}
	if r.tagged > 0 {
		r.shared = float64(r.common) / float64(r.tagged)
	}
	return r
}

func duration(seconds float64) time.Duration { return time.Duration(seconds * float64(time.Second)) }
