package redispool

import (
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/match"
	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// enlist lets e hope: it has moments, and counts with those of its address.
func (p *Pool) enlist(e *entry, now time.Duration) {
	if e.enlisted {
		return
	}
	t := e.ticket
	if e.deadline == 0 { // never seen before
		e.since, e.first = now, t.First
		if !t.Since.IsZero() {
			e.since = t.Since.Sub(p.born)
		}
		if !t.NotBefore.IsZero() {
			e.notBefore = t.NotBefore.Sub(p.born)
		}
		e.deadline = e.since + p.rules.MaxWait
	}
	e.enlisted, e.told = true, now
	p.entries[e.conn] = e
	p.joinCrowd(e)
	p.schedule(e, now)
}

// delist forgets e.
func (p *Pool) delist(e *entry, now time.Duration) {
	if !e.enlisted {
		return
	}
	e.enlisted = false
	delete(p.entries, e.conn)
	p.moments.drop(e)
	p.lift(e, now)
	p.leaveCrowd(e, now)
}

// arrive lets e stand where it may.
func (p *Pool) arrive(e *entry, now time.Duration) {
	switch {
	case now < e.notBefore:
		p.put(e, resting)
	case p.isCrowded(e.crowd):
		p.hold(e, now, e.first)
		p.settle(e.crowd, now)
	default:
		p.admit(e, now)
		p.line(e, now)
	}
}

// stand offers e to Redis.
func (p *Pool) stand(e *entry, now time.Duration) {
	p.put(e, standing)
	e.opened = p.isOpen(e, now)
	if e.crowded = p.isCrowded(e.crowd); e.crowded {
		e.crowd.marked = true
	}
	if e.life.stage == arriving {
		p.happens(e, event{kind: offered})
	}
}

// isOpen tells whether e meets somebody without a shared tag.
func (p *Pool) isOpen(e *entry, now time.Duration) bool {
	return len(e.tags) == 0 || now-e.since >= p.rules.TagWait
}

// lift takes e from where it stands, without the consequences for others of its
// address.
func (p *Pool) lift(e *entry, now time.Duration) {
	was := e.spot
	p.put(e, nowhere)
	e.disenrol()
	if e.tab != nil {
		p.users[e.user].behind.Remove(e.tab)
		e.tab = nil
	}
	if was != standing && !e.among {
		return
	}
	p.happens(e, event{kind: stepsBack}) // it hopes on, elsewhere
	e.looked, e.among, e.relook, e.repair = false, false, 0, 0
	if was == standing {
		p.vacate(e.user, now)
	}
}

// withdraw takes out what stands of e in Redis: the ticket too, or only what is
// left of it in queues.
func (p *Pool) withdraw(e *entry, whole bool) {
	if p.link != linked {
		return // another lease will be taken, under which it does not stand
	}
	queues := e.queues()
	if !whole && len(queues) == 1 {
		return // the script has taken it out of that
	}
	if len(p.withdrawals) == maxWithdrawals {
		return // who meets it there is told that it is gone
	}
	n := name{Node: p.cfg.Node, Epoch: p.epoch, Conn: e.conn}
	p.withdrawals = append(p.withdrawals, withdrawal{ticket: n.ticket(), whole: whole, queues: queues})
	p.kick()
}

// wake sees to it that e has a moment at a time, if not before.
func (p *Pool) wake(e *entry, at time.Duration) {
	if e.enlisted && (e.index < 0 || at < e.due) {
		p.moments.set(e, at)
	}
}

// schedule sets the next moment of e's own life.
func (p *Pool) schedule(e *entry, now time.Duration) {
	if !e.enlisted {
		return
	}
	next := e.told + match.NewsEvery
	for _, at := range [...]time.Duration{
		e.deadline, e.notBefore, e.since + p.rules.TagWait, e.since + match.CrowdWait, e.relook, e.repair, e.commit,
	} {
		if now < at && at < next {
			next = at
		}
	}
	if next <= now || e.relook != 0 && e.relook <= now { // its offer is on its way
		next = now + tickEvery
	}
	p.moments.set(e, next)
}

// moment is what e's time brings.
func (p *Pool) moment(e *entry, now time.Duration) {
	switch {
	case e.commit != 0 && now >= e.commit:
		e.commit = 0
		kind := nackDue
		if e.life.stage == promised {
			kind = promiseDue
		}
		p.happens(e, event{kind: kind, generation: e.life.generation})
	case e.hopes() && now >= e.deadline:
		p.end(e, now)
		p.stats.Ended++
		p.todo.ended = append(p.todo.ended, ending{e.ticket.Visitor, wire.MatchTimeout})
		return
	}
	if e.repair != 0 && now >= e.repair {
		e.repair = 0
		p.happens(e, event{kind: lacking, generation: e.life.generation})
	}
	p.comeForward(e, now)
	if e.waits() && now-e.told >= match.NewsEvery {
		p.inform(e, now)
	}
	p.schedule(e, now)
}

// inform notes that e is to be told how many wait.
func (p *Pool) inform(e *entry, now time.Duration) {
	e.told, e.greeted = now, true
	p.todo.news = append(p.todo.news, e.ticket.Visitor)
}

// comeForward lets e stand where it may by now, and look around.
func (p *Pool) comeForward(e *entry, now time.Duration) {
	if e.spot == resting && now >= e.notBefore {
		p.put(e, nowhere)
		p.arrive(e, now)
	}
	p.settle(e.crowd, now)
	if e.spot == kept && !e.among && e.life.stage == arriving && now-e.since >= match.CrowdWait {
		e.among, e.opened = true, p.isOpen(e, now)
		p.happens(e, event{kind: offered})
	}
	if e.spot != standing && !e.among {
		return
	}
	open := p.isOpen(e, now)
	switch {
	case open && !e.opened:
		e.opened, e.relook = true, now
	case e.opened && !open && e.life.stage == waiting: // TagWait has become longer
		p.withdraw(e, true)
		e.opened = false
		p.happens(e, event{kind: lacking, generation: e.life.generation})
	}
	if e.relook != 0 && now >= e.relook && e.life.stage == waiting {
		e.relook = 0
		p.call(e)
	}
}

// end takes e out of the pool for good.
func (p *Pool) end(e *entry, now time.Duration) {
	if e.life.stage == local {
		delete(p.lent, e)
		p.todo.unlends = append(p.todo.unlends, e.proxy)
	}
	p.happens(e, event{kind: left})
	p.delist(e, now)
}
