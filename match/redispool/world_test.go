package redispool

import (
	"bytes"
	"slices"
)

// The small world that the search walks through: what stands in Redis, what is
// under way, what the nodes believe, and what the visitors were told. It is a
// value, so that a set of worlds is a map.

const (
	visitors = 3
	nodes    = 2
	maxBag   = 10 // messages under way at once
	maxLine  = 6  // tickets in Redis at once, those of old offers among them
)

// homeOf is the node that a visitor is connected to: two are at the first.
func homeOf(v int8) int { return int(v) / 2 }

// alias is a name of a ticket in the world: small, and to be hashed.
type alias struct {
	visitor    int8 // noVisitor: no name
	epoch      int8
	generation int8
}

const noVisitor = -1

func nobody() alias { return alias{visitor: noVisitor} }

// kind is what a message under way is.
type kind int8

const (
	none       kind = iota
	callOffer       // to Redis: enqueue or pair `to`
	callLook        // to Redis: pair `to`, who stands there
	callCancel      // to Redis: take `to` out
	isEnqueued      // the answer to an offer
	isPaired        // the answer to an offer: `from` is its partner
	isAsk           // M, Y, N, C, R
	isYes
	isNo
	isCommit
	isRefuse
)

func (k kind) toRedis() bool { return k == callOffer || k == callLook || k == callCancel }

// message is something under way: to a ticket's node or, about it, to Redis.
// They arrive in any order.
type message struct {
	kind     kind
	to, from alias
}

// person is one visitor, and what his node knows of his ticket.
type person struct {
	came   bool // is or was connected
	closed bool // has closed his connection
	busy   bool // has said something that nobody has handled

	stage      stage
	generation int8
	epoch      int8 // of the node, at his last offer
	with       alias

	room  couple // that he was told of last
	in    bool   // he was told of it, and nobody has said that his partner has not come
	asked bool   // the partner whom he asks has promised
}

// room is a match: whoever is told of it is told these two names.
type couple struct{ a, b alias }

func noCouple() couple { return couple{nobody(), nobody()} }

// lease is what Redis knows of a node's epoch.
type lease int8

const (
	leased  lease = iota
	expired       // its tickets do not count; its inbox is still there
	swept         // nothing is left of it
)

type machine struct {
	epoch int8
	alive int8 // the epochs before this one ended in a crash
	lease lease
	link  link // what the node itself believes
}

// write is what Redis did last: what a fail-over can lose.
type write struct {
	kind kind // callOffer: enqueued `to`; isPaired: took `from` out for `to`; callCancel; none
	to   alias
	from alias
}

// faults is how many of each kind may still happen.
type faults struct {
	leavers   int8 // visitors who close their connection
	slow      int8 // a timer runs out although its answer is on its way
	busy      int8 // a visitor says something at the wrong moment
	looks     int8 // somebody who waits looks around
	back      int8 // somebody who waits may not stand any more, for now
	any       int8 // of all kinds below
	lose      int8 // a message, or the answer to an offer, is lost
	lease     int8 // a node is paused, or cut off, for longer than its lease
	crash     int8 // of a node; it starts again at once
	comeback  int8 // a visitor of the crashed node connects again
	empty     int8 // Redis is started again, empty
	failover  int8 // a replica without the last write takes over
	unreached int8 // a node cannot reach Redis for a while
}

type world struct {
	people   [visitors]person
	nodes    [nodes]machine
	line     [maxLine]alias // in Redis, in order; the rest is nobody
	bag      [maxBag]message
	last     write
	left     faults
	messages int8 // how many of bag are set
}

func newWorld(f faults) world {
	w := world{left: f, last: write{to: nobody(), from: nobody()}}
	for i := range w.people {
		w.people[i].with, w.people[i].room = nobody(), noCouple()
	}
	for i := range w.nodes {
		w.nodes[i].link = linked
	}
	for i := range w.line {
		w.line[i] = nobody()
	}
	for i := range w.bag {
		w.bag[i] = emptyMessage()
	}
	return w
}

func emptyMessage() message { return message{to: nobody(), from: nobody()} }

// name is how a visitor's ticket is called now.
func (w *world) name(v int8) alias {
	return alias{v, w.people[v].epoch, w.people[v].generation}
}

// send puts m on its way. What is for an inbox that is not there is dropped, and
// so is what a node has to say that has no lease.
func (w *world) send(m message, from int) {
	home := &w.nodes[homeOf(m.to.visitor)]
	if from >= 0 && w.nodes[from].link != linked {
		return
	}
	if !m.kind.toRedis() && (m.to.epoch != home.epoch || home.lease == swept) {
		return
	}
	if w.messages == maxBag {
		panic("redispool: the bag of the search is too small")
	}
	w.bag[w.messages] = m
	w.messages++
}

// take takes a message off its way.
func (w *world) take(i int) {
	w.messages--
	w.bag[i] = w.bag[w.messages]
	w.bag[w.messages] = emptyMessage()
}

// drop takes those messages away.
func (w *world) drop(those func(message) bool) {
	for i := int(w.messages) - 1; i >= 0; i-- {
		if those(w.bag[i]) {
			w.take(i)
		}
	}
}

// enlist puts a ticket into the line, at its head or its end.
func (w *world) enlist(t alias, head bool) {
	n := slices.Index(w.line[:], nobody())
	if n < 0 {
		panic("redispool: the line of the search is too small")
	}
	if head {
		copy(w.line[1:], w.line[:n])
		n = 0
	}
	w.line[n] = t
}

// delist takes those tickets out of the line.
func (w *world) delist(those func(alias) bool) {
	n := 0
	for _, t := range w.line {
		if t != nobody() && !those(t) {
			w.line[n] = t
			n++
		}
	}
	for ; n < maxLine; n++ {
		w.line[n] = nobody()
	}
}

// canonical is w with its unordered parts in order and its generations counted
// without gaps, and with the two visitors of the first node the one way round of
// two: worlds that differ in these only have the same future. It tells whether
// the two have changed places.
func (w *world) canonical(l laws) (one world, turned bool) {
	one = *w
	one.normalize(l)
	other := one.swapped()
	slices.SortFunc(other.bag[:other.messages], compareMessages)
	var a, b [256]byte
	if bytes.Compare(other.appendTo(b[:0]), one.appendTo(a[:0])) < 0 {
		return other, true
	}
	return one, false
}

// appendTo writes w down, one world differently from each other one.
func (w *world) appendTo(b []byte) []byte {
	for i := range w.people {
		p := &w.people[i]
		flags := byte(0)
		for k, is := range [...]bool{p.came, p.closed, p.busy, p.in, p.asked} {
			if is {
				flags |= 1 << k
			}
		}
		b = append(b, flags, byte(p.stage), byte(p.generation), byte(p.epoch))
		b = p.room.b.appendTo(p.room.a.appendTo(p.with.appendTo(b)))
	}
	for _, n := range w.nodes {
		b = append(b, byte(n.epoch)|byte(n.alive)<<4, byte(n.lease)<<4|byte(n.link))
	}
	f := w.left
	for _, n := range [...]int8{f.leavers, f.any, f.slow, f.busy, f.looks, f.back, f.lose, f.lease, f.crash, f.comeback, f.empty, f.failover, f.unreached} {
		b = append(b, byte(n))
	}
	b = append(b, byte(w.last.kind), byte(w.messages))
	b = w.last.from.appendTo(w.last.to.appendTo(b))
	for i := range w.bag[:w.messages] {
		m := &w.bag[i]
		b = m.from.appendTo(m.to.appendTo(append(b, byte(m.kind))))
	}
	for _, t := range w.line {
		if b = t.appendTo(b); t == nobody() {
			break
		}
	}
	return b
}

func (a alias) appendTo(b []byte) []byte {
	return append(b, byte(a.visitor+1)|byte(a.epoch)<<4, byte(a.generation))
}

func (w *world) normalize(l laws) {
	if w.last.kind == none || w.left.failover == 0 || w.left.any == 0 {
		w.last = write{to: nobody(), from: nobody()}
	}
	if !l.noGenerations && !l.noEpoch && !l.lateCommit {
		w.drop(w.idle)
	}
	for v := range w.people {
		p := &w.people[v]
		if p.stage != asking && p.stage != promised && !p.in {
			p.with = nobody()
		}
		p.asked = p.asked && (p.stage == offering || p.stage == asking)
		if !p.in && !slices.ContainsFunc(w.bag[:w.messages], func(m message) bool {
			return m.kind == isCommit && p.room == couple{m.to, m.from}
		}) {
			p.room = noCouple()
		}
	}
	w.compress()
	slices.SortFunc(w.bag[:w.messages], compareMessages)
}

// idle tells whether m will change nothing, whenever it arrives: it is about an
// offer that is over.
func (w *world) idle(m message) bool {
	p := &w.people[max(0, m.to.visitor)]
	switch m.kind {
	case isEnqueued:
		return p.stage != gone && p.generation != m.to.generation
	case isPaired, isNo, isCommit, isRefuse:
		return p.stage == gone || p.generation != m.to.generation
	case callCancel:
		return !slices.ContainsFunc(w.line[:], func(t alias) bool { return t.visitor == m.to.visitor }) &&
			!slices.ContainsFunc(w.bag[:w.messages], func(o message) bool { return o.kind == callOffer && o.to.visitor == m.to.visitor })
	default:
		return false
	}
}

// aliases are all the names in w.
func (w *world) aliases(visit func(*alias)) {
	for i := range w.people {
		p := &w.people[i]
		visit(&p.with)
		visit(&p.room.a)
		visit(&p.room.b)
	}
	for i := range w.line {
		visit(&w.line[i])
	}
	for i := range w.bag[:w.messages] {
		visit(&w.bag[i].to)
		visit(&w.bag[i].from)
	}
	visit(&w.last.to)
	visit(&w.last.from)
}

// compress counts the generations of each visitor without gaps.
func (w *world) compress() {
	var seen [visitors]uint64
	for i := range w.people {
		seen[i] |= 1<<w.people[i].generation | 1
	}
	w.aliases(func(a *alias) {
		if a.visitor >= 0 {
			seen[a.visitor] |= 1 << a.generation
		}
	})
	rank := func(v, generation int8) int8 {
		n := int8(0)
		for g := range generation {
			n += int8(seen[v] >> g & 1)
		}
		return n
	}
	for i := range w.people {
		w.people[i].generation = rank(int8(i), w.people[i].generation)
	}
	w.aliases(func(a *alias) {
		if a.visitor >= 0 {
			a.generation = rank(a.visitor, a.generation)
		}
	})
}

// swapped is w with the visitors 0 and 1 exchanged.
func (w *world) swapped() world {
	s := *w
	s.people[0], s.people[1] = s.people[1], s.people[0]
	s.aliases(func(a *alias) {
		a.visitor = swap(a.visitor)
	})
	return s
}

func compareAliases(a, b alias) int {
	if d := int(a.visitor) - int(b.visitor); d != 0 {
		return d
	}
	if d := int(a.epoch) - int(b.epoch); d != 0 {
		return d
	}
	return int(a.generation) - int(b.generation)
}

func compareMessages(a, b message) int {
	if d := int(a.kind) - int(b.kind); d != 0 {
		return d
	}
	if d := compareAliases(a.to, b.to); d != 0 {
		return d
	}
	return compareAliases(a.from, b.from)
}
