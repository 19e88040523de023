package redispool

import (
	"context"
	"maps"
	"slices"
	"time"
)

// keep takes a lease and renews it until ctx ends, and gives it up then.
func (p *Pool) keep(ctx context.Context) {
	listening := func() {}
	defer func() { listening() }()
	for ctx.Err() == nil {
		wait := joinEvery
		if p.linked() {
			if p.renew(ctx) {
				wait = p.nextLease()
			} else {
				wait = 0
			}
		}
		if !p.linked() {
			listening()
			listening = func() {}
			if owner, ok := p.join(ctx); ok {
				listening = p.listening(ctx, owner)
				wait = p.nextLease()
			}
		}
		pause := time.NewTimer(wait)
		select {
		case <-pause.C:
		case <-p.hurry:
		case <-ctx.Done():
		}
		pause.Stop()
	}
}

// nextLease is when to renew the lease. A new one soon, to learn who else has one.
func (p *Pool) nextLease() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.said) > 0 && p.now()-p.since < promiseTime {
		return joinEvery
	}
	return leaseEvery
}

// listening starts to read an inbox. What it returns ends that.
func (p *Pool) listening(ctx context.Context, owner string) (end func()) {
	ctx, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() { defer close(done); p.listen(ctx, owner) }() // waited for in end
	return func() { stop(); <-done }
}

func (p *Pool) linked() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.link == linked
}

// join takes a lease under a new epoch.
func (p *Pool) join(ctx context.Context) (owned string, ok bool) {
	p.mu.Lock()
	before := p.held
	p.epoch = max(p.epoch+1, uint64(time.Now().UnixMicro())) // greater than any before, of an earlier process too
	p.owner = owner(p.cfg.Node, p.epoch)
	call := leaseCall{owner: p.owner, how: takeLease, waiting: p.waiting}
	p.unlock()

	if before != "" {
		p.drop(ctx, before)
	}
	asked := p.now()
	reply, err := p.store.lease(ctx, call)
	p.mu.Lock()
	defer p.unlock()
	now := p.now()
	if err != nil || reply.lost {
		if p.link == joining && now-p.since >= joinTime {
			p.goAlone(now)
		}
		return "", false
	}
	p.held = p.owner
	p.link, p.since, p.read = linked, now, "0"
	p.origin = reply.now - asked.Microseconds() // nobody seems to have waited longer than he has
	p.stats.Epochs++
	p.learn(&reply, true)
	p.cfg.Log.Info("the pool has a lease", "nodes", p.nodes+1)
	p.kick()
	return p.owner, true
}

// drop gives up a lease: its tickets and its inbox are void at once.
func (p *Pool) drop(ctx context.Context, owner string) {
	_, _ = p.store.lease(ctx, leaseCall{owner: owner, how: dropLease}) // it runs out by itself
}

// renew renews the lease, and tells whether there still is one.
func (p *Pool) renew(ctx context.Context) bool {
	p.mu.Lock()
	call := leaseCall{owner: p.owner, how: renewLease, waiting: p.waiting, read: p.read, missed: p.missing()}
	p.unlock()

	asked := p.now()
	reply, err := p.store.lease(ctx, call)
	p.mu.Lock()
	defer p.unlock()
	now := p.now()
	switch {
	case ctx.Err() != nil:
		return true
	case err != nil || reply.lost:
		p.unlink(now)
		return false
	}
	p.origin = min(max(p.origin, reply.now-now.Microseconds()), reply.now-asked.Microseconds())
	p.learn(&reply, false)
	return true
}

// learn takes what a lease call brought.
func (p *Pool) learn(r *leaseReply, anew bool) {
	p.nodes, p.others = len(r.owners), r.waiting
	p.sayAgain(r.owners, anew)
	if len(r.lacking) == 0 {
		return
	}
	now := p.now()
	for _, ticket := range r.lacking {
		n, err := parseName(ticket + ":" + generation(0))
		if e := p.entries[n.Conn]; err == nil && e != nil && p.isMine(n) && e.life.stage == waiting && e.repair == 0 {
			e.repair = now + repairTime
			p.wake(e, e.repair)
		}
	}
}

// missing is the next of those tickets that Redis ought to have, in turns.
func (p *Pool) missing() (tickets []string) {
	for range min(missedMost, len(p.moments)) {
		p.missed = (p.missed + 1) % len(p.moments)
		if e := p.moments[p.missed]; e.life.stage == waiting {
			tickets = append(tickets, p.name(e, 0).ticket())
		}
	}
	return tickets
}

// unlink gives up the lease: it has run out, Redis does not know it, or an answer
// is missing. Who waits is offered again under the next one. mu is held.
func (p *Pool) unlink(now time.Duration) {
	if p.link != linked {
		return
	}
	p.link, p.since = joining, now
	p.others, p.nodes = 0, 0
	p.withdrawals, p.strangers, p.letters = nil, nil, nil
	for _, e := range p.all() {
		if e.life.stage == promised {
			continue // its partner may say again that he comes
		}
		e.repair, e.relook = 0, 0
		p.happens(e, event{kind: newEpoch})
	}
	poke(p.hurry)
}

// goAlone lets the local pool pair who waits. mu is held.
func (p *Pool) goAlone(now time.Duration) {
	p.link, p.since = alone, now
	p.calls = nil
	for _, e := range p.all() {
		e.called = false
		switch {
		case e.life.stage == offering || e.life.stage == waiting:
			p.happens(e, event{kind: down})
		case e.life.stage == arriving && e.spot != nowhere:
			p.happens(e, event{kind: offered})
		}
	}
	p.cfg.Log.Warn("redis cannot be reached: the pool pairs the visitors of this node only")
}

// all are the entries, who came first at first.
func (p *Pool) all() []*entry {
	return slices.SortedFunc(maps.Values(p.entries), func(a, b *entry) int { return int(a.conn) - int(b.conn) })
}

// watch is told whether there is Redis.
func (p *Pool) watch(up bool) {
	if !up {
		p.mu.Lock()
		if now := p.now(); p.link == linked {
			p.unlink(now)
			p.goAlone(now)
		} else if p.link == joining {
			p.goAlone(now)
		}
		p.unlock()
	}
	poke(p.hurry)
}

// listen reads the inbox of an epoch until ctx ends.
func (p *Pool) listen(ctx context.Context, owner string) {
	after := "0"
	for ctx.Err() == nil {
		letters, last, err := p.store.read(ctx, owner, after)
		if err != nil && ctx.Err() == nil {
			pause := time.NewTimer(joinEvery)
			select {
			case <-pause.C:
			case <-ctx.Done():
			}
			pause.Stop()
		}
		for _, text := range letters {
			p.hear(text)
		}
		if after = last; len(letters) > 0 {
			p.mu.Lock()
			if p.owner == owner {
				p.read = last
			}
			p.mu.Unlock()
		}
	}
}

// hear takes one letter as it was found in the inbox.
func (p *Pool) hear(text string) {
	if text == "" { // with which an inbox begins
		return
	}
	l, err := parseLetter(text)
	p.mu.Lock()
	if err != nil {
		p.stats.Dropped++
	} else {
		p.receive(&l)
	}
	p.unlock()
}
