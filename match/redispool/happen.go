package redispool

import (
	"slices"
	"strings"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/match"
	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// happens lets an event happen to e, and does what follows from it. mu is held.
func (p *Pool) happens(e *entry, ev event) {
	p.heard(e, ev, nil)
}

// heard is happens for an event that a letter brings.
func (p *Pool) heard(e *entry, ev event, l *letter) {
	was := e.life
	is, act := was.next(ev)
	e.life = is
	p.count(e)
	now := p.now()
	self := p.name(e, was.generation)
	if was.stage == asking && is.stage != asking && is.stage != told {
		p.strange(e.user, e.partner)
	}
	if was.stage == promised && is.stage != promised && is.stage != told && ev.kind != refuse {
		e.burnt = true // the other may be in that room
	}
	if is.stage != asking && is.stage != promised {
		e.commit = 0
	}
	if act&withdraw != 0 {
		p.withdraw(e, true)
	}
	if act&sayYes != 0 {
		p.promise(e, l)
		y := &letter{kind: letterYes, to: ev.from, from: self, room: e.room, guest: *e.asGuest()}
		p.withdraw(e, false)
		defer p.post(y)
	}
	if act&sayNo != 0 {
		defer p.post(&letter{kind: letterNo, to: ev.from, from: self})
	}
	if act&sayRefuse != 0 {
		defer p.say(&letter{kind: letterRefuse, to: ev.from, from: self})
	}
	if act&armNack != 0 {
		e.commit = now + askTime
		p.wake(e, e.commit)
	}
	if act&armPromise != 0 {
		e.commit = now + promiseTime
		p.wake(e, e.commit)
	}
	if act&tell != 0 {
		p.told(e, ev, l, self, now)
	}
	if act&rest != 0 && ev.kind != returned {
		p.rest(e, now)
	}
	if act&offer != 0 {
		p.offered(e, ev.kind, now)
	}
	if act&toLocalPool != 0 {
		p.lend(e, now)
	}
}

// name is e's, under one of its generations.
func (p *Pool) name(e *entry, generation uint32) name {
	return name{Node: p.cfg.Node, Epoch: p.epoch, Conn: e.conn, Generation: generation}
}

// rest takes e from where it stands until its visitor rests.
func (p *Pool) rest(e *entry, now time.Duration) {
	p.lift(e, now)
	e.first = true
	p.settle(e.crowd, now)
	if e.ticket.Visitor.Presence() == match.Silent {
		p.todo.probes = append(p.todo.probes, e.ticket.Visitor)
	}
}

// offered puts e's offer on its way.
func (p *Pool) offered(e *entry, why eventKind, now time.Duration) {
	switch why {
	case no, nackDue, refuse, promiseDue:
		e.first = true
		p.stats.Reoffers++
	case lacking:
		p.stats.Lacking++
		p.stats.Reoffers++
	case unanswered, newEpoch:
		p.stats.Reoffers++
	}
	switch why {
	case no:
		p.stats.Nacks++
	case nackDue, promiseDue:
		p.stats.Unanswered++
	}
	e.looked, e.page = false, 0
	if e.first {
		p.heads = max(p.heads+time.Microsecond, now)
		e.head, e.first = p.heads, false
	}
	switch {
	case p.closed:
		p.end(e, now)
		p.todo.ended = append(p.todo.ended, ending{e.ticket.Visitor, wire.ErrorShuttingDown})
	case p.link == alone:
		p.happens(e, event{kind: down})
	default:
		p.call(e)
	}
}

// call puts e among those who are to be offered, or to look around.
func (p *Pool) call(e *entry) {
	if !e.called {
		e.called = true
		p.calls = append(p.calls, e)
	}
	p.kick()
}

// promise is what e's node decides when e says yes: where the two meet.
func (p *Pool) promise(e *entry, m *letter) {
	r := venue{name: e.prepared(), url: p.cfg.URL, at: time.Now()}
	if r.name == "" {
		r.name = p.cfg.RoomName()
	}
	r.id, r.relay = p.cfg.RoomID(r.name), p.cfg.Relay(r.name)
	e.room, e.guest = r, m.guest
	p.cfg.Claim(r.id)
}

// meeting is what one of the two is told.
func (p *Pool) meeting(e *entry, r *venue, partner *guest, side wire.Side, home, theirs string) match.Meeting {
	first, second := e.tags, partner.tags
	if side == wire.SideB {
		first, second = second, first
	}
	return match.Meeting{
		RoomName: r.name, RoomID: r.id, Warm: e.prepared() != "" && partner.prepared,
		At: r.at, Side: side, Tags: shared(first, second), Partner: partner.party,
		Node: home, URL: r.url, Relay: r.relay, PartnerNode: theirs,
	}
}

// shared is what both like.
func shared(a, b []string) (both []string) {
	for _, tag := range a {
		if slices.Contains(b, tag) {
			both = append(both, tag)
		}
	}
	return both
}

// told lets e be told of its match: as the one who has come on a yes, as the one
// who waited on a commit. Of two at one node the one who waited is told first.
func (p *Pool) told(e *entry, ev event, l *letter, self name, now time.Duration) {
	p.delist(e, now)
	switch {
	case ev.kind == yes && p.isMine(ev.from):
		a := p.entries[ev.from.Conn]
		p.stats.Pairs++
		p.stats.Local++
		a.life, _ = a.life.next(event{kind: commit, generation: ev.from.Generation, from: self})
		p.count(a)
		p.delist(a, now)
		first, second := a, e
		if e.looked && e.before(a) { // both have waited
			first, second = e, a
		}
		x := pair{first: first, second: second, other: first.ticket.Party}
		x.meeting = p.meeting(first, &a.room, second.asGuest(), wire.SideA, p.cfg.Node, p.cfg.Node)
		p.todo.pairs = append(p.todo.pairs, x)
	case ev.kind == yes:
		x := pair{second: e, commit: ev.from, self: self}
		x.meeting = p.meeting(e, &l.room, &l.guest, wire.SideB, ev.from.Node, ev.from.Node)
		p.todo.pairs = append(p.todo.pairs, x)
	case ev.kind == commit:
		p.stats.Pairs++
		x := pair{first: e}
		x.meeting = p.meeting(e, &e.room, &e.guest, wire.SideA, p.cfg.Node, ev.from.Node)
		p.todo.pairs = append(p.todo.pairs, x)
	}
}

func (p *Pool) isMine(n name) bool { return n.Node == p.cfg.Node && n.Epoch == p.epoch }

// post sends a letter; to one of this node at once. mu is held.
func (p *Pool) post(l *letter) {
	switch {
	case p.isMine(l.to):
		p.receive(l)
	case p.link != linked, len(p.letters) == maxLetters:
	default:
		p.letters = append(p.letters, post{owner: l.to.owner(), text: l.encode()})
		p.kick()
	}
}

// said is the end of a commit as this node has said it. Until the partner's promise
// ends it is said again when he may not have heard it: Redis has forgotten it, or
// his node or this one had no lease.
type said struct {
	at   time.Duration
	node string
	post post
}

// say posts the end of a commit.
func (p *Pool) say(l *letter) {
	if !p.isMine(l.to) && len(p.said) < maxSaid {
		p.said = append(p.said, said{at: p.now(), node: l.to.Node, post: post{owner: l.to.owner(), text: l.encode()}})
	}
	p.post(l)
}

// sayAgain says what may not have been heard, by the owners that live now. Anew:
// this node has a new lease.
func (p *Pool) sayAgain(owners []string, anew bool) {
	old := p.now() - promiseTime
	p.said = slices.DeleteFunc(p.said, func(s said) bool { return s.at < old })
	if len(p.said) == 0 {
		return
	}
	lives := make(map[string]string, len(owners))
	for _, owner := range owners {
		node, _, _ := strings.Cut(owner, ".")
		lives[node] = max(lives[node], owner) // the younger lease of one node
	}
	for i := range p.said {
		s := &p.said[i]
		owner := lives[s.node]
		if owner == "" || owner == s.post.owner && !anew || len(p.letters) == maxLetters {
			continue
		}
		s.post.owner = owner
		p.letters = append(p.letters, s.post)
		p.kick()
	}
}

// receive takes a letter to a ticket of this node. mu is held.
func (p *Pool) receive(l *letter) {
	e := p.entries[l.to.Conn]
	ends := l.kind == letterCommit || l.kind == letterRefuse
	if again := ends && l.to.Node == p.cfg.Node && e != nil && e.life.stage == promised; !p.isMine(l.to) && !again {
		p.stats.Late++
		return
	}
	if e == nil { // it has left: who asks is told so
		p.stats.Late++
		switch l.kind {
		case letterMatch:
			p.post(&letter{kind: letterNo, to: l.from, from: l.to})
		case letterYes:
			p.say(&letter{kind: letterRefuse, to: l.from, from: l.to})
		}
		return
	}
	ev := event{generation: l.to.Generation, from: l.from}
	switch l.kind {
	case letterMatch:
		ev.kind = ask
	case letterYes:
		ev.kind = yes
	case letterNo:
		ev.kind = no
	case letterCommit:
		ev.kind = commit
		if e.commit != 0 && p.now() >= e.commit { // this node was asleep: its partner may have given up
			ev.kind = promiseDue
		}
	case letterRefuse:
		ev.kind = refuse
	}
	if l.kind == letterYes && e.life.stage == asking && p.now() >= e.commit { // so may the partner, to whom this node was asleep
		p.happens(e, event{kind: nackDue, generation: e.life.generation})
	}
	if ev.kind == ask || ev.kind == yes {
		ev.here = e.ticket.Visitor.Presence() == match.Here
	}
	p.heard(e, ev, l)
}
