package redispool

import (
	"errors"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/match"
	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// Without Redis, who waits is lent to a match.Memory, which pairs those of this
// node with each other. It is given proxies: tickets of the pool's own, of which the
// entries stay the truth, so that whoever is taken back, has left or was told
// meanwhile is not there for it any more.

// forever is the MaxWait of the local pool: the entries keep their own deadlines.
const forever = 365 * 24 * time.Hour

func (p *Pool) forLocal(cfg match.PoolConfig) match.PoolConfig {
	cfg.MaxWait = forever
	cfg.RoomID = func(name string) string { // it makes two meet there: nobody is told yet
		id, relay := p.cfg.RoomID(name), p.cfg.Relay(name)
		p.cfg.Claim(id)
		p.mu.Lock()
		defer p.mu.Unlock()
		p.relays[name] = relay
		return id
	}
	return cfg
}

// proxy is the visitor of a ticket that is lent.
type proxy struct {
	pool  *Pool
	entry *entry
}

var errNotLent = errors.New("the ticket is not lent any more")

// Presence implements match.Visitor.
func (x *proxy) Presence() match.Presence { return x.entry.ticket.Visitor.Presence() }

// Probe implements match.Visitor.
func (x *proxy) Probe() { x.entry.ticket.Visitor.Probe() }

// News implements match.Visitor: the entry has its own.
func (x *proxy) News(int) {}

// End implements match.Visitor. Of time the entry has its own; else the pool closes,
// which ends the entry too.
func (x *proxy) End(string) {}

// Meet implements match.Visitor.
func (x *proxy) Meet(m match.Meeting) error {
	p, e := x.pool, x.entry
	p.mu.Lock()
	lent := e.life.stage == local
	m.Relay = p.relays[m.RoomName]
	if lent {
		p.happens(e, event{kind: met})
		delete(p.lent, e)
		if m.Side == wire.SideA {
			p.stats.Pairs++
			p.stats.Local++
		}
	}
	if m.Side == wire.SideB || !lent {
		delete(p.relays, m.RoomName)
	}
	p.unlock()
	if !lent {
		return errNotLent
	}
	m.Node, m.URL, m.PartnerNode = p.cfg.Node, p.cfg.URL, p.cfg.Node
	err := e.ticket.Visitor.Meet(m)
	if err != nil {
		p.mu.Lock()
		delete(p.relays, m.RoomName)
		p.end(e, p.now())
		p.unlock()
	}
	return err
}

// lend hands e to the local pool. mu is held.
func (p *Pool) lend(e *entry, now time.Duration) {
	p.lift(e, now)
	t := e.ticket
	e.proxy = &match.Ticket{
		Party: t.Party, Tags: t.Tags, Since: p.born.Add(e.since), First: e.head != 0 || e.first,
		RoomName: e.prepared(), Visitor: &proxy{p, e},
	}
	if e.notBefore != 0 {
		e.proxy.NotBefore = p.born.Add(e.notBefore)
	}
	p.lent[e] = struct{}{}
	p.todo.lends = append(p.todo.lends, e.proxy)
}

// takeBack gets those back who are lent, when there is Redis again.
func (p *Pool) takeBack() {
	for range takeBackRounds {
		if p.takeSomeBack() == 0 {
			return
		}
	}
}

// takeSomeBack takes some of them back, and tells how many. Who is about to be
// matched stays.
func (p *Pool) takeSomeBack() (taken int) {
	p.mu.Lock()
	var some []*entry
	if p.link == linked && !p.closed {
		for e := range p.lent {
			if len(some) == takeBackMost {
				break
			}
			some = append(some, e)
		}
	}
	p.unlock()
	for _, e := range some {
		if !p.local.Cancel(e.proxy) {
			continue // it is being told, or will lack its partner and be asked for again
		}
		taken++
		p.mu.Lock()
		delete(p.lent, e)
		if e.life.stage == local {
			p.happens(e, event{kind: up})
			p.reoffer(e, p.now())
		}
		p.unlock()
	}
	return taken
}
