package match

import (
	"net/netip"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// EventKind is what happened to a room.
type EventKind uint8

// The kinds of events.
const (
	EventMatched   EventKind = iota + 1 // a visitor was told of a partner
	EventReoffered                      // his partner has not come: he waits again
)

// Event is told to Config.Happened.
type Event struct {
	Kind EventKind

	// Of EventMatched:
	At     time.Time
	Side   wire.Side
	User   string        // whom, as in his request
	From   netip.Addr    // where he came from
	Shared bool          // the two share a tag
	Waited time.Duration // since his request, or the end of his cool-down
}

// happened tells Config.Happened, if somebody listens.
func (l *Lobby) happened(room string, e Event) {
	if l.cfg.Happened != nil {
		l.cfg.Happened(room, e)
	}
}

// met tells how long a visitor has waited who was told of a match.
func (v *visitor) met(both Meeting) {
	l := v.lobby
	waited := max(0, both.At.Sub(v.ticket.Since))
	if l.cfg.Waited != nil {
		l.cfg.Waited(waited)
	}
	l.happened(both.RoomName, Event{
		Kind: EventMatched, At: both.At, Side: both.Side, User: v.ticket.User, From: v.ticket.Addr, Shared: len(both.Tags) > 0, Waited: waited,
	})
}
