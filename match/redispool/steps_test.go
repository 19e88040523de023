package redispool

import "slices"

// laws is what the searched world is like: which visitors are one user, and which
// part of the protocol is left out, for the search to show what it is there for.
type laws struct {
	oneUser bool // visitors 0 and 1 are two tabs of one user

	noCommit      bool // who comes is told at once, the other one when he hears of it
	noGenerations bool // a message is for whatever the ticket does now
	noEpoch       bool // a node goes by the same name after its lease, and after a crash
	lateCommit    bool // C is honoured whenever it comes
	noLacking     bool // nobody asks whether those who wait are in Redis
	noLook        bool // nobody looks at a connection before he says something for it
	noRoomTimer   bool // whoever is alone in a room is never offered again
}

func (l laws) fit(v, u int8) bool { return v != u && (!l.oneUser || v+u != 1) }

// step is one thing that happens.
type step struct {
	what string
	who  int8 // a visitor, or a node
	node bool // who is a node
	m    message
	calm bool // it needs neither a fault nor a visitor's will: it happens in the end
}

// swapped is s with the visitors 0 and 1 exchanged.
func (s step) swapped() step {
	if !s.node {
		s.who = swap(s.who)
	}
	s.m.to.visitor, s.m.from.visitor = swap(s.m.to.visitor), swap(s.m.from.visitor)
	return s
}

func swap(v int8) int8 {
	if v == 0 || v == 1 {
		return 1 - v
	}
	return v
}

// walk is one world that the search looks at, and where it goes from there.
type walk struct {
	laws  laws
	visit func(s step, w world, broken string)

	next   world
	broken string // the promise that the step has broken
}

// take does one step from w.
func (k *walk) take(w *world, s step, do func(*world)) {
	k.next, k.broken = *w, ""
	do(&k.next)
	k.visit(s, k.next, k.broken)
}

// steps visits all that can happen next in w.
func (k *walk) steps(w *world) {
	for i, m := range w.bag[:w.messages] {
		k.take(w, step{what: "there arrives", who: m.to.visitor, m: m, calm: true}, func(n *world) { n.take(i); k.arrives(n, m) })
	}
	for v := range int8(visitors) {
		k.visitorSteps(w, v)
		k.timerSteps(w, v)
	}
	for i := range w.nodes {
		k.nodeSteps(w, i)
	}
	if slices.ContainsFunc(w.line[:], w.dead) {
		k.take(w, step{what: "the dead are swept", calm: true}, func(n *world) { n.delist(n.dead) })
	}
	if w.left.any > 0 {
		k.redisFaults(w)
	}
}

// dead tells whether a ticket is of an epoch that is over.
func (w *world) dead(t alias) bool {
	return t != nobody() && t.epoch < w.nodes[homeOf(t.visitor)].epoch
}

// arrives delivers a message.
func (k *walk) arrives(w *world, m message) {
	switch m.kind {
	case callOffer, callLook:
		k.script(w, m.to, m.kind == callLook)
	case callCancel:
		mine := func(t alias) bool {
			return t.visitor == m.to.visitor && t.epoch == m.to.epoch && t.generation <= m.to.generation
		}
		if i := slices.IndexFunc(w.line[:], mine); i >= 0 {
			w.last = write{callCancel, w.line[i], nobody()}
			w.delist(mine)
		}
	default:
		k.tell(w, m)
	}
}

// script is what Redis does with an offer, or a look of one who stands there. An
// epoch that is over has a lease for a while yet.
func (k *walk) script(w *world, t alias, look bool) {
	if node := w.nodes[homeOf(t.visitor)]; node.epoch == t.epoch && node.lease != leased {
		return // the node learns that it needs a new epoch
	}
	mine := func(o alias) bool { return o.visitor == t.visitor && o.epoch == t.epoch }
	if look && !slices.Contains(w.line[:], t) {
		return
	}
	if slices.ContainsFunc(w.line[:], func(o alias) bool { return mine(o) && o.generation > t.generation }) {
		return // the node has given this offer up
	}
	if i := slices.IndexFunc(w.line[:], func(o alias) bool { return k.meets(w, o, t) }); i >= 0 {
		o := w.line[i]
		w.delist(func(a alias) bool { return a == o || mine(a) })
		w.last = write{isPaired, t, o}
		w.send(message{isPaired, t, o}, -1)
		if homeOf(o.visitor) != homeOf(t.visitor) {
			w.send(message{isAsk, o, t}, -1)
		}
		return
	}
	if look {
		return
	}
	w.delist(mine)
	w.enlist(t, t.generation > 1)
	w.last = write{callOffer, t, nobody()}
	w.send(message{isEnqueued, t, nobody()}, -1)
}

// meets tells whether the script lets t meet o, who stands in Redis.
func (k *walk) meets(w *world, o, t alias) bool {
	return o != nobody() && k.laws.fit(o.visitor, t.visitor) && (w.dead(o) || w.nodes[homeOf(o.visitor)].lease == leased)
}

// events is what each message is to the one it is for.
func (m message) event() eventKind {
	return [...]eventKind{isEnqueued: enqueued, isPaired: paired, isAsk: ask, isYes: yes, isNo: no, isCommit: commit, isRefuse: refuse}[m.kind]
}

// tell lets a ticket know of a message, and sees to what it says to it.
func (k *walk) tell(w *world, m message) {
	v := m.to.visitor
	if k.laws.noCommit && k.oneStep(w, m) {
		return
	}
	if k.laws.lateCommit && m.kind == isCommit && w.people[v].stage != gone {
		w.people[v].stage = told
		k.told(w, v, couple{m.to, m.from})
		return
	}
	k.happen(w, v, m.event(), m)
	if m.kind == isPaired && w.people[v].stage == asking && homeOf(v) == homeOf(m.from.visitor) {
		k.say(w, message{isAsk, m.from, m.to}) // no bus between two of one node
	}
}

// oneStep is the protocol without its commit.
func (k *walk) oneStep(w *world, m message) bool {
	p := &w.people[m.to.visitor]
	switch {
	case m.kind == isPaired && p.stage == offering:
		p.stage = told
		k.told(w, m.to.visitor, couple{m.from, m.to})
		if homeOf(m.to.visitor) == homeOf(m.from.visitor) {
			k.oneStep(w, message{isAsk, m.from, m.to})
		}
	case m.kind == isAsk && (p.stage == waiting || p.stage == offering):
		p.stage = told
		k.told(w, m.to.visitor, couple{m.to, m.from})
	case m.kind == isEnqueued:
		return false
	}
	return true
}

// happen lets e happen to v's ticket.
func (k *walk) happen(w *world, v int8, e eventKind, m message) {
	p := &w.people[v]
	ev := event{kind: e, generation: uint32(p.generation), from: nameOf(m.from), here: k.laws.noLook || !p.closed && !p.busy}
	l := life{p.stage, uint32(p.generation), nameOf(p.with)}
	if m.kind != none {
		ev.generation = uint32(m.to.generation)
	}
	if k.laws.noGenerations {
		ev.generation, ev.from.Generation, l.with.Generation = l.generation, 0, 0
	}
	before := l.with
	l, do := l.next(ev)
	p.stage = l.stage
	switch l.with {
	case before:
	case name{}:
		p.with = nobody()
	default:
		p.with = m.from
	}
	if p.generation != int8(l.generation) {
		p.generation, p.asked = int8(l.generation), false
	}
	k.do(w, v, do, m)
}

// promised is the moment when p promises to come to the one who has asked.
func (k *walk) promised(w *world, p *person, to alias) {
	if p.closed {
		k.broken = unseen
	}
	if w.name(to.visitor) == to {
		w.people[to.visitor].asked = true
	}
}

// nameOf is the name that an alias stands for.
func nameOf(a alias) name {
	if a == nobody() {
		return name{}
	}
	node := [...]string{"one", "two"}[homeOf(a.visitor)]
	return name{Node: node, Epoch: uint64(a.epoch), Conn: uint64(a.visitor), Generation: uint32(a.generation)}
}

// do does what follows an event that m has brought.
func (k *walk) do(w *world, v int8, do action, m message) {
	p, node := &w.people[v], homeOf(v)
	if do&tell != 0 {
		both := couple{m.from, m.to}
		if m.kind == isCommit {
			both = couple{m.to, m.from}
		}
		k.told(w, v, both)
	}
	for _, answer := range [...]struct {
		action action
		kind   kind
	}{{sayYes, isYes}, {sayNo, isNo}, {sayCommit, isCommit}, {sayRefuse, isRefuse}} {
		if do&answer.action != 0 {
			if answer.kind == isYes {
				k.promised(w, p, m.from)
			}
			k.say(w, message{answer.kind, m.from, m.to})
		}
	}
	if do&withdraw != 0 {
		w.send(message{callCancel, alias{v, p.epoch, p.generation}, nobody()}, node)
	}
	if do&offer != 0 {
		k.offer(w, v)
	}
}

// offer sends v's offer, or keeps it until its node has a lease.
func (k *walk) offer(w *world, v int8) {
	node := &w.nodes[homeOf(v)]
	w.people[v].epoch = node.epoch
	if node.link == alone {
		k.happen(w, v, down, emptyMessage())
	} else {
		w.send(message{callOffer, w.name(v), nobody()}, homeOf(v))
	}
}

// say sends m, or tells it at once to somebody of the same node.
func (k *walk) say(w *world, m message) {
	node := homeOf(m.to.visitor)
	switch {
	case node != homeOf(m.from.visitor):
		w.send(m, homeOf(m.from.visitor))
	case m.to.epoch == w.nodes[node].epoch:
		k.tell(w, m)
	case m.kind == isAsk:
		k.tell(w, message{isNo, m.from, m.to})
	}
}

// What the search can find.
const (
	toldTwice     = "told of a second match while the first holds"
	toldOfHimself = "told of himself"
	toldOfNobody  = "told of somebody who had left, or had a partner, before he was asked"
	unseen        = "somebody has left, and his node says yes, or tells him"
	toldAlone     = "told of a room that the other one was never told of"
	stuck         = "two who fit hope, and nothing happens any more"
	forsaken      = "somebody is alone in a room, and nothing ends that"
	tooManyGhosts = "somebody was alone in a room for less than a fault, an early timer or one who left"
	round         = "calm steps lead round in a circle"
)

// told is the moment when a visitor learns of a match: the promises are looked
// after here.
func (k *walk) told(w *world, v int8, both couple) {
	p := &w.people[v]
	switch partner := w.other(v, both); {
	case p.in:
		k.broken = toldTwice
	case !k.laws.fit(both.a.visitor, both.b.visitor):
		k.broken = toldOfHimself
	case both.b.visitor == v && p.closed && !k.laws.noCommit:
		k.broken = unseen
	case both.b.visitor == v && !p.asked && (partner.stage == gone || partner.in && partner.room != both):
		k.broken = toldOfNobody
	case both.a.visitor == v && !k.laws.noCommit && partner.room != both && partner.epoch == both.b.epoch:
		k.broken = toldAlone
	}
	p.room, p.in = both, true
}

func (w *world) other(v int8, both couple) *person {
	if both.a.visitor == v {
		return &w.people[both.b.visitor]
	}
	return &w.people[both.a.visitor]
}
