package peer

import (
	"context"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// joinTimeout is how long it may take to get a seat, dialling included.
const joinTimeout = 10 * time.Second

// seat is one of the two places in a room. Its socket carries the signaling
// messages (wire: Description, Candidate, bye, ping) for the life of the chat.
type seat struct {
	*socket
	offerer    bool             // the partner was here first: we make the offer
	iceServers []wire.ICEServer // STUN and TURN for this room
}

// join takes a seat in the room of the match: the second step of Connect.
//
//	we ── register ─▶ server
//	   ◀── accept ────        or reject, then a close
func join(ctx context.Context, cfg Config, match *wire.MatchMessage) (*seat, error) {
	url, err := match.SignalingURL, error(nil)
	if url == "" {
		url, err = endpoint(cfg.URL, "/signaling")
	}
	if err != nil {
		return nil, err
	}
	text, err := marshal(&wire.Register{Type: wire.SignalRegister, RoomID: match.RoomID, ClientID: cfg.UserID})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, joinTimeout, ErrUnreachable)
	defer cancel()
	server, err := dial(ctx, url)
	if err != nil {
		return nil, err
	}
	server.send(ctx, text)
	accept, err := accepted(ctx, server)
	if err != nil {
		server.close()
		return nil, err
	}
	s := &seat{socket: server, offerer: accept.IsExistClient || accept.IsExistUser, iceServers: match.ICEServers}
	if len(s.iceServers) == 0 {
		s.iceServers = accept.ICEServers
	}
	return s, nil
}

// accepted waits for the answer to register.
func accepted(ctx context.Context, server *socket) (*wire.Accept, error) {
	for {
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case text, ok := <-server.messages:
			if !ok {
				return nil, server.fault()
			}
			switch typeOf(text) {
			case wire.SignalAccept:
				accept := new(wire.Accept)
				if err := unmarshal(text, accept); err != nil {
					return nil, &unreachableError{err}
				}
				return accept, nil
			case wire.SignalReject:
				return nil, rejected(text)
			case wire.SignalPing:
				pong(ctx, server)
			}
		}
	}
}

// rejected is why the server refused the seat.
func rejected(text string) error {
	var reject wire.Reject
	if err := unmarshal(text, &reject); err != nil {
		return &unreachableError{err}
	}
	if reject.Reason == wire.RejectNotFound { // the room was there a moment ago: the partner has left it
		return ErrPartnerGone
	}
	return &ServerError{Reason: reject.Reason}
}

// pong tells the server that we are still here.
func pong(ctx context.Context, server *socket) {
	if text, err := marshal(&wire.SignalType{Type: wire.SignalPong}); err == nil {
		server.send(ctx, text)
	}
}
