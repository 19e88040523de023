package redispool

import "slices"

// settled tells whether v is in a room with somebody who is in it, too.
func (w *world) settled(v int8) bool {
	p := &w.people[v]
	if !p.in {
		return false
	}
	o := w.other(v, p.room)
	return o.in && o.room == p.room
}

// stands tells whether v has promised a room, and stands by it.
func (w *world) stands(v int8, both couple) bool {
	p := &w.people[v]
	return p.stage == promised && w.name(v) == both.a && p.with == both.b
}

// visitorSteps is what visitors do, and what their nodes do at once thereupon.
func (k *walk) visitorSteps(w *world, v int8) {
	p := &w.people[v]
	here := p.came && !p.closed
	if !p.came {
		k.take(w, step{what: "comes", who: v}, func(n *world) { n.people[v].came = true })
	}
	if here && !w.settled(v) && w.left.leavers > 0 {
		k.take(w, step{what: "closes", who: v}, func(n *world) { n.people[v].closed = true; n.left.leavers-- })
	}
	if here && !p.busy && !p.in && w.left.busy > 0 {
		k.take(w, step{what: "says something", who: v}, func(n *world) { n.people[v].busy = true; n.left.busy-- })
	}
	if p.stage == waiting && w.left.looks > 0 && w.nodes[homeOf(v)].link == linked {
		k.take(w, step{what: "looks around", who: v}, func(n *world) { n.left.looks--; n.send(message{callLook, n.name(v), nobody()}, homeOf(v)) })
	}
	if (p.stage == waiting || p.stage == offering) && w.left.back > 0 {
		k.take(w, step{what: "steps back", who: v}, func(n *world) { n.left.back--; k.happen(n, v, stepsBack, emptyMessage()) })
	}
	if p.busy {
		k.take(w, step{what: "was heard", who: v, calm: true}, func(n *world) { n.people[v].busy = false })
	}
	if here && !p.busy && p.stage == arriving {
		k.take(w, step{what: "asks for a stranger", who: v, calm: true}, func(n *world) { k.happen(n, v, offered, emptyMessage()) })
	}
	if p.closed && p.stage != gone {
		k.take(w, step{what: "has left", who: v, calm: true}, func(n *world) {
			n.people[v].in = false
			k.happen(n, v, left, emptyMessage())
		})
	}
	if again := p.stage == gone && (p.epoch != w.nodes[homeOf(v)].epoch || k.laws.noEpoch); again && w.left.comeback > 0 && w.left.crash == 0 {
		k.take(w, step{what: "comes back", who: v}, func(n *world) {
			n.left.comeback--
			n.people[v] = person{came: true, with: nobody(), room: n.people[v].room, epoch: n.nodes[homeOf(v)].epoch}
		})
	}
}

// timerSteps is what runs out. A timer whose answer is on its way runs out only
// when that is slow.
func (k *walk) timerSteps(w *world, v int8) {
	p, me := &w.people[v], w.name(v)
	timer := func(what string, early bool, do func(*world)) {
		switch {
		case !early:
			k.take(w, step{what: what, who: v, calm: true}, do)
		case w.left.slow > 0:
			k.take(w, step{what: "too early: " + what, who: v}, func(n *world) { n.left.slow--; do(n) })
		}
	}
	runs := func(e eventKind) func(*world) { return func(n *world) { k.happen(n, v, e, emptyMessage()) } }
	about := func(m message) bool { return m.to == me || m.from == me }
	between := func(m message) bool { return about(m) && (m.to == p.with || m.from == p.with) }
	bag := w.bag[:w.messages]
	switch node := w.nodes[homeOf(v)]; {
	case p.stage == asking:
		timer("has asked long enough", slices.ContainsFunc(bag, between), runs(nackDue))
	case p.stage == promised:
		timer("has promised long enough", slices.ContainsFunc(bag, between), runs(promiseDue))
	case p.stage == offering && node.link == linked && node.lease == leased:
		timer("has no answer", slices.ContainsFunc(bag, about), func(n *world) { k.unlink(n, homeOf(v)) })
	case p.stage == waiting && !slices.Contains(w.line[:], me) && node.link == linked && node.lease == leased && !k.laws.noLacking:
		timer("is not in Redis", slices.ContainsFunc(bag, about), runs(lacking))
	case p.stage == told && p.in && !w.settled(v) && !p.closed && !k.laws.noRoomTimer:
		if both := p.room; both.a.visitor == v || !w.stands(both.a.visitor, both) {
			timer("is alone in his room", false, func(n *world) { n.people[v].in = false; k.happen(n, v, returned, emptyMessage()) })
		}
	}
}

// nodeSteps is what nodes do, and what befalls them.
func (k *walk) nodeSteps(w *world, i int) {
	node := &w.nodes[i]
	at := func(v int8) bool { return homeOf(v) == i }
	calm := func(what string, do func(*world)) {
		k.take(w, step{what: what, who: int8(i), node: true, calm: true}, do)
	}
	switch {
	case node.link == alone:
		calm("has a lease again: node", func(n *world) { k.join(n, i) })
		k.localPairs(w, at)
	case node.link == joining:
		calm("has a lease again: node", func(n *world) { k.join(n, i) })
	case node.lease != leased:
		calm("learns of its lease: node", func(n *world) { k.unlink(n, i) })
		calm("learns of its lease, and has said nothing lately: node", func(n *world) { n.silence(i); k.unlink(n, i) })
	}
	if node.lease == expired {
		calm("is swept: node", func(n *world) { n.sweep(i) })
	}
	if w.left.any == 0 {
		return
	}
	fault := func(what string, budget func(*faults) *int8, do func(*world)) {
		if *budget(&w.left) > 0 {
			k.take(w, step{what: what, who: int8(i), node: true}, func(n *world) { *budget(&n.left)--; n.left.any--; do(n) })
		}
	}
	if node.lease == leased {
		fault("is paused beyond its lease: node", func(f *faults) *int8 { return &f.lease }, func(n *world) { n.nodes[i].lease = expired })
	}
	fault("crashes: node", func(f *faults) *int8 { return &f.crash }, func(n *world) { k.crash(n, i) })
	if node.link == linked {
		fault("does not reach Redis: node", func(f *faults) *int8 { return &f.unreached }, func(n *world) { k.cutOff(n, i) })
	}
}

// localPairs lets two meet in the pool of a node that is cut off.
func (k *walk) localPairs(w *world, at func(int8) bool) {
	ready := func(v int8) bool {
		p := &w.people[v]
		return at(v) && p.stage == local && !p.closed && !p.busy
	}
	for v := range int8(visitors) {
		for u := range v {
			if !ready(v) || !ready(u) || !k.laws.fit(v, u) {
				continue
			}
			both := message{kind: isYes, to: w.name(v), from: w.name(u)}
			k.take(w, step{what: "meet at their node", who: v, calm: true}, func(n *world) {
				n.people[v].asked = true
				k.happen(n, v, met, both)
				k.happen(n, u, met, message{kind: isCommit, to: both.from, from: both.to})
			})
		}
	}
}

// unlink is a node that believes its lease to be lost. It gives all who wait new
// names, and says nothing until it has a new one.
func (k *walk) unlink(w *world, i int) {
	w.nodes[i].link = joining
	w.forget(i, func(m message) bool { return m.kind == isEnqueued || m.kind == isPaired })
	for v := range int8(visitors) {
		if s := w.people[v].stage; homeOf(v) == i && (s == offering || s == waiting) && !k.laws.noEpoch {
			k.happen(w, v, newEpoch, emptyMessage())
		}
	}
}

// join is a node that takes a lease, and offers all who wait.
func (k *walk) join(w *world, i int) {
	node := &w.nodes[i]
	node.link, node.lease = linked, leased
	if !k.laws.noEpoch {
		node.epoch++
		w.forget(i, func(m message) bool { return !m.kind.toRedis() })
	}
	for v := range int8(visitors) {
		if homeOf(v) != i {
			continue
		}
		if k.happen(w, v, up, emptyMessage()); w.people[v].stage == offering {
			k.offer(w, v)
		}
	}
}

// forget drops what is under way to a node.
func (w *world) forget(i int, those func(message) bool) {
	w.drop(func(m message) bool { return homeOf(m.to.visitor) == i && those(m) })
}

// silence drops what a node has said and Redis has not heard yet.
func (w *world) silence(i int) {
	w.drop(func(m message) bool { return m.kind > isAsk && homeOf(m.from.visitor) == i })
}

// sweep removes what Redis has of a node whose lease is over.
func (w *world) sweep(i int) {
	w.nodes[i].lease = swept
	w.delist(func(t alias) bool { return homeOf(t.visitor) == i })
	w.drop(func(m message) bool { return homeOf(m.to.visitor) == i && m.kind >= isAsk })
}

// crash ends a node with all its connections; those of two in a room are closed
// by then. It starts again at once, so its tickets are in Redis still.
func (k *walk) crash(w *world, i int) {
	for v := range int8(visitors) {
		if p := &w.people[v]; homeOf(v) == i && p.came && !w.settled(v) {
			p.closed, p.busy, p.in, p.stage, p.with = true, false, false, gone, nobody()
		}
	}
	node := &w.nodes[i]
	node.link, node.lease = linked, leased
	if !k.laws.noEpoch {
		node.epoch++
		node.alive = node.epoch
		w.forget(i, func(m message) bool { return !m.kind.toRedis() })
	}
}

// cutOff is a node that cannot reach Redis any more. Of what is in its inbox it may
// still hear, when it can.
func (k *walk) cutOff(w *world, i int) {
	k.unlink(w, i)
	w.nodes[i].link = alone
	for v := range int8(visitors) {
		if homeOf(v) == i {
			k.happen(w, v, down, emptyMessage())
		}
	}
}

// redisFaults is what befalls Redis and the ways to it.
func (k *walk) redisFaults(w *world) {
	if w.left.lose > 0 {
		for i, m := range w.bag[:w.messages] {
			k.take(w, step{what: "lost on its way:", who: m.to.visitor, m: m}, func(n *world) { n.left.lose--; n.left.any--; n.take(i) })
		}
	}
	if w.left.empty > 0 {
		for _, messages := range [...]bool{false, true} {
			k.take(w, step{what: "Redis is empty, and its messages", who: int8(b2i(messages)), node: true}, func(n *world) {
				n.left.empty--
				n.left.any--
				n.restartEmpty(messages)
			})
		}
	}
	if w.left.failover > 0 && w.last.kind != none {
		k.take(w, step{what: "fail-over loses the last write", who: w.last.to.visitor}, func(n *world) {
			n.left.failover--
			n.left.any--
			n.undo()
		})
	}
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (w *world) restartEmpty(messages bool) {
	w.delist(func(alias) bool { return true })
	w.last = write{to: nobody(), from: nobody()}
	for i := range w.nodes {
		w.nodes[i].lease = swept
	}
	if messages {
		w.drop(func(m message) bool { return m.kind >= isAsk })
	}
}

// undo takes the last write back, which its node believes in.
func (w *world) undo() {
	last := w.last
	w.last = write{to: nobody(), from: nobody()}
	switch last.kind {
	case callOffer:
		w.delist(func(t alias) bool { return t == last.to })
	case callCancel:
		w.enlist(last.to, true)
	case isPaired:
		w.enlist(last.from, true)
		w.drop(func(m message) bool { return m == message{isAsk, last.from, last.to} })
	}
}
