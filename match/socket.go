package match

import (
	"net/netip"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/wsconn"
	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// socket is a visitor's connection: one of this process or, far, one that an older
// process of this server keeps. It is no interface, for which the space that a MATCH
// is written in would go to the heap.
type socket struct {
	near *wsconn.Conn
	far  *remote // nil: near is set
}

// Addr is the client's address.
func (s socket) Addr() netip.Addr {
	if s.far != nil {
		return s.far.addr
	}
	return s.near.Addr()
}

// Quiet tells whether nothing has come that was not handled. Of a far one it is what
// has come here: the process that keeps it looks again when there is a match (Send).
func (s socket) Quiet() bool {
	if s.far != nil {
		return s.far.quiet()
	}
	return s.near.Quiet()
}

// silentFor tells whether nothing has come from the client for longer than a living
// one is silent.
func (s socket) silentFor(d time.Duration) bool {
	if s.far != nil {
		return s.far.silent.Load()
	}
	return s.near.Silence() > d
}

// Ping asks the client for a sign of life: when one comes, the visitor rests.
func (s socket) Ping() {
	if s.far != nil {
		s.far.tell(pipeFrame{op: pipePing})
		return
	}
	s.near.Ping()
}

// Keep, EndWithin, Post, Close and Aside are those of wsconn.Conn.
func (s socket) Keep() {
	if s.far != nil {
		s.far.tell(pipeFrame{op: pipeKeep})
		return
	}
	s.near.Keep()
}

// EndWithin is counted in milliseconds, if it is far.
func (s socket) EndWithin(d time.Duration) {
	if s.far != nil {
		s.far.tell(pipeFrame{op: pipeEndWithin, number: uint32(d.Milliseconds())})
		return
	}
	s.near.EndWithin(d)
}

// Post never waits.
func (s socket) Post(text []byte) error {
	if s.far != nil {
		s.far.tell(pipeFrame{op: pipePost, text: text})
		return nil
	}
	return s.near.Post(text)
}

// Close never waits.
func (s socket) Close(code wire.CloseCode, reason string) {
	if s.far != nil {
		s.far.tell(pipeFrame{op: pipeClose, number: uint32(code), text: []byte(reason)})
		return
	}
	s.near.Close(code, reason)
}

// Aside runs f. Who works for a far one has a stack of its own.
func (s socket) Aside(f func()) {
	if s.far != nil {
		f()
		return
	}
	s.near.Aside(f)
}

// Send tells of a match, which is known when it returns, or that it could not be told.
func (s socket) Send(text []byte) error {
	if s.far != nil {
		return s.far.send(text)
	}
	return s.near.Send(text)
}
