//go:build (redis && browser) || soak

package e2e

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"sync"
	"time"
)

// party is guests who come one after another.
type party struct {
	o      *oracle
	guests []*guest
	every  time.Duration // between two of them
	rest   time.Duration // so long after he has met somebody or has left, each comes again, until the party is over; 0: he does not

	mu   sync.Mutex     // guards the field below
	here map[string]int // tabs of each user who is not through
}

// mix is what guests are like, out of a hundred.
type mix struct {
	leave    int // leave while they wait
	tagged   int // say what they like
	seedlike int
	tabs     int // have a second tab, at another server
}

// usualMix is that of the crowd of a fleet: of a hundred 28 mean to leave while they
// wait, and ten or more do; the others have met somebody by then.
func usualMix() mix { return mix{leave: 28, tagged: 20, seedlike: 30, tabs: 2} }

const (
	likings = 100 // different tags

	// By then those have left who mean to leave while they wait: most wait for
	// somebody who likes the same, the others for whoever comes next.
	likersLeave    = 1500 * time.Millisecond
	impatientLeave = 5 * time.Millisecond
	impatient      = 20 // out of a hundred who leave
)

// newParty is n guests, who go to the servers in turn.
func newParty(o *oracle, n int, like mix, every time.Duration, at func(first int) []string, client func() *guest) *party {
	p := &party{o: o, every: every, here: map[string]int{}}
	for i := range n {
		g := client()
		g.o, g.user, g.bases = o, fmt.Sprintf("%d-%s", i, rand.Text()[:6]), at(i)
		leaves := chance(like.leave)
		switch {
		case leaves && chance(impatient):
			g.leaves = 1 + mathrand.N(impatientLeave)
		case leaves:
			g.leaves = 1 + mathrand.N(likersLeave)
		}
		g.seedlike = chance(like.seedlike) && g.leaves <= impatientLeave
		if g.leaves > impatientLeave || chance(like.tagged) && !g.seedlike {
			g.tags = []string{fmt.Sprintf("tag%d", mathrand.N(likings))}
		}
		p.guests = append(p.guests, g)
		if chance(like.tabs) {
			tab := *g
			tab.bases, tab.leaves = at(i+1), 0
			p.guests = append(p.guests, &tab)
		}
	}
	return p
}

func chance(percent int) bool { return mathrand.N(100) < percent }

// comes lets them all come, and waits until each is through. It returns the users
// who have met nobody and did not mean to leave: those who still waited when ctx
// ended, or when there was nobody else.
func (p *party) comes(ctx context.Context) (left []string) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for _, g := range p.guests {
		p.here[g.user]++
	}
	var all sync.WaitGroup
	pace := time.NewTicker(max(p.every, time.Microsecond))
	defer pace.Stop()
	for _, g := range p.guests {
		all.Go(func() { p.stays(ctx, g, cancel) })
		select {
		case <-pace.C:
		case <-ctx.Done():
		}
	}
	all.Wait()
	for user := range p.here {
		left = append(left, user)
	}
	return left
}

// stays is one guest at the party.
func (p *party) stays(ctx context.Context, g *guest, last func()) {
	name, visits := g.user, 0
	for {
		_, err := g.meets(ctx)
		if err != nil && !errors.Is(err, errLeft) {
			return // he stays until the end
		}
		if p.rest == 0 {
			break
		}
		rest := time.NewTimer(p.rest/2 + mathrand.N(p.rest))
		select {
		case <-rest.C:
		case <-ctx.Done():
			return
		}
		visits++
		g.user = fmt.Sprintf("%s+%d", name, visits) // for others have met him by now
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.here[g.user]--; p.here[g.user] == 0 {
		delete(p.here, g.user)
	}
	if len(p.here) <= 1 {
		time.AfterFunc(p.o.fits, last) // whoever it is has nobody to wait for
	}
}
