package match

import (
	"context"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// Serve implements Pool.
func (p *Memory) Serve(ctx context.Context) error {
	defer p.introducing.Wait()
	tick := time.NewTicker(tickEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			p.tick()
		case <-ctx.Done():
			for t := p.close(); t != nil; t = p.close() {
				t.Visitor.End(wire.ErrorShuttingDown)
			}
			return nil
		}
	}
}

// tick gives everybody whose time has come his moment, one after the other so
// that the lock is never held for long, and news to who is to have them.
func (p *Memory) tick() {
	p.mu.Lock()
	p.wheel.turn(p.now())
	p.mu.Unlock()
	for more := true; more; {
		var o outcome
		more = p.nextMoment(&o)
		o.probe()
		if o.ended != nil {
			o.ended.Visitor.End(wire.MatchTimeout)
		}
		if first, second := o.first, o.second; first != nil {
			p.introducing.Go(func() { p.letMeet(first, second) }) // Serve waits for it
		}
	}
	for {
		t, waiting := p.nextNews()
		if t == nil {
			return
		}
		t.Visitor.News(waiting)
	}
}

// letMeet introduces two who have both waited. It may take as long as the
// slower of them reads.
func (p *Memory) letMeet(first, second *Ticket) {
	if bereft := p.introduce(first, second); bereft != nil {
		p.again(bereft, false)
		p.Offer(bereft)
	}
}

// nextMoment takes a ticket whose time has come; false: there is none.
func (p *Memory) nextMoment(o *outcome) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.wheel.take()
	if t == nil {
		return false
	}
	now, m := p.now(), &t.memory
	if now >= m.deadline {
		p.move(t, ended)
		p.delist(t, now)
		o.ended = t
		return true
	}
	p.schedule(t, now)
	if m.state == waiting {
		p.comeForward(t, now)
		p.lookAround(t, now, o)
	}
	return true
}

// comeForward lets t stand where it may by now.
func (p *Memory) comeForward(t *Ticket, now time.Duration) {
	m := &t.memory
	switch {
	case m.spot != resting || now < m.notBefore:
	case p.isCrowded(m.crowd):
		p.hold(t, now, m.first)
	default:
		p.admit(t, now)
		p.line(t, now)
	}
	p.settle(m.crowd, now)
	if m.spot == held && m.stands == nil && now-m.since >= CrowdWait {
		p.enter(t, m.crowd, now)
	}
	if m.stands != nil && p.isOpen(t, now) {
		p.queues.open(t)
	}
}

// lookAround finds a partner for t, if it stands in queues and is here.
func (p *Memory) lookAround(t *Ticket, now time.Duration, o *outcome) {
	if t.memory.stands == nil {
		return
	}
	if w, _ := p.best(t, now, search); w == nil || !p.isHere(t, now, o) {
		return
	}
	w := p.seek(t, now, search, o)
	switch {
	case w == nil:
	case w.memory.order < t.memory.order:
		p.pair(w, t, now, o)
	default:
		p.pair(t, w, now, o)
	}
}

// nextNews is a ticket that is to be told how many wait; nil: none.
func (p *Memory) nextNews() (*Ticket, int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	for k := p.roll.head; k != nil && now-k.ticket.memory.told >= NewsEvery; k = p.roll.head {
		p.tell(k.ticket, now)
		if k.ticket.memory.state == waiting {
			return k.ticket, p.waiting
		}
	}
	return nil, 0
}

// tell writes down that t is told now how many wait.
func (p *Memory) tell(t *Ticket, now time.Duration) {
	t.memory.told, t.memory.greeted = now, true
	t.memory.roll.leave()
	p.roll.add(&t.memory.roll, t, false)
}

// close ends the pool, and takes one who waits out of it; nil: nobody is left.
func (p *Memory) close() *Ticket {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	k := p.roll.head
	if k == nil {
		return nil
	}
	p.move(k.ticket, ended)
	p.delist(k.ticket, p.now())
	return k.ticket
}
