//go:build soak

package e2e

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// A soak in time, from its start:
//
//	0       opening              census       life           census      closing      end
//	├─ one deck, kills too ─┤ ▲ ├ minute 5+ ├─ decks, no kill ─┤ ├─ a deck, kills too ─┤
//	                          many pass by
//
// A killed server is another process, whose memory says nothing of the first one's:
// between the censuses nobody is killed. A soak too short for that is all opening.
const (
	quietStart  = 12 * time.Second // nothing befalls a server that people come to for the first time
	quietEnd    = 20 * time.Second // by then all that was still to come of the last fault has come
	recovery    = 10 * time.Second // between two faults of the rough: longer than settles
	openingLong = 3 * time.Minute
	closingLong = 3 * time.Minute
	censusAfter = 5*time.Minute + 15*time.Second // the opening's end, when the last kill was: the process is 5 minutes old
	censusLong  = 2 * time.Minute
	withCensus  = 15 * time.Minute // shorter soaks have none
)

// window is when a fault befalls, and how long: from the soak's start.
type window struct {
	fault    string
	at, over time.Duration
	strength int // 0 to 99: what the fault makes of it
}

func (w window) String() string {
	return fmt.Sprintf("%v to %v %s (%d)", w.at.Round(time.Millisecond), w.over.Round(time.Millisecond), w.fault, w.strength)
}

// schedule is all that befalls a server, in order.
type schedule struct {
	seed    uint64
	length  time.Duration
	windows []window
	census  []time.Duration // when they begin; none or two
}

// newSchedule deals the faults of a soak: the same for the same seed and length. The
// rough come one after the other, with time to recover; the mild whenever they like.
func newSchedule(seed uint64, length time.Duration, faults []mishap) *schedule {
	s := &schedule{seed: seed, length: length}
	rng := rand.New(rand.NewPCG(seed, 1))
	end := length - quietEnd
	if length < withCensus {
		s.deal(rng, faults, quietStart, end, true)
	} else {
		s.census = []time.Duration{openingLong + censusAfter, end - closingLong - censusLong}
		s.deal(rng, faults, quietStart, openingLong, true)
		s.deal(rng, faults, openingLong+fillLong, s.census[0], false)
		s.deal(rng, faults, s.census[0]+censusLong, s.census[1], false)
		s.deal(rng, faults, s.census[1]+censusLong, end, true)
	}
	slices.SortStableFunc(s.windows, func(a, b window) int { return cmp.Compare(a.at, b.at) })
	return s
}

// deal fills a time with faults, the rough and the mild. Where killing is out of
// place, those are left out that end the process.
func (s *schedule) deal(rng *rand.Rand, faults []mishap, from, to time.Duration, kills bool) {
	for _, rough := range []bool{true, false} {
		deck := slices.DeleteFunc(slices.Clone(faults), func(f mishap) bool { return f.rough != rough || f.ends && !kills })
		pause := recovery
		if !rough {
			pause = recovery / 3
		}
		s.dealDeck(rng, deck, from, to, pause)
	}
}

// dealDeck deals a deck, in which each comes once, until the time is over, one after
// the other with a pause after each.
func (s *schedule) dealDeck(rng *rand.Rand, deck []mishap, from, to, pause time.Duration) {
	for at := from; len(deck) > 0; {
		rng.Shuffle(len(deck), func(i, j int) { deck[i], deck[j] = deck[j], deck[i] })
		for _, f := range deck {
			w := window{fault: f.name, at: at + pause*time.Duration(rng.IntN(20))/100, strength: rng.IntN(100)}
			w.over = w.at + f.shortest + time.Duration(rng.Int64N(int64(f.longest-f.shortest)+1))
			if w.over+pause > to {
				return
			}
			s.windows = append(s.windows, w)
			at = w.over + pause
		}
	}
}

// String lists it, and how it is replayed.
func (s *schedule) String() string {
	var b strings.Builder
	_, _ = fmt.Fprintf(&b, "make soak SOAK=%v SEED=%d\n", s.length, s.seed)
	for _, w := range s.windows {
		_, _ = fmt.Fprintf(&b, "  %v\n", w)
	}
	for _, at := range s.census {
		_, _ = fmt.Fprintf(&b, "  %v census\n", at)
	}
	return b.String()
}

// step is what an action does.
type step int

// The steps. At one time, what heals comes first.
const (
	heals step = iota
	begins
	fills
	counts
	ends
)

// action is one thing that is to be done at its time.
type action struct {
	at   time.Duration
	what step
	window
}

// actions are the schedule as a list of what is to be done.
func (s *schedule) actions() (list []action) {
	for _, w := range s.windows {
		list = append(list, action{w.at, begins, w}, action{w.over, heals, w})
	}
	for _, at := range s.census {
		list = append(list, action{at: at, what: counts})
	}
	if len(s.census) > 0 {
		list = append(list, action{at: openingLong, what: fills})
	}
	list = append(list, action{at: s.length, what: ends})
	slices.SortStableFunc(list, func(a, b action) int {
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.what, b.what))
	})
	return list
}
