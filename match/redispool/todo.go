package redispool

import (
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/match"
	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// todo is what is to be said and done once the lock is given back.
type todo struct {
	ended   []ending
	news    []match.Visitor
	probes  []match.Visitor
	pairs   []pair
	lends   []*match.Ticket // proxies, to be offered to the local pool
	unlends []*match.Ticket // and to be taken out of it
}

type ending struct {
	visitor match.Visitor
	reason  string
}

// pair is two, or one of two, who are to be told of a meeting. The first has
// waited; the other is nil if he is another node's.
type pair struct {
	first, second *entry
	meeting       match.Meeting // as the first is told of it or, without him, the second
	other         match.Party   // whom the second meets, if both are here
	commit        name          // without the first: who is to hear that the second was told
	self          name          // and who that is
}

// unlock gives back the lock, and does what is to be done then. Nothing of it
// waits but what has a goroutine of its own.
func (p *Pool) unlock() {
	t := p.todo
	p.todo = todo{}
	waiting := p.waiting + p.others
	p.telling += len(t.pairs)
	p.mu.Unlock()
	for _, v := range t.probes {
		v.Probe()
	}
	for _, e := range t.ended {
		e.visitor.End(e.reason)
	}
	for _, v := range t.news {
		v.News(waiting)
	}
	for _, pair := range t.pairs {
		p.tell(pair)
	}
	for _, proxy := range t.lends {
		p.local.Offer(proxy)
	}
	for _, proxy := range t.unlends {
		p.local.Cancel(proxy)
	}
}

// introduce tells one or two of their meeting. It may take as long as the slower of
// them reads.
func (p *Pool) introduce(x pair) {
	m := x.meeting
	switch {
	case x.second == nil: // C has come: the other was told
		if x.first.ticket.Visitor.Meet(m) != nil {
			p.lose(x.first)
		}
	case x.first == nil:
		kind := letterCommit
		if x.second.ticket.Visitor.Meet(m) != nil {
			kind = letterRefuse
			p.lose(x.second)
		}
		p.mu.Lock()
		p.say(&letter{kind: kind, to: x.commit, from: x.self})
		p.unlock()
	case x.first.ticket.Visitor.Meet(m) != nil: // he is gone, and the other has lost nothing
		p.lose(x.first)
		p.mu.Lock()
		p.strange(x.second.user, x.first.user)
		if x.second.life.stage == told {
			p.happens(x.second, event{kind: returned})
			x.second.first = true
			now := p.now()
			p.enlist(x.second, now)
			p.reoffer(x.second, now)
		}
		p.unlock()
	default:
		m.Side, m.Partner = wire.SideB, x.other
		_ = x.second.ticket.Visitor.Meet(m) // who cannot be told is gone; the room notices
	}
}

// reoffer offers somebody whom the pool itself has taken back.
func (p *Pool) reoffer(e *entry, now time.Duration) {
	switch {
	case p.closed:
		p.end(e, now)
		p.todo.ended = append(p.todo.ended, ending{e.ticket.Visitor, wire.ErrorShuttingDown})
	case p.link == alone:
		p.happens(e, event{kind: offered})
	default:
		p.arrive(e, now)
	}
}

// lose takes out one who could not be told.
func (p *Pool) lose(e *entry) {
	p.mu.Lock()
	p.end(e, p.now())
	p.unlock()
}

// strange takes back that two users have met.
func (p *Pool) strange(a, b string) {
	if b == "" || p.rules.Avoid == 0 || len(p.strangers) == maxStrangers {
		return
	}
	if a > b {
		a, b = b, a
	}
	p.strangers = append(p.strangers, a+b)
	p.kick()
}
