package match

import (
	"encoding/json"
	"sync/atomic"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/wsconn"
	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// visitor is one connection to the lobby.
type visitor struct {
	lobby *Lobby
	conn  *wsconn.Conn

	// Written by the reader before the ticket is offered, read-only after.
	request wire.MatchRequest
	ticket  *Ticket // nil until the request came

	told atomic.Uint64 // the numbers of the last WAITING message
}

// Message takes the request. Clients say nothing after it; if they do, it
// does not count.
func (v *visitor) Message(text []byte) {
	if v.ticket != nil {
		return
	}
	request, err := parseRequest(text)
	if err != nil {
		v.lobby.refusals.Add(1)
		v.part(wire.MatchMessage{Type: wire.MatchError, Reason: wire.ErrorBadRequest}, wire.CloseBadData, wire.ReasonBadJSON)
		return
	}
	v.conn.Keep()
	v.request = request
	v.ticket = &Ticket{
		Party: Party{User: request.UserID, Device: request.Device, Addr: v.conn.Addr()},
		Tags:  request.Tags, Since: time.Now(), Visitor: v,
	}
}

func parseRequest(text []byte) (request wire.MatchRequest, err error) {
	if err := json.Unmarshal(text, &request); err != nil {
		return request, err
	}
	return request, request.Check()
}

// Idle offers the ticket when all that the client sent was handled: whoever
// asks and leaves in one breath is not offered.
func (v *visitor) Idle() {
	if v.ticket != nil {
		v.lobby.pool.Offer(v.ticket)
	}
}

// Closed takes the ticket back: who has left is matched with nobody.
func (v *visitor) Closed(bool) {
	if v.ticket != nil {
		v.lobby.pool.Cancel(v.ticket)
	}
}

// Presence implements Visitor.
func (v *visitor) Presence() Presence {
	if !v.conn.Quiet() {
		return Busy
	}
	return Here
}

// Probe implements Visitor.
func (v *visitor) Probe() {}

// Meet implements Visitor: it tells the client that there is a partner. The
// client closes then.
func (v *visitor) Meet(both Meeting) error {
	m := wire.MatchMessage{
		Type: wire.MatchFound, RoomID: both.Room, UserID: v.request.UserID, CreatedAt: both.At.UTC(),
		Tags: both.Tags, SignalingURL: v.lobby.cfg.SignalingURL,
	}
	if v.lobby.cfg.ICEServers != nil {
		m.ICEServers, m.ExpiresAt = v.lobby.cfg.ICEServers(both.Room, both.Side, both.Partner.Addr)
	}
	if err := v.conn.Send(wsconn.JSON(m)); err != nil {
		return err
	}
	if both.Side == wire.SideA {
		v.lobby.matches.Add(1)
	}
	v.conn.EndWithin(partTime)
	return nil
}

// News implements Visitor: it says how many wait, to a client that asked, when
// it has changed.
func (v *visitor) News(waiting int) {
	if !v.request.WantsWaiting() {
		return
	}
	m := wire.MatchMessage{Type: wire.MatchWaiting, Waiting: max(1, waiting)}
	m.Online = max(m.Waiting, v.lobby.cfg.Online())
	numbers := uint64(m.Online)<<32 | uint64(m.Waiting)
	if v.told.Swap(numbers) != numbers {
		_ = v.conn.Post(wsconn.JSON(m)) // its reader learns of an end by itself
	}
}

// End implements Visitor.
func (v *visitor) End(reason string) {
	if reason == wire.MatchTimeout {
		v.lobby.timeouts.Add(1)
		v.part(wire.MatchMessage{Type: wire.MatchTimeout}, wire.CloseNormal, wire.ReasonTimeout)
		return
	}
	v.part(wire.MatchMessage{Type: wire.MatchError, Reason: reason}, wire.CloseGoingAway, wire.ReasonShutdown)
}

// part says a last word and closes.
func (v *visitor) part(m wire.MatchMessage, code wire.CloseCode, reason string) {
	_ = v.conn.Post(wsconn.JSON(m)) // its reader learns of an end by itself
	v.conn.Close(code, reason)
}
