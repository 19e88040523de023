package redispool

import (
	"container/list"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/match"
)

// crowd is those at this node who come from one subscriber address; see
// match.Memory, which lets one at a time of more than PoolConfig.Crowd stand in
// the queues, as this does for each node.
type crowd struct {
	size     int
	admitted *list.List // of entries that may stand
	held     *list.List // and that may not; who is next at the front
	turn     time.Duration
	marked   bool // some may be marked as crowded
}

func (p *Pool) isCrowded(c *crowd) bool {
	return c != nil && p.rules.Crowd > 0 && c.size > p.rules.Crowd
}

func (p *Pool) joinCrowd(e *entry) {
	if !e.ticket.Addr.IsValid() {
		return
	}
	c := p.crowds[e.addr]
	if c == nil {
		c = &crowd{admitted: list.New(), held: list.New()}
		p.crowds[e.addr] = c
	}
	c.size++
	e.crowd = c
}

func (p *Pool) leaveCrowd(e *entry, now time.Duration) {
	c := e.crowd
	if c == nil {
		return
	}
	e.crowd, e.crowded = nil, false
	if c.size--; c.size == 0 {
		delete(p.crowds, e.addr)
		return
	}
	p.settle(c, now)
}

// enrol puts e on one of the lists of its crowd.
func (e *entry) enrol(l *list.List, front bool) {
	e.disenrol()
	if front {
		e.mate = l.PushFront(e)
	} else {
		e.mate = l.PushBack(e)
	}
	e.mates = l
}

func (e *entry) disenrol() {
	if e.mate != nil {
		e.mates.Remove(e.mate)
		e.mate, e.mates = nil, nil
	}
}

// admit lets e stand, as far as its address goes.
func (p *Pool) admit(e *entry, now time.Duration) {
	if c := e.crowd; c != nil {
		e.enrol(c.admitted, false)
		c.turn = now + match.CrowdTurn
	}
}

// hold keeps e until its turn, which is the next or the last.
func (p *Pool) hold(e *entry, now time.Duration, next bool) {
	p.put(e, kept)
	e.enrol(e.crowd.held, next)
	p.wake(e, now)
}

func front(l *list.List) *entry {
	if at := l.Front(); at != nil {
		return at.Value.(*entry)
	}
	return nil
}

// settle lets those of c stand who may, and no others. It is called whenever they
// have changed, and when a turn is over.
func (p *Pool) settle(c *crowd, now time.Duration) {
	switch {
	case c == nil:
	case !p.isCrowded(c):
		for e := front(c.held); e != nil; e = front(c.held) {
			p.promote(e, now)
		}
		for at := c.admitted.Front(); c.marked && at != nil; at = at.Next() {
			p.markCrowded(at.Value.(*entry), now)
		}
		c.marked = false
	default:
		c.marked = true
		for c.admitted.Len() > 1 {
			e := c.admitted.Back().Value.(*entry)
			p.lift(e, now)
			p.hold(e, now, true)
		}
		p.takeTurns(c, now)
		if e := front(c.admitted); e != nil {
			p.markCrowded(e, now)
		}
	}
}

// markCrowded sees to it that Redis knows whether e is one of a crowd: then those
// of its address at other nodes do not meet it before CrowdWait.
func (p *Pool) markCrowded(e *entry, now time.Duration) {
	if crowded := p.isCrowded(e.crowd); e.crowded != crowded {
		e.crowded = crowded
		p.wake(e, now)
		e.relook = now
	}
}

// takeTurns lets the next one of a crowd stand, or sees to it that this is done
// when its turn has come.
func (p *Pool) takeTurns(c *crowd, now time.Duration) {
	stands, next := front(c.admitted), front(c.held)
	switch {
	case next == nil:
	case now < c.turn:
		p.wake(next, c.turn)
	case stands != nil && (stands.life.stage == asking || stands.life.stage == promised):
		p.wake(next, now+askTime) // he may be about to meet somebody
	default:
		if stands != nil {
			p.lift(stands, now)
			p.hold(stands, now, false)
		}
		p.promote(next, now)
	}
}

// promote lets one who is held stand.
func (p *Pool) promote(e *entry, now time.Duration) {
	p.lift(e, now)
	p.admit(e, now)
	p.line(e, now)
}

// user is one who has a ticket that stands. His others, of further tabs, stand
// behind it: so nobody who does not fit him has to be looked for behind all of them.
type user struct {
	behind *list.List
}

// line lets e stand or, if there is one of its user, behind that.
func (p *Pool) line(e *entry, now time.Duration) {
	if u := p.users[e.user]; u != nil {
		p.put(e, behind)
		if e.first {
			e.tab = u.behind.PushFront(e)
		} else {
			e.tab = u.behind.PushBack(e)
		}
		return
	}
	p.users[e.user] = &user{behind: list.New()}
	p.stand(e, now)
}

// vacate gives the place of a user's ticket to the next of his.
func (p *Pool) vacate(name string, now time.Duration) {
	u := p.users[name]
	if u == nil {
		return
	}
	next := front(u.behind)
	if next == nil {
		delete(p.users, name)
		return
	}
	u.behind.Remove(next.tab)
	next.tab = nil
	p.stand(next, now)
}
