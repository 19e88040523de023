//go:build soak

package e2e

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/e2e/talkers/line"
)

// The bounds of what a ledger lets pass.
const (
	// carriesWithin is how long a message may take while nothing befalls its way: a
	// busy machine's time, for it takes milliseconds.
	carriesWithin = 3 * time.Second
	// resumesWithin is how long a chat may take to go on after a fault is over, and
	// two friends to meet.
	resumesWithin = 15 * time.Second
	// spoiledWithin is how long an attempt to talk takes to be given up that a fault has
	// spoiled after the two were matched and before their chat had begun.
	spoiledWithin = 30 * time.Second
)

// place is what a fault troubles, and what a chat depends on.
type place uint8

// The places.
const (
	networkA  place = 1 << iota // client A's network
	networkB                    // client B's
	atServer                    // the server, or the way to it
	newcomers                   // the server, for who is not connected
	nowhere   place = 0         // nobody may notice
	anywhere  place = 1<<iota - 1
)

// dialogue is two friends who meet and talk, and what the server is not to do to
// them. Times count from the ledger's birth; zero is never.
type dialogue struct {
	id     string
	kind   kind
	sides  [2]*speaker
	hushed bool          // both were told to be
	leaves time.Duration // one was told to
}

// speaker is one of the two.
type speaker struct {
	id        string
	asked     time.Duration // for the last time
	first     time.Duration // for the first time
	met       time.Duration
	path      string
	said      []utterance
	heard     []time.Duration // message i+1 of the other one
	delivered int
	deaf      []trouble
	ended     time.Duration // by somebody else
	parted    time.Duration // by himself, or because it has ended
	failures  int
}

// utterance is a message that was said.
type utterance struct {
	at     time.Duration
	direct bool // both believed that their path is
}

// misfortune is a trouble that troubles only some places.
type misfortune struct {
	trouble
	where place
}

// ledger is told all that happens to talkers, by themselves, and says which promises
// were broken. It knows nothing of the server.
type ledger struct {
	born time.Time

	mu          sync.Mutex // guards the fields below, and those of all dialogues
	dialogues   []*dialogue
	speakers    map[string]*dialogue
	misfortunes []misfortune
	broken      map[string][]string // promises, and what broke them
	failures    map[string]int      // by what was said of them
	resumed     []time.Duration     // after an interruption
	lost        map[string]time.Duration
}

func newLedger(born time.Time) *ledger {
	return &ledger{born: born, speakers: map[string]*dialogue{}, broken: map[string][]string{}, failures: map[string]int{}, lost: map[string]time.Duration{}}
}

func (l *ledger) now() time.Duration { return time.Since(l.born) }

// opens notes that two were told to talk.
func (l *ledger) opens(id string, k kind) *dialogue {
	l.mu.Lock()
	defer l.mu.Unlock()
	d := &dialogue{id: id, kind: k}
	for i, name := range []string{id + "a", id + "b"} {
		d.sides[i] = &speaker{id: name}
		l.speakers[name] = d
	}
	l.dialogues = append(l.dialogues, d)
	return d
}

// note changes something under the ledger's lock.
func (l *ledger) note(f func(now time.Duration)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f(l.now())
}

// befalls notes a fault.
func (l *ledger) befalls(from, to time.Time, where place) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.misfortunes = append(l.misfortunes, misfortune{trouble{from.Sub(l.born), to.Sub(l.born)}, where})
}

// breaks notes a broken promise; the ledger is locked.
func (l *ledger) breaks(promise, format string, args ...any) {
	l.broken[promise] = append(l.broken[promise], fmt.Sprintf(format, args...))
}

// finds notes one from elsewhere.
func (l *ledger) finds(promise, format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.breaks(promise, format, args...)
}

// side is which of the two somebody is.
func (d *dialogue) side(id string) (self, other *speaker) {
	if d.sides[0].id == id {
		return d.sides[0], d.sides[1]
	}
	return d.sides[1], d.sides[0]
}

// hears takes what a talker tells.
func (l *ledger) hears(n line.News) {
	l.mu.Lock()
	defer l.mu.Unlock()
	d := l.speakers[n.ID]
	if d == nil {
		l.breaks("the laboratory works", "news of %s, whom nobody knows", n.ID)
		return
	}
	self, other := d.side(n.ID)
	at := time.Unix(0, n.At).Sub(l.born)
	switch n.What {
	case line.Asks:
		self.asked = at
		if self.first == 0 {
			self.first = at
		}
	case line.Met:
		self.met, self.path = at, n.Path
	case line.Path:
		self.path = n.Path
	case line.Said:
		direct := self.path == "direct" && other.path == "direct"
		self.said = append(self.said, utterance{at, direct})
	case line.Heard:
		l.heard(d, self, other, n, at)
	case line.Delivered:
		l.delivered(self, other, n.N)
	case line.Interrupted:
		l.lost[n.ID] = at
	case line.Restored:
		l.resumed = append(l.resumed, at-l.lost[n.ID])
	case line.Left, line.Lost:
		self.ended = at
		if d.leaves == 0 {
			l.breaks("live chats are not cut", "%s of %s: %s at %v, and nobody had left", n.ID, d.kind, n.What, at)
		}
	case line.Failed:
		self.failures++
		l.failures[n.Why]++
	case line.Reported:
		if n.Why != "" {
			l.failures["report: "+n.Why]++
		}
	case line.Parted:
		self.parted = at
	}
}

// heard holds a message to its number: each is heard once, in order, by the right one.
func (l *ledger) heard(d *dialogue, self, other *speaker, n line.News, at time.Duration) {
	next := len(self.heard) + 1
	switch {
	case n.From != other.id:
		l.breaks("nobody is matched with two, or with himself", "%s heard %q, and talks with %s", self.id, n.From, other.id)
	case n.N < next:
		l.breaks("messages arrive once", "%s heard %d of %s again at %v", self.id, n.N, other.id, at)
	case n.N > next:
		l.breaks("messages arrive in order, and none is lost", "%s heard %d of %s at %v, and %d comes next (%s)", self.id, n.N, other.id, at, next, d.kind)
	}
	if n.From == other.id && n.N >= next {
		for len(self.heard) < n.N {
			self.heard = append(self.heard, at)
		}
	}
}

func (l *ledger) delivered(self, other *speaker, n int) {
	if n > len(other.heard) {
		// The line of the other process may be on its way: judged in the end.
		self.delivered = max(self.delivered, n)
		return
	}
	self.delivered = max(self.delivered, n)
}

// isQuiet tells whether all has arrived that the two have said.
func (l *ledger) isQuiet(d *dialogue) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return d.over() || len(d.sides[0].heard) >= len(d.sides[1].said) && len(d.sides[1].heard) >= len(d.sides[0].said)
}

// over tells whether the chat has ended, on either side.
func (d *dialogue) over() bool {
	return slices.ContainsFunc(d.sides[:], func(s *speaker) bool { return s.ended > 0 || s.parted > 0 })
}

// live counts chats that go on, and have since a time.
func (l *ledger) live(since time.Duration) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, d := range l.dialogues {
		a, b := d.sides[0].met, d.sides[1].met
		if a > 0 && b > 0 && max(a, b) <= since && d.leaves == 0 && !d.over() {
			n++
		}
	}
	return n
}
