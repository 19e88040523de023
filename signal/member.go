package signal

import (
	"context"
	"sync/atomic"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// member is one connection to the rooms.
type member struct {
	rooms *Rooms
	conn  socket
	seat  atomic.Pointer[seat] // nil: not seated yet, or never

	// The reader's own:
	registered bool
	standalone bool
	stoodBy    bool               // it has said standby
	hidden     bool               // what it says goes on without its addresses
	reports    bool               // it may say what became of ICE
	returned   bool               // to its seat; nothing has come from it since
	outcomes   uint32             // how often it has said what became of ICE
	term       uint32             // registry.term, before it was asked who keeps the room
	asked      visit              // of which the authn webhook was asked
	hangUp     context.CancelFunc // ends the question; nil: none was asked
	ahead      *mailbox           // what it says before the question is answered; nil: that is dropped

	proxied *proxied // its room is kept by another node; nil: by this one, or there is none

	dismissed atomic.Bool // it is being closed for what it said: not lost

	ended bool // guarded by registry.mu: the connection has ended, it takes no seat any more
}

// Message passes on what is for the other one, and answers the rest.
func (m *member) Message(text []byte) {
	if m.proxied != nil {
		m.proxied.pass(text)
		return
	}
	if m.returned {
		m.returned = false
		m.rooms.confirm(m)
	}
	typ, ok := typeOf(text)
	switch {
	case !ok:
		m.fault(wire.ReasonBadJSON)
	case typ == wire.SignalRegister:
		m.conn.Aside(func() { m.register(text) })
	case typ == wire.SignalStandby && !m.registered:
		m.standBy()
	case !m.registered && typ != wire.SignalPong:
		m.fault(wire.ReasonNoRegister)
	case typ == wire.SignalOffer, typ == wire.SignalAnswer, typ == wire.SignalCandidate:
		m.speak(typ, text)
	case typ == wire.SignalOutcome && m.reports:
		m.conn.Aside(func() { m.report(text) })
	case typ == wire.SignalConnected && m.standalone:
		m.dismiss(wire.ReasonDone)
	case typ == wire.SignalPong, typ == wire.SignalConnected:
		// The connection has noticed that something came.
	default:
		m.fault(wire.ReasonUnexpected)
	}
}

// Idle has nothing to do.
func (m *member) Idle() {}

// Closed gives the seat up, or has it held for a member who may come back.
func (m *member) Closed(left bool) {
	if m.hangUp != nil {
		m.hangUp()
	}
	m.rooms.standing.remove(m)
	if m.proxied != nil {
		m.proxied.gone(left && !m.rooms.closing()) // it may only have answered that we go
		return
	}
	m.rooms.tell(m.rooms.leave(m, left || m.dismissed.Load(), left))
}

// speak passes on what is for the other one: its addresses taken out, for a
// member that hides them.
func (m *member) speak(typ string, text []byte) {
	m.spoke(typ, text)
	if !m.hidden {
		m.relay(text)
	} else if h, ok := m.hide(typ, text); !ok {
		m.fault(wire.ReasonBadJSON)
	} else if h.text != nil {
		m.relay(h.text)
	}
}

// hide takes the member's addresses out of what it says.
func (m *member) hide(typ string, text []byte) (h hidden, ok bool) {
	m.conn.Aside(func() { h, ok = hide(typ, text) })
	m.rooms.hidden.Add(uint64(h.dropped))
	if h.dropped > 0 {
		m.rooms.happened(m.seat.Load(), Event{Kind: EventHidden, Count: h.dropped})
	}
	return h, ok
}

// relay is what becomes of an offer, an answer or a candidate. As long as the
// webhook is asked about a member, what it says ahead of the answer waits.
func (m *member) relay(text []byte) {
	held, fits := false, true
	if m.ahead != nil {
		held, fits = m.ahead.hold(text)
	}
	if !held {
		fits = m.pass(text)
	}
	if !fits {
		m.fault(wire.ReasonFlood)
	}
}

// pass sends the bytes as they came. With nobody there they are dropped, as
// Ayame does, or kept, if this member has announced that it speaks early; false
// if that is more than is kept. No lock of the rooms is taken, unless the other
// one is away.
func (m *member) pass(text []byte) (fits bool) {
	mine := m.seat.Load()
	if mine == nil {
		return true // its registration is still with the webhook
	}
	to := mine.other.Load()
	if to == nil {
		return true
	}
	m.rooms.relayed.Add(1)
	if conn := to.conn.Load(); conn == nil || conn.conn.Send(text) != nil {
		return m.rooms.keepFor(to, text, conn)
	}
	return true
}

// passAhead says what has waited for the answer of the webhook, in order, and
// lets what comes from now on follow.
func (m *member) passAhead() {
	for texts := m.ahead.drain(); len(texts) > 0; texts = m.ahead.drain() {
		for _, text := range texts {
			if !m.pass(text) {
				m.ahead.close()
				m.fault(wire.ReasonFlood)
				return
			}
		}
	}
}

func (m *member) reject(reason, closeReason string) {
	m.rooms.rejected.Add(1)
	_ = m.conn.SendJSON(&wire.Reject{Type: wire.SignalReject, Reason: reason}) // the connection ends anyway
	m.conn.Close(wire.CloseNormal, closeReason)
}

// fault closes with 1000, as Ayame does for every fault, but says which.
func (m *member) fault(reason string) {
	m.rooms.faults.Add(1)
	m.dismiss(reason)
}

// dismiss closes the connection of a member whose seat is not held for it.
func (m *member) dismiss(reason string) {
	m.dismissed.Store(true)
	m.conn.Close(wire.CloseNormal, reason)
}
