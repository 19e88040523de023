package signal

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"net/netip"
	"sync/atomic"

	"github.com/wasmp2pchat/wasmp2pchat/internal/wsconn"
	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// member is one connection to the rooms.
type member struct {
	rooms *Rooms
	conn  *wsconn.Conn

	registered bool                   // the reader's own
	room       *room                  // guarded by registry.mu
	partner    atomic.Pointer[member] // nil: nobody there
}

// Message passes on what is for the other one, and answers the rest.
func (m *member) Message(text []byte) {
	typ, ok := typeOf(text)
	switch {
	case !ok:
		m.fault(wire.ReasonBadJSON)
	case typ == wire.SignalRegister:
		m.register(text)
	case !m.registered && typ != wire.SignalPong:
		m.fault(wire.ReasonNoRegister)
	case typ == wire.SignalOffer, typ == wire.SignalAnswer, typ == wire.SignalCandidate:
		m.relay(text)
	case typ == wire.SignalPong, typ == wire.SignalConnected:
		// The connection has noticed that something came.
	default:
		m.fault(wire.ReasonUnexpected)
	}
}

// Idle has nothing to do.
func (m *member) Idle() {}

// Closed tells the one who stays, and whoever cares for the room.
func (m *member) Closed(left bool) {
	id, stays := m.rooms.leave(m)
	if stays != nil {
		_ = stays.conn.Post(wsconn.JSON(wire.Bye{Type: wire.SignalBye})) // its reader learns of an end by itself
		stays.conn.Close(wire.CloseNormal, wire.ReasonLeft)
	}
	if left && id != "" && m.rooms.cfg.Ended != nil {
		m.rooms.cfg.Ended(id)
	}
}

// relay sends the bytes as they came. With nobody there they are dropped, as
// Ayame does.
func (m *member) relay(text []byte) {
	if partner := m.partner.Load(); partner != nil {
		m.rooms.relayed.Add(1)
		_ = partner.conn.Send(text) // a partner who cannot be written to leaves, and we are told
	}
}

func (m *member) register(text []byte) {
	var reg wire.Register
	switch err := json.Unmarshal(text, &reg); {
	case m.registered:
		m.fault(wire.ReasonRegisteredOnce)
		return
	case err != nil || reg.RoomID == "" || len(reg.RoomID) > wire.MaxRoomIDBytes || len(reg.ClientID) > wire.MaxClientIDBytes:
		m.fault(wire.ReasonBadJSON)
		return
	}
	expires, err := m.rooms.cfg.Admit(reg.RoomID)
	if err != nil {
		m.reject(wire.RejectNotFound)
		return
	}
	m.registered = true
	m.conn.Keep()
	switch m.rooms.enter(reg.RoomID, m, expires, func(side wire.Side, first *member) { m.accept(reg.RoomID, side, first) }) {
	case seated:
	case roomFull:
		m.reject(wire.RejectFull)
	case roomOver:
		m.reject(wire.RejectNotFound)
	}
}

// accept tells a member that it has a seat. Whoever sits on side B came second
// and makes the offer; first is the one who is there already.
func (m *member) accept(room string, side wire.Side, first *member) {
	second := side == wire.SideB
	a := wire.Accept{Type: wire.SignalAccept, ConnectionID: rand.Text(), IsExistClient: second, IsExistUser: second}
	if m.rooms.cfg.ICEServers != nil {
		var partner netip.Addr
		if first != nil {
			partner = first.conn.Addr()
		}
		a.ICEServers, _ = m.rooms.cfg.ICEServers(room, side, partner)
	}
	m.rooms.accepted.Add(1)
	_ = m.conn.Post(wsconn.JSON(a)) // our own reader learns of an end by itself
}

func (m *member) reject(reason string) {
	m.rooms.rejected.Add(1)
	_ = m.conn.Send(wsconn.JSON(wire.Reject{Type: wire.SignalReject, Reason: reason})) // the connection ends anyway
	m.conn.Close(wire.CloseNormal, reason)
}

// fault closes with 1000, as Ayame does for every fault, but says which.
func (m *member) fault(reason string) {
	m.rooms.faults.Add(1)
	m.conn.Close(wire.CloseNormal, reason)
}

// typeOf is the type of a message; false if it is no JSON object with one.
// Messages as every client writes them begin with it.
func typeOf(text []byte) (string, bool) {
	if !json.Valid(text) {
		return "", false
	}
	for _, typ := range []string{wire.SignalCandidate, wire.SignalPong, wire.SignalOffer, wire.SignalAnswer} {
		if rest, ok := bytes.CutPrefix(text, []byte(`{"type":"`)); ok && bytes.HasPrefix(rest, []byte(typ+`"`)) {
			return typ, true
		}
	}
	var m wire.SignalType
	if json.Unmarshal(text, &m) != nil || m.Type == "" {
		return "", false
	}
	return m.Type, true
}
