//go:build soak

package e2e

import (
	"context"
	"crypto/rand"
	"fmt"
	mathrand "math/rand/v2"
	"sync"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/e2e/talkers/line"
)

// kind is of a chat.
type kind string

// The kinds of chats.
const (
	direct     kind = "direct"
	relayed    kind = "relayed"
	relayedTCP kind = "relayed by TCP"
)

// needs is what chats of a kind depend on.
func (k kind) needs() place {
	if k == relayedTCP {
		return networkA | atServer
	}
	return networkA | networkB | atServer
}

// Who comes.
const (
	chatsEach  = 3 // of each kind, who come and go
	eternal    = 1 // of each kind, who stay until all go
	chatMean   = 40 * time.Second
	chatMost   = 3 * time.Minute
	chatRest   = 3 * time.Second // mean, between two chats of a place
	saysEvery  = 500 * time.Millisecond
	deafMost   = 5 * time.Second
	politeWait = 40 * time.Second // until all has arrived that was said: longer than any fault

	guestEvery  = 700 * time.Millisecond // mean
	friendMean  = 5 * time.Second        // until the second of two friends comes
	guestLeaves = 20                     // out of a hundred
)

// people are all who come to the server of a soak: they arrive as a Poisson process
// does, and stay for times of an exponential distribution, seeded.
type people struct {
	s *soak

	mu     sync.Mutex // guards the fields below
	rng    *mathrand.Rand
	chats  int
	visits int
}

func newPeople(s *soak, seed uint64) *people {
	return &people{s: s, rng: mathrand.New(mathrand.NewPCG(seed, 2))}
}

// exponential draws a time of that mean, bounded.
func (p *people) exponential(mean, most time.Duration) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return min(most, time.Duration(p.rng.ExpFloat64()*float64(mean)))
}

func (p *people) chance(percent int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.rng.IntN(100) < percent
}

// come lets people come and go until ctx ends, and some stay until then. It waits until
// all have gone.
func (p *people) come(ctx context.Context) {
	var all sync.WaitGroup
	defer all.Wait()
	for _, k := range []kind{direct, relayed, relayedTCP} {
		for range eternal {
			all.Go(func() { p.chat(ctx, k, 0) })
		}
		for range chatsEach {
			all.Go(func() {
				for p.rests(ctx, p.exponential(chatRest, chatMean)) {
					p.chat(ctx, k, p.exponential(chatMean, chatMost))
				}
			})
		}
	}
	for p.rests(ctx, p.exponential(guestEvery, chatMean)) {
		p.mu.Lock()
		p.visits++
		i := p.visits
		p.mu.Unlock()
		all.Go(func() { p.visit(ctx, i) })
	}
}

// rests lets time pass; false: ctx has ended.
func (p *people) rests(ctx context.Context, d time.Duration) bool {
	rest := time.NewTimer(d)
	defer rest.Stop()
	select {
	case <-rest.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// chat is two who talk for a time, 0: until ctx ends. One leaves in the midst of it,
// or both after all has arrived that they have said.
func (p *people) chat(ctx context.Context, k kind, lasts time.Duration) {
	s := p.s
	p.mu.Lock()
	p.chats++
	id := fmt.Sprint(p.chats)
	p.mu.Unlock()
	d, crews := s.ledger.opens(id, k), [2]*crew{s.a, s.b}
	if k == relayedTCP {
		crews[1] = s.tcp
	}
	tag := rand.Text()
	for i, c := range crews {
		c.tell(line.Order{Do: line.Talk, ID: d.sides[i].id, URL: soakSite, Tag: tag, Relay: k == relayed, Mark: soakMark, Every: line.Duration(saysEvery)})
	}
	stays, cancel := ctx, func() {}
	if lasts > 0 {
		stays, cancel = context.WithTimeout(ctx, lasts)
	}
	defer cancel()
	if p.chance(30) && p.rests(stays, lasts/3) {
		p.bothers(d, crews)
	}
	<-stays.Done()
	polite := lasts == 0 || ctx.Err() != nil || p.chance(50)
	if polite {
		for i, c := range crews {
			c.tell(line.Order{Do: line.Hush, ID: d.sides[i].id})
		}
		p.hears(ctx, d)
	}
	s.ledger.note(func(now time.Duration) { d.leaves, d.hushed = now, polite })
	crews[0].tell(line.Order{Do: line.Leave, ID: d.sides[0].id})
	if d.sides[1].met == 0 { // nobody will tell him
		crews[1].tell(line.Order{Do: line.Leave, ID: d.sides[1].id})
	}
	p.parts(ctx, d, crews)
}

// bothers lets one of two be deaf for a while, or complain about the other one.
func (p *people) bothers(d *dialogue, crews [2]*crew) {
	if p.chance(50) {
		crews[0].tell(line.Order{Do: line.Report, ID: d.sides[0].id})
		return
	}
	lasts := p.exponential(deafMost/2, deafMost)
	p.s.ledger.note(func(now time.Duration) {
		d.sides[1].deaf = append(d.sides[1].deaf, trouble{now, now + lasts + carriesWithin})
	})
	crews[1].tell(line.Order{Do: line.Deaf, ID: d.sides[1].id, For: line.Duration(lasts)})
}

// hears waits until all has arrived.
func (p *people) hears(ctx context.Context, d *dialogue) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), politeWait)
	defer cancel()
	for p.rests(ctx, saysEvery) && !p.s.ledger.isQuiet(d) {
		continue
	}
}

// parts waits until both have gone, and sends the second one away whom nobody tells
// that he is alone: the ledger knows since when he was.
func (p *people) parts(ctx context.Context, d *dialogue, crews [2]*crew) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), politeWait)
	defer cancel()
	gone := func() (gone bool) {
		p.s.ledger.note(func(time.Duration) { gone = d.sides[0].parted > 0 && d.sides[1].parted > 0 })
		return gone
	}
	for !gone() && p.rests(ctx, saysEvery) {
		continue
	}
	crews[1].tell(line.Order{Do: line.Leave, ID: d.sides[1].id})
}

// visit is one who looks for anybody and may leave before, or two who wait for one
// another, of whom the second comes later. They are guests: they have no browser.
func (p *people) visit(ctx context.Context, i int) {
	one := p.s.newGuest(fmt.Sprintf("guest %d", i))
	one.seedlike = p.chance(30)
	if p.chance(60) {
		if p.chance(guestLeaves) {
			one.leaves = 1 + p.exponential(likersLeave, likersLeave)
		}
		p.meets(ctx, one)
		return
	}
	other := p.s.newGuest(fmt.Sprintf("friend of guest %d", i))
	one.tags = []string{rand.Text()}
	other.tags = one.tags
	var both sync.WaitGroup
	defer both.Wait()
	both.Go(func() { p.meets(ctx, one) })
	if p.rests(ctx, p.exponential(friendMean, chatMost)) {
		p.meets(ctx, other)
	}
}

// meets lets a guest meet somebody, or go home when ctx ends.
func (p *people) meets(ctx context.Context, g *guest) {
	if _, err := g.meets(ctx); err != nil && ctx.Err() != nil {
		p.s.guests.goes(g.user)
	}
}
