//go:build redis && browser

package e2e

import (
	"context"
	"crypto/rand"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/natlab"
)

// friendsEach is how many wait for a friend at each node.
const friendsEach = 5

// friends are guests who wait at every node while something befalls the fleet, each
// for somebody of his own who comes to another node afterwards.
type friends struct {
	s      *siege
	first  []*guest // who wait
	second []*guest
	ctx    context.Context //nolint:containedctx // ends with the test
	all    sync.WaitGroup

	mu   sync.Mutex // guards the field below
	left map[string]bool
}

// friendsWait lets the first of each two come, and waits until he waits.
func (s *siege) friendsWait() *friends {
	s.t.Helper()
	f := &friends{s: s, left: map[string]bool{}}
	var cancel func()
	f.ctx, cancel = context.WithCancel(s.t.Context())
	s.t.Cleanup(func() {
		cancel()
		f.all.Wait()
	})
	for i := range friendsEach * len(s.nodes) {
		tag := rand.Text()
		one, other := s.newGuest(), s.newGuest()
		one.o, one.user, one.tags, one.bases = s.oracle, "one "+tag, []string{tag}, s.inTurn(i)
		other.o, other.user, other.tags, other.bases = s.oracle, "other "+tag, []string{tag}, s.inTurn(i+1)
		f.first, f.second = append(f.first, one), append(f.second, other)
		f.goes(one)
	}
	for _, g := range f.first {
		eventually(s.t, g.user+" waits", func() bool { return s.oracle.isWaiting(g.user) })
	}
	return f
}

// goes lets a guest come.
func (f *friends) goes(g *guest) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.left[g.user] = true
	f.all.Go(func() {
		if _, err := g.meets(f.ctx); err == nil {
			f.mu.Lock()
			defer f.mu.Unlock()
			delete(f.left, g.user)
		}
	})
}

// come lets the second of each two come.
func (f *friends) come() {
	for _, g := range f.second {
		f.goes(g)
	}
}

// meet waits until everybody has met his friend, or somebody else if he has waited
// for long, and returns how long after a time that is.
func (f *friends) meet(since time.Time) time.Duration {
	f.s.t.Helper()
	eventually(f.s.t, "friends meet", func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		return len(f.left) == 0
	})
	return time.Since(since)
}

// liveChat is a chat of two terminals, each of which the balancer leads to a node of
// its own.
type liveChat struct {
	t    *testing.T
	name string
	a, b *terminal
}

// chat lets two talk; the room's home is the first node.
func (s *siege) chat(name string, home, other int, flags ...string) {
	s.t.Helper()
	flags = append(flags, "--tag", rand.Text())
	c := &liveChat{t: s.t, name: fmt.Sprintf("%s chat, %s and %s", name, s.nodes[home].id, s.nodes[other].id)}
	c.a = openTerminal(s.t, s.lab.Client(natlab.SideA), append(flags, s.door(home))...)
	c.a.prints("waiting")
	c.b = openTerminal(s.t, s.lab.Client(natlab.SideB), append(flags, s.door(other))...)
	for _, term := range []*terminal{c.a, c.b} {
		term.prints("connected: ")
	}
	c.goesOn("at first")
	s.chats = append(s.chats, c)
}

// goesOn lets each say something that the other one hears.
func (c *liveChat) goesOn(when string) {
	c.t.Helper()
	began := time.Now()
	c.a.say("A says it " + when)
	c.b.say("B says it " + when)
	c.b.prints("stranger: A says it " + when)
	c.a.prints("stranger: B says it " + when)
	if took := time.Since(began); took > normalTime {
		c.t.Logf("%s: heard %v later, %s", c.name, took.Round(time.Millisecond), when)
	}
}
