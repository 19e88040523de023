package signal

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/wsconn"
	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// remote is a socket that another node holds, as the room's home sees it.
type remote struct {
	link
	addr   netip.Addr // of the client, as its proxy knows it
	member *member
	left   bool // the client has said so; the worker's own
}

// host takes a link that a proxy opens; false if it cannot be.
func (t *trunks) host(f *frame) (done bool) {
	addr, text, err := parseOpen(f.payload)
	if err != nil {
		return false
	}
	c := &remote{addr: addr, link: link{peer: f.from, id: f.link, who: isHome}}
	c.end = c
	c.member = &member{rooms: t.rooms, conn: c}
	if !t.add(&c.link) {
		return false
	}
	f.payload = text
	c.receive(f)
	return true
}

// handle is what a reader does for a socket of this node.
func (c *remote) handle(kind frameKind, payload []byte) (done bool) {
	c.mu.Lock()
	parting := c.parting
	c.mu.Unlock()
	switch {
	case kind == frameGone:
		c.left = len(payload) > 0 && payload[0] != 0
		c.mu.Lock()
		c.sever(cutDone, true)
		c.mu.Unlock()
	case !parting: // else what it still says does not count
		c.member.Message(payload)
	}
	return true
}

// ended is the end of the connection. What it may not have got waits for it to
// come back, before anything that is said from now on.
func (c *remote) ended(_ cutReason, kept [][]byte) {
	m := c.member
	fits := true
	if s := m.seat.Load(); s != nil && !c.left && len(kept) > 0 {
		var back *member
		if back, fits = s.recover(kept, m); back != nil {
			for _, text := range kept {
				_ = back.conn.Send(text) // its reader learns of an end by itself
			}
		}
	}
	m.Closed(c.left)
	if s := m.seat.Load(); !fits {
		n, _ := m.rooms.giveUp(s)
		m.rooms.tell(n)
	}
}

// inherit has kept for a member that has come back what its old connection, at
// another node, may not have got.
func (s *seat) inherit(old *remote) {
	if kept := old.surrender(); len(kept) > 0 {
		s.recover(kept, old.member) // more than is kept was not for this connection
	}
}

// Addr is the client's address, as its proxy knows it.
func (c *remote) Addr() netip.Addr { return c.addr }

// Send sends what the other one says. It never waits.
func (c *remote) Send(text []byte) error { return c.send(frameText, bytes.Clone(text), true) }

// Post sends what we say ourselves.
func (c *remote) Post(text []byte) error { return c.send(frameText, bytes.Clone(text), false) }

// SendJSON is Post of v.
func (c *remote) SendJSON(v any) error { return c.send(frameText, wsconn.JSON(v), false) }

// Close has the proxy send a close frame, after all that was sent.
func (c *remote) Close(code wire.CloseCode, reason string) {
	_ = c.send(frameClose, append(binary.BigEndian.AppendUint16(nil, uint16(code)), reason...), false) // or it has ended already
}

// Keep has nothing to do: the proxy does that when the link is open.
func (c *remote) Keep() {}

// FirstMessageWithin has nothing to do, either.
func (c *remote) FirstMessageWithin(time.Duration) {}

// UseControlPings is for the proxy, too, which has read the registration.
func (c *remote) UseControlPings() {}

// Aside runs f: who works for a link has a stack of its own.
func (c *remote) Aside(f func()) { f() }
