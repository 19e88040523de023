package match

import (
	"math"
	"net/netip"
	"sync"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/arrivals"
)

// Who skips often waits before he is offered to anybody: a level that each
// skip raises by one falls by one every SkipEvery. A request waits as long as
// the skip that it will be.
//
//	level  0…10  …11  …12  …13  …14  …15  …16  …17, never higher
//	wait   0     1 s  2 s  4 s  8 s  16 s 32 s 60 s
const (
	// SkipEvery is how often a visitor may go on to the next for ever, without
	// ever waiting for it.
	SkipEvery = 6 * time.Second
	// PeoplePerAddr is how many people one address may stand for.
	PeoplePerAddr = 4

	freeSkips    = 10
	firstWait    = time.Second
	longestWait  = time.Minute
	highestSkips = freeSkips + 7 // the wait of which is longestWait
)

const (
	// offerBurst is how long an address may save up its requests.
	offerBurst = 30 * time.Second
	// maxKnown bounds how many users, devices and addresses are remembered,
	// each: who came longest ago is forgotten, and starts afresh.
	maxKnown = 1 << 15
)

// FairUse bounds what one visitor, and one address (/64 for IPv6), may take of
// a lobby. The zero value bounds nothing.
type FairUse struct {
	MaxPerAddr    int           // WebSockets of one address that wait at once; 0: no limit
	OffersPerAddr float64       // requests a second from one address, in bursts of half a minute's worth; 0: no limit
	SkipEvery     time.Duration // 0: skipping costs nothing; else SkipEvery
	// PeoplePerAddr is how many people share one address: its skips and
	// reports count that much less. 0: they do not count per address.
	PeoplePerAddr int
}

// level is a count that time lowers.
type level struct {
	height float64
	at     time.Time // when it had that height
}

// fall lets a level fall by one in each interval until now.
func (l *level) fall(now time.Time, every time.Duration) {
	l.height = max(0, l.height-float64(now.Sub(l.at))/float64(every))
	l.at = now
}

// turnstile counts who comes to a lobby and how often. It is safe for
// concurrent use.
type turnstile struct {
	mu         sync.Mutex // guards the fields below
	rules      FairUse
	offerEvery time.Duration // an address may come
	offerMost  float64       // times at once

	waiting map[netip.Prefix]int // WebSockets that wait; as many entries at most
	offers  recent[netip.Prefix, level]
	users   recent[string, level] // skips
	devices recent[string, level]
	addrs   recent[netip.Prefix, level]
}

func newTurnstile(rules FairUse) *turnstile {
	s := &turnstile{waiting: map[netip.Prefix]int{}}
	s.set(rules)
	return s
}

// set changes the rules. Levels that another rate made start afresh.
func (s *turnstile) set(rules FairUse) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.rules
	s.rules = rules
	if s.users.entries == nil || rules.SkipEvery != old.SkipEvery {
		drained := rules.SkipEvery * highestSkips // then any level is 0
		s.users = newRecent[string, level](maxKnown, drained)
		s.devices = newRecent[string, level](maxKnown, drained)
		s.addrs = newRecent[netip.Prefix, level](maxKnown, drained)
	}
	switch rules.OffersPerAddr {
	case old.OffersPerAddr:
	case 0:
		s.offerMost = 0
	default:
		s.offerEvery = time.Duration(float64(time.Second) / rules.OffersPerAddr)
		s.offerMost = max(1, math.Floor(rules.OffersPerAddr*offerBurst.Seconds()))
		s.offers = newRecent[netip.Prefix, level](maxKnown, s.offerEvery*time.Duration(s.offerMost))
	}
}

// peoplePerAddr is how many people one address may stand for now.
func (s *turnstile) peoplePerAddr() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rules.PeoplePerAddr
}

// offer counts a request from an address. If there were too many it does not
// count, and one may come after the wait.
func (s *turnstile) offer(addr netip.Addr, now time.Time) (wait time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.offerMost == 0 {
		return 0
	}
	l := s.offers.touch(arrivals.Source(addr), now)
	l.fall(now, s.offerEvery)
	if over := l.height + 1 - s.offerMost; over > 0 {
		return max(1, time.Duration(over*float64(s.offerEvery)))
	}
	l.height++
	return 0
}

// enter counts a WebSocket that begins to wait, and tells whether it may.
func (s *turnstile) enter(addr netip.Addr) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	sub := arrivals.Source(addr)
	if s.rules.MaxPerAddr > 0 && s.waiting[sub] >= s.rules.MaxPerAddr {
		return false
	}
	s.waiting[sub]++
	return true
}

// admit is enter for one who may wait in any case.
func (s *turnstile) admit(addr netip.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting[arrivals.Source(addr)]++
}

// leave takes back what enter has counted.
func (s *turnstile) leave(addr netip.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sub := arrivals.Source(addr)
	if s.waiting[sub]--; s.waiting[sub] == 0 {
		delete(s.waiting, sub)
	}
}

// skip counts that somebody is through with a request: he was matched, or has
// left before. Requests that wait side by side are no skips: a crowd is bounded
// by other rules.
func (s *turnstile) skip(p Party, now time.Time) {
	s.levels(p, now, func(l *level, people float64) {
		l.height = min(l.height+1/people, highestSkips)
	})
}

// coolDown is how long somebody who asks has to wait before he is offered to
// anybody.
func (s *turnstile) coolDown(p Party, now time.Time) time.Duration {
	highest := 0.0
	s.levels(p, now, func(l *level, people float64) {
		highest = max(highest, min(l.height+1/people, highestSkips))
	})
	return waitAt(highest)
}

// levels goes through the levels that somebody has a part in, and how many
// people share each.
func (s *turnstile) levels(p Party, now time.Time, each func(l *level, people float64)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rules.SkipEvery == 0 {
		return
	}
	visit := func(l *level, people float64) {
		l.fall(now, s.rules.SkipEvery)
		each(l, people)
	}
	visit(s.users.touch(p.User, now), 1)
	if p.Device != "" {
		visit(s.devices.touch(p.Device, now), 1)
	}
	if people := s.rules.PeoplePerAddr; people > 0 {
		visit(s.addrs.touch(arrivals.Source(p.Addr), now), float64(people))
	}
}

// waitAt is the wait of a level, as the table at the top has it.
func waitAt(height float64) time.Duration {
	over := math.Ceil(height - freeSkips)
	if over < 1 {
		return 0
	}
	return min(firstWait<<int(over-1), longestWait)
}
