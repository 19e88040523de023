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
	ticket  *ticket // nil until the request came

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
	v.ticket = &ticket{user: request.UserID, since: time.Now(), quiet: v.conn.Quiet, visitor: v}
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
		v.lobby.pair(v.ticket)
	}
}

// Closed takes the ticket back: who has left is matched with nobody.
func (v *visitor) Closed(bool) {
	if v.ticket != nil {
		v.lobby.pool.cancel(v.ticket)
	}
}

// meet tells the visitor that there is a partner. The client closes then.
func (v *visitor) meet(both meeting, side wire.Side, partner *visitor) error {
	m := wire.MatchMessage{
		Type: wire.MatchFound, RoomID: both.room, UserID: v.request.UserID, CreatedAt: both.at.UTC(),
		Tags: both.tags, SignalingURL: v.lobby.cfg.SignalingURL,
	}
	if v.lobby.cfg.ICEServers != nil {
		m.ICEServers, m.ExpiresAt = v.lobby.cfg.ICEServers(both.room, side, partner.conn.Addr())
	}
	if err := v.conn.Send(wsconn.JSON(m)); err != nil {
		return err
	}
	v.conn.EndWithin(partTime)
	return nil
}

// tellNews says how many wait, to a client that asked, when it has changed.
func (v *visitor) tellNews() {
	if !v.request.WantsWaiting() {
		return
	}
	m := wire.MatchMessage{Type: wire.MatchWaiting, Waiting: max(1, v.lobby.pool.len())}
	m.Online = max(m.Waiting, v.lobby.cfg.Online())
	numbers := uint64(m.Online)<<32 | uint64(m.Waiting)
	if v.told.Swap(numbers) != numbers {
		_ = v.conn.Post(wsconn.JSON(m)) // its reader learns of an end by itself
	}
}

// part says a last word and closes.
func (v *visitor) part(m wire.MatchMessage, code wire.CloseCode, reason string) {
	_ = v.conn.Post(wsconn.JSON(m)) // its reader learns of an end by itself
	v.conn.Close(code, reason)
}
