package signal

import (
	"bytes"
	"context"
	"encoding/binary"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// How long a client that registers waits for the home of its room to be found.
const (
	claimWithin = time.Second     // the fleet's answer
	openWithin  = 2 * time.Second // the home's; then it is taken for dead
	maxMoves    = 3               // times that the home is found to be another one
)

// proxied is a socket of this node whose room another node keeps.
type proxied struct {
	link
	member *member
	spoke  bool // something was passed on after the registration; the reader's own
}

// elsewhere finds the home of the room for which a client registers. If that is
// another node the client is its business from now on. If nobody knows, the room
// is kept here: what two clients of one node can do needs no fleet.
func (m *member) elsewhere(reg *registration, text []byte) (done bool) {
	t := m.rooms.trunks
	if m.term = m.rooms.term.Load(); t == nil || t.fleet.Alone() || !m.rooms.worthAsking(reg) {
		return false
	}
	home, err := t.home(reg.RoomID)
	for range maxMoves {
		if err != nil || home == t.self {
			return false
		}
		if c, ok := m.conn.(*remote); ok { // no proxy of a proxy
			c.mu.Lock()
			defer c.mu.Unlock()
			c.sever(cutNotHome, true)
			return true
		}
		switch m.follow(home, reg, text) {
		case following:
			return true
		case notHome:
			home, err = t.home(reg.RoomID)
		case silent:
			home, err = t.takeOver(reg.RoomID, home)
		}
	}
	m.conn.Close(wire.CloseTryLater, wire.ReasonMoved)
	return true
}

// worthAsking tells whether a registration can come to anything. Who has no
// right to a room costs the fleet nothing.
func (r *Rooms) worthAsking(reg *registration) bool {
	_, err := r.cfg.Admit(reg.RoomID)
	return err == nil || r.cfg.OpenRoom != nil || reg.ResumeToken != "" && r.past(reg) != nil
}

// home is the node that keeps a room; this one if nobody did.
func (t *trunks) home(room string) (node string, err error) {
	if t.rooms.keeps(room) {
		return t.self, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), claimWithin)
	defer cancel()
	return t.fleet.Claim(ctx, room)
}

// takeOver finds a new home, this node as a rule, for a room whose home does not
// answer. Should that only have slept, it is told what it has missed.
func (t *trunks) takeOver(room, from string) (node string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), claimWithin)
	defer cancel()
	node, err = t.fleet.TakeOver(ctx, room, from)
	if err == nil && node != from {
		t.send(from, &frame{kind: frameMoved, payload: []byte(room)})
	}
	if err == nil && node == t.self {
		t.taken.Add(1)
	}
	return node, err
}

// reception is how a node receives a client of another one.
type reception uint8

const (
	following reception = iota // it is the room's home
	notHome                    // another node is, it says
	silent                     // it does not answer, or goes
)

// follow hands a client to the home of its room, and waits until that has taken
// it.
func (m *member) follow(home string, reg *registration, text []byte) reception {
	p := &proxied{member: m, link: link{peer: home, who: isProxy, opened: make(chan struct{})}}
	p.end = p
	if !m.rooms.trunks.add(&p.link) {
		return notHome // nor anybody, as far as this node can follow
	}
	_ = p.send(frameOpen, appendOpen(nil, m.conn.Addr(), text), false) // or it has ended
	late := time.NewTimer(openWithin)
	defer late.Stop()
	select {
	case <-p.opened:
	case <-p.over:
	case <-late.C:
	}
	if !p.settle() {
		if p.why == cutNotHome {
			return notHome
		}
		return silent
	}
	m.proxied, m.registered = p, true
	if reg.Standalone {
		m.conn.UseControlPings()
	}
	m.conn.Keep()
	return following
}

// settle tells whether the home has taken the link. If it has not, the link has
// ended.
func (p *proxied) settle() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.taken {
		p.sever(cutLost, true)
	}
	return p.taken
}

// pass hands on what the client says. Pongs are for this node; but the first
// thing that it says shows that it has its accept.
func (p *proxied) pass(text []byte) {
	if typ, _ := typeOf(text); typ == wire.SignalPong && p.spoke {
		return
	}
	p.spoke = true
	_ = p.send(frameSay, bytes.Clone(text), false) // or the link has ended, and the connection will
}

// gone says that the connection has ended, when it is known what was written to
// it.
func (p *proxied) gone(left bool) {
	said := []byte{0}
	if left {
		said[0] = 1
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		p.deliver(delivery{do: func() { _ = p.send(frameGone, said, false) }}) // or the link has ended before
	}
}

// handle passes on what the home says.
func (p *proxied) handle(kind frameKind, payload []byte) (done bool) {
	switch {
	case kind == frameText:
		return p.member.conn.Send(payload) == nil
	case kind == frameClose && len(payload) >= 2:
		p.member.conn.Close(wire.CloseCode(binary.BigEndian.Uint16(payload)), string(payload[2:]))
	}
	return true
}

// ended sends the client away when the link is cut: it may come back to any
// node. Of one that was not taken its reader knows.
func (p *proxied) ended(why cutReason, _ [][]byte) {
	p.mu.Lock()
	taken := p.taken
	p.mu.Unlock()
	switch {
	case !taken:
	case why == cutSlow:
		p.member.conn.Close(wire.ClosePolicy, wire.ReasonSlowReader)
	default:
		p.member.conn.Close(wire.CloseGoingAway, wire.ReasonMoved)
	}
}
