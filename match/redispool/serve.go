package redispool

import (
	"context"
	"sync"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// Serve implements match.Pool.
func (p *Pool) Serve(ctx context.Context) error {
	inner, stop := context.WithCancel(context.WithoutCancel(ctx))
	var parts sync.WaitGroup
	defer func() {
		stop()
		parts.Wait()
		close(p.tellers.over)
		p.tells.Wait()
		p.giveUp(context.WithoutCancel(ctx))
	}()
	p.mu.Lock()
	p.since = p.now()
	p.mu.Unlock()
	parts.Go(func() { p.keep(inner) })
	parts.Go(func() { p.talk(inner) })
	parts.Go(func() { _ = p.local.Serve(inner) }) // it has no error

	tick := time.NewTicker(tickEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			p.tick()
		case <-ctx.Done():
			p.close(tick.C)
			return nil
		}
	}
}

// close tells everybody who waits, and gives those in the middle of a commit the
// time to end it.
func (p *Pool) close(tick <-chan time.Time) {
	deadline := p.now() + partTime
	p.mu.Lock()
	p.closed = true
	p.endAll(func(e *entry) bool { return e.hopes() })
	p.unlock()
	for p.now() < deadline && p.busy() {
		<-tick
		p.tick()
	}
	p.mu.Lock()
	p.endAll(func(*entry) bool { return true })
	p.unlock()
}

// giveUp lets the others know at once that this node has gone.
func (p *Pool) giveUp(ctx context.Context) {
	p.mu.Lock()
	owner, has := p.owner, p.link == linked
	p.mu.Unlock()
	if has {
		p.drop(ctx, owner)
	}
}

// endAll ends those for whom is is true. mu is held.
func (p *Pool) endAll(is func(e *entry) bool) {
	now := p.now()
	for _, e := range p.all() {
		if is(e) {
			p.end(e, now)
			p.todo.ended = append(p.todo.ended, ending{e.ticket.Visitor, wire.ErrorShuttingDown})
		}
	}
}

// busy tells whether something is to be said or heard yet.
func (p *Pool) busy() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.link == linked && len(p.entries)+len(p.letters)+len(p.withdrawals)+p.telling > 0
}

// tick gives everybody whose time has come his moment, so many at a time that the
// lock is never held for long.
func (p *Pool) tick() {
	const most = 64
	for more := true; more; {
		p.mu.Lock()
		now := p.now()
		for range most {
			if more = len(p.moments) > 0 && p.moments[0].due <= now; !more {
				break
			}
			p.moment(p.moments[0], now)
		}
		p.unlock()
	}
	p.takeBack()
}
