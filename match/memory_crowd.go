package match

import (
	"net/netip"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/arrivals"
)

// crowd is the tickets of one subscriber address, and a crowd in the strict
// sense when they are more than PoolConfig.Crowd. Then only one of them at a
// time stands where it can meet everybody, and the next takes its place no
// sooner than CrowdTurn after it: whoever opens fifty sockets meets a few. The
// rest are held; after CrowdWait they may meet each other, for they may be a
// school behind one address, or the visitors of a proxy that the operator
// forgot to list.
type crowd struct {
	subscriber netip.Prefix
	size       int           // tickets, wherever they stand
	admitted   list          // may stand in the queues
	held       list          // may not; who is next at the head
	turn       time.Duration // when the next may be admitted
}

// isCrowded tells whether c is a crowd in the strict sense.
func (p *Memory) isCrowded(c *crowd) bool {
	return c != nil && p.cfg.Crowd > 0 && c.size > p.cfg.Crowd
}

// joinCrowd counts t with those of its address, which may come to count later.
func (p *Memory) joinCrowd(t *Ticket) {
	if !t.Addr.IsValid() {
		return
	}
	from := arrivals.Source(t.Addr)
	c := p.crowds[from]
	if c == nil {
		if n := len(p.spareCrowds); n > 0 {
			c, p.spareCrowds = p.spareCrowds[n-1], p.spareCrowds[:n-1]
		} else {
			c = new(crowd)
		}
		c.subscriber = from
		p.crowds[from] = c
	}
	c.size++
	t.memory.crowd = c
}

// leaveCrowd is the opposite of joinCrowd. The ticket stands nowhere any more.
func (p *Memory) leaveCrowd(t *Ticket, now time.Duration) {
	c := t.memory.crowd
	if c == nil {
		return
	}
	t.memory.crowd = nil
	if c.size--; c.size == 0 {
		delete(p.crowds, c.subscriber)
		c.turn = 0
		p.spareCrowds = append(p.spareCrowds, c)
		return
	}
	p.settle(c, now)
}

// admit lets t stand in the queues, as far as its address goes.
func (p *Memory) admit(t *Ticket, now time.Duration) {
	if c := t.memory.crowd; c != nil {
		c.admitted.add(&t.memory.mates, t, false)
		c.turn = now + CrowdTurn
	}
}

// hold keeps t until its turn, which is the next or the last.
func (p *Memory) hold(t *Ticket, now time.Duration, next bool) {
	t.memory.spot = held
	t.memory.crowd.held.add(&t.memory.mates, t, next)
	p.wake(t, now)
}

// settle makes true for c what its comment says. It is called whenever the
// tickets of c have changed, and when a turn is over.
func (p *Memory) settle(c *crowd, now time.Duration) {
	switch {
	case c == nil:
	case !p.isCrowded(c): // no crowd (any more)
		for c.held.head != nil {
			p.promote(c.held.head.ticket, now)
		}
	default:
		for last := c.admitted.tail; last != c.admitted.head; last = c.admitted.tail {
			p.lift(last.ticket, now)
			p.hold(last.ticket, now, true)
		}
		p.takeTurns(c, now)
	}
}

// takeTurns lets the next one of a crowd stand, or sees to it that this is
// done when its turn has come.
func (p *Memory) takeTurns(c *crowd, now time.Duration) {
	stands, next := c.admitted.head, c.held.head
	switch {
	case next == nil:
	case now < c.turn:
		p.wake(next.ticket, c.turn)
	default:
		if stands != nil {
			p.lift(stands.ticket, now)
			p.hold(stands.ticket, now, false)
		}
		p.promote(next.ticket, now)
	}
}

// promote lets one who is held stand in the queues.
func (p *Memory) promote(t *Ticket, now time.Duration) {
	p.lift(t, now)
	p.admit(t, now)
	p.line(t, now)
}

// user is one who has a ticket in the queues. His others, of further tabs,
// stand behind it: so nobody who does not fit him has to be looked for behind
// all of them.
type user struct {
	behind list
}

// line puts t in line: into the queues or, if there is one of its user, behind
// that. It looks around at the next tick.
func (p *Memory) line(t *Ticket, now time.Duration) {
	if u := p.users[t.User]; u != nil {
		t.memory.spot = behind
		u.behind.add(&t.memory.tabs, t, t.memory.first)
		return
	}
	var u *user
	if n := len(p.spareUsers); n > 0 {
		u, p.spareUsers = p.spareUsers[n-1], p.spareUsers[:n-1]
	} else {
		u = new(user)
	}
	p.users[t.User] = u
	p.enter(t, nil, now)
}

// vacate gives the place of a user's ticket to the next of his.
func (p *Memory) vacate(name string, now time.Duration) {
	u := p.users[name]
	if next := u.behind.head; next != nil {
		next.leave()
		p.enter(next.ticket, nil, now)
		return
	}
	delete(p.users, name)
	p.spareUsers = append(p.spareUsers, u)
}
