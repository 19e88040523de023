//go:build (redis && browser) || soak

package e2e

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// The bounds of what an oracle lets pass.
const (
	// fitsWithin is how long two who fit may wait side by side. It takes two
	// refusals, the longest way that SIGNALING has: one of 1 s that was not
	// answered and one promise of 2 s that was not kept, and a second for a machine
	// that is busy.
	fitsWithin = 4 * time.Second
	// ghostWithin is how long a partner may be awaited who has left, from MATCH on.
	ghostWithin = 10 * time.Second
	// heldWithin is the same for one who has come back to his seat: the other seat is
	// held for so long as if somebody had lost it who will come back, too.
	heldWithin = 30*time.Second + 500*time.Millisecond
	// byeWithin is how long the other one of a room may take to be told that one has
	// left.
	byeWithin = 5 * time.Second
	// speaksWithin is how long one in a seat may wait for the answer to what he has
	// said to one in the other seat. Then he says it again, and something was lost.
	speaksWithin = 3 * time.Second
	// settles is how long after servers have recovered their guests may be troubled:
	// by then each has found one that lives, and was offered there.
	settles = 5 * time.Second
)

// bounds are what an oracle lets pass.
type bounds struct{ fits, ghost, held, bye, speaks time.Duration }

// usualBounds are those of a server, and of a fleet.
func usualBounds() bounds {
	return bounds{fitsWithin, ghostWithin, heldWithin, byeWithin, speaksWithin}
}

// oracle is told all that happens to guests, by themselves, and says which promises
// were broken. It knows nothing of the servers.
type oracle struct {
	bounds
	born  time.Time
	relax time.Duration // the servers' MATCH_TAG_WAIT

	mu       sync.Mutex // guards the fields below, and those of all stays
	stays    []*stay
	troubles []trouble
	strange  []string // what no server should do, in words
}

// stay is one wait of one person, and what came of it. Times count from the
// oracle's birth; zero is never.
type stay struct {
	o    *oracle
	user string
	node string
	tags []string

	asked   time.Duration
	ended   time.Duration // told of a room, gone, or cut off
	rooms   []string      // that it was told of: at most one
	left    bool          // went by itself before it was told
	seated  time.Duration // took a seat in the room
	back    time.Duration // was given the seat again, having lost it
	heard   []string      // who spoke in the room: at most one, the partner
	met     time.Duration
	absent  time.Duration   // was told that nobody comes
	lost    bool            // had no room any more, and went to ask again
	bye     time.Duration   // was told that the partner has left
	walked  time.Duration   // left the room by itself, having met
	refused time.Duration   // was refused the seat
	repeats []time.Duration // when something was said again that nobody had answered
}

func newOracle(relax time.Duration) *oracle {
	return &oracle{bounds: usualBounds(), born: time.Now(), relax: relax}
}

func (o *oracle) now() time.Duration { return time.Since(o.born) }

// asks notes that somebody begins to wait.
func (o *oracle) asks(user, node string, tags ...string) *stay {
	o.mu.Lock()
	defer o.mu.Unlock()
	s := &stay{o: o, user: user, node: node, tags: tags, asked: o.now()}
	o.stays = append(o.stays, s)
	return s
}

// note changes a stay under the oracle's lock.
func (s *stay) note(f func(now time.Duration)) {
	s.o.mu.Lock()
	defer s.o.mu.Unlock()
	f(s.o.now())
}

func (s *stay) isTold(room string) {
	s.note(func(now time.Duration) {
		if s.ended == 0 {
			s.ended = now
		}
		s.rooms = append(s.rooms, room)
	})
}

func (s *stay) leaves() { s.note(func(now time.Duration) { s.ended, s.left = now, true }) }

// isCut is told by who can wait no longer there: his server is gone, or sends him
// away.
func (s *stay) isCut() { s.note(func(now time.Duration) { s.ended = now }) }

func (s *stay) sits() {
	s.note(func(now time.Duration) {
		if s.seated == 0 {
			s.seated = now
		}
	})
}

func (s *stay) hears(user string) {
	s.note(func(now time.Duration) {
		if s.met == 0 {
			s.met = now
		}
		if !slices.Contains(s.heard, user) {
			s.heard = append(s.heard, user)
		}
	})
}

// comesBack is told by one who was given his old seat again, somewhere else.
func (s *stay) comesBack()    { s.note(func(now time.Duration) { s.back = now }) }
func (s *stay) isToldAbsent() { s.note(func(now time.Duration) { s.absent = now }) }
func (s *stay) hasNoRoom()    { s.note(func(time.Duration) { s.lost = true }) }
func (s *stay) isToldBye()    { s.note(func(now time.Duration) { s.bye = now }) }
func (s *stay) isRefused()    { s.note(func(now time.Duration) { s.refused = now }) }
func (s *stay) repeatsIt()    { s.note(func(now time.Duration) { s.repeats = append(s.repeats, now) }) }
func (s *stay) walks()        { s.note(func(now time.Duration) { s.walked = now }) }

// finds notes something that no server should do.
func (o *oracle) finds(format string, args ...any) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.strange = append(o.strange, fmt.Sprintf(format, args...))
}

// isWaiting tells whether somebody waits.
func (o *oracle) isWaiting(user string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.ContainsFunc(o.stays, func(s *stay) bool { return s.user == user && s.ended == 0 })
}

// goes notes that somebody goes home, wherever he is.
func (o *oracle) goes(user string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, s := range o.stays {
		if s.user != user {
			continue
		}
		if s.ended == 0 {
			s.ended, s.left = o.now(), true
		}
		s.lost = s.lost || s.met == 0
	}
}

// judgment is what an oracle says.
type judgment struct {
	Stays, Told, Left, Cut, Met int
	Crossed                     int           // of the rooms, between two nodes
	Double, Self, Again         int           // promises broken: each should be 0
	Stranded                    int           // pairs that fitted and waited side by side for too long
	Ghosts                      int           // told of a partner who did not come
	Eternal                     int           // of those, awaited for too long
	Longest                     time.Duration // that one was awaited, outside of troubles
	Awaited                     time.Duration // the longest until one was told that nobody comes, troubles or not
	Alone                       int           // was not told that the partner has left
	Refused                     int           // was refused the seat, outside of troubles
	Lost                        int           // what was said in a room and not answered, outside of troubles
	Waiting                     int           // at the end
	SideBySide                  time.Duration // the longest that two who fitted waited, outside of troubles
	P50, P99                    time.Duration // of waiting, of those who were told
	Strange                     []string
	examples                    []string
}

const mostExamples = 20

func (v *judgment) example(format string, args ...any) {
	if len(v.examples) < mostExamples {
		v.examples = append(v.examples, fmt.Sprintf(format, args...))
	}
}

// broken counts broken promises.
func (v *judgment) broken() int {
	return v.Double + v.Self + v.Again + v.Stranded + v.Eternal + v.Alone + v.Refused + v.Lost + len(v.Strange)
}

func (v *judgment) String() string {
	return fmt.Sprintf("%d waits, %d told of a room, %d met, %d rooms between two nodes, %d left while they waited, %d cut off, %d still wait; "+
		"double %d, self %d, again %d, stranded %d (two who fit side by side for %v at most); ghosts %d, the longest %v (%v with the time of faults), %d for too long; not told bye %d, refused a seat %d, messages lost %d; waits p50 %v, p99 %v",
		v.Stays, v.Told, v.Met, v.Crossed, v.Left, v.Cut, v.Waiting,
		v.Double, v.Self, v.Again, v.Stranded, v.SideBySide.Round(time.Millisecond), v.Ghosts, v.Longest.Round(time.Millisecond), v.Awaited.Round(time.Millisecond), v.Eternal, v.Alone, v.Refused, v.Lost,
		v.P50.Round(time.Millisecond), v.P99.Round(time.Millisecond))
}

// why shows some of what is wrong.
func (v *judgment) why() string {
	return strings.Join(append(slices.Clone(v.examples), v.Strange...), "\n")
}

// judge looks at all that has happened until now.
func (o *oracle) judge() *judgment {
	o.mu.Lock()
	defer o.mu.Unlock()
	v := &judgment{Stays: len(o.stays), Strange: slices.Clone(o.strange)}
	now, rooms := o.now(), map[string][]*stay{}
	var waits []time.Duration
	for _, s := range o.stays {
		switch {
		case s.left:
			v.Left++
		case len(s.rooms) > 0:
			v.Told++
			waits = append(waits, s.ended-s.asked)
		case s.ended > 0:
			v.Cut++
		default:
			v.Waiting++
		}
		for _, room := range s.rooms {
			rooms[room] = append(rooms[room], s)
		}
	}
	slices.Sort(waits)
	if len(waits) > 0 {
		v.P50, v.P99 = waits[len(waits)/2], waits[len(waits)*99/100]
	}
	o.judgePairs(v, rooms)
	o.judgeSeats(v, now)
	o.judgeWaits(v, now)
	return v
}

// judgePairs looks at who was brought together with whom.
func (o *oracle) judgePairs(v *judgment, rooms map[string][]*stay) {
	for room, in := range rooms {
		if len(in) > 2 {
			v.Double++
			v.example("%d were told of room %s", len(in), room)
		}
		if len(in) == 2 && in[0].node != in[1].node {
			v.Crossed++
		}
		if len(in) == 2 && in[0].user == in[1].user {
			v.Self++
			v.example("%s was matched with himself", in[0])
		}
	}
	last := map[string]string{} // partner, by user
	for _, s := range o.stays {
		if len(s.rooms) > 1 || len(s.heard) > 1 {
			v.Double++
			v.example("%s was told of %d rooms and heard %q", s, len(s.rooms), s.heard)
		}
		for _, other := range s.heard {
			switch {
			case other == s.user:
				v.Self++
				v.example("%s heard himself", s)
			case last[s.user] == other:
				v.Again++
				v.example("%s met %s again", s, other)
			}
			last[s.user] = other
		}
	}
}

// judgeSeats looks at what became of those who were told of a room.
func (o *oracle) judgeSeats(v *judgment, now time.Duration) {
	walked := map[string]time.Duration{} // when the first of a room left
	for _, s := range o.stays {
		if s.walked > 0 {
			walked[s.rooms[0]] = s.walked
		}
	}
	for _, s := range o.stays {
		if s.refused > 0 && o.calm(s.ended, s.refused) == s.refused-s.ended {
			v.Refused++
			v.example("%s was refused his seat at %v", s, s.refused)
		}
		for _, at := range s.repeats {
			if o.calm(at-o.speaks, at) == o.speaks {
				v.Lost++
				v.example("%s said something that was not answered at %v", s, at)
			}
		}
		if len(s.rooms) == 0 || s.left {
			continue
		}
		if s.met == 0 && !s.lost {
			until := now
			if s.absent > 0 {
				until = s.absent
			}
			waited, bound := o.calm(s.ended, until), o.ghost
			if s.back > 0 {
				waited, bound = o.calm(s.back, until), o.held
			}
			if s.absent > 0 {
				v.Awaited = max(v.Awaited, s.absent-s.ended)
			}
			if s.absent > 0 || waited > bound { // else he may still come
				v.Ghosts++
				v.Longest = max(v.Longest, waited)
			}
			if waited > bound {
				v.Eternal++
				v.example("%s was told of a partner at %v, who had not come by %v", s, s.ended, until)
			}
		}
		if s.met == 0 {
			continue
		}
		v.Met++
		if at, ok := walked[s.rooms[0]]; ok && s.walked == 0 && s.bye == 0 && !s.lost && o.calm(at, now) > o.bye {
			v.Alone++
			v.example("%s was not told that his partner left at %v", s, at)
		}
	}
}

// judgeWaits looks for two who fitted and were not brought together.
func (o *oracle) judgeWaits(v *judgment, now time.Duration) {
	over := func(s *stay) time.Duration {
		if s.ended == 0 {
			return now
		}
		return s.ended
	}
	met := map[[2]string]bool{}
	for _, s := range o.stays {
		for _, other := range s.heard {
			met[[2]string{s.user, other}] = true
		}
	}
	byTime := slices.Clone(o.stays)
	slices.SortFunc(byTime, func(a, b *stay) int { return int(a.asked - b.asked) })
	for i, a := range byTime {
		for _, b := range byTime[i+1:] {
			if b.asked >= over(a) {
				break
			}
			if a.user == b.user || met[[2]string{a.user, b.user}] {
				continue
			}
			side := o.calm(o.fitFrom(a, b), min(over(a), over(b)))
			v.SideBySide = max(v.SideBySide, side)
			if side > o.fits {
				v.Stranded++
				v.example("%s and %s fitted and waited side by side for %v", a, b, side)
			}
		}
	}
}

// fitFrom is when two fit who both wait: tags that are not shared keep one from
// others until he has waited for a while.
func (o *oracle) fitFrom(a, b *stay) time.Duration {
	from := max(a.asked, b.asked)
	if slices.ContainsFunc(a.tags, func(tag string) bool { return slices.Contains(b.tags, tag) }) {
		return from
	}
	for _, s := range []*stay{a, b} {
		if len(s.tags) > 0 {
			from = max(from, s.asked+o.relax)
		}
	}
	return from
}

func (s *stay) String() string {
	return fmt.Sprintf("%s (on %s, tags %q, asked at %v)", s.user, s.node, s.tags, s.asked.Round(time.Millisecond))
}
