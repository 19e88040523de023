package signal

import (
	"net/netip"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/wsconn"
	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// news is what a change in the rooms means for others. It is gathered while
// the registry is locked and told when it is not.
type news struct {
	bye      farewell
	replaced socket      // the old connection of a member that has come back
	ended    string      // a room that somebody has left for good
	absence  *absence    // of the second member of a match
	gone     []visit     // stays that have ended, for the webhook
	renewal  *renewal    // credentials that end soon
	events   []roomEvent // for Config.Happened, in order
}

// roomEvent is an Event of a room.
type roomEvent struct {
	room string
	Event
}

// happened is what n tells of a room: of a side, or of nobody in particular.
// registry.mu is held.
func (n *news) happened(rm *room, side wire.Side, kind EventKind) {
	n.events = append(n.events, roomEvent{rm.alias, Event{Kind: kind, Side: side}})
}

// farewell is how a member learns that its room is over. The zero value is
// for nobody.
type farewell struct {
	conn    socket
	silent  bool   // a standalone member is told nothing: its chat goes on
	why     string // of the bye
	room    string // as others know it
	reports bool   // it has announced wire.ExtOutcome
	reason  string // of the close frame
}

// absence is what Config.Absent is told.
type absence struct {
	room, clientID string
	addr           netip.Addr
}

// farewell is that of the member who sits there, or did last. registry.mu is
// held.
func (s *seat) farewell() farewell {
	f := s.room.farewell(s.owner.conn)
	f.silent, f.reports = s.standalone && !s.room.stopped, s.reports
	return f
}

// farewell says what has ended a room. registry.mu is held.
func (rm *room) farewell(conn socket) farewell {
	switch {
	case rm.absent:
		return farewell{conn: conn, room: rm.alias, why: wire.ByeAbsent, reason: wire.ReasonAbsent}
	case rm.stopped:
		return farewell{conn: conn, room: rm.alias, why: wire.ByeEnded, reason: wire.ReasonLeft}
	}
	return farewell{conn: conn, room: rm.alias, reason: wire.ReasonLeft}
}

// tell passes news on. It never waits for a member.
func (r *Rooms) tell(n news) {
	if r.cfg.Happened != nil {
		for _, e := range n.events {
			r.cfg.Happened(e.room, e.Event)
		}
	}
	if conn := n.replaced; conn != nil {
		conn.Close(wire.CloseNormal, wire.ReasonReplaced)
	}
	if conn := n.bye.conn; conn != nil {
		if !n.bye.silent {
			_ = conn.Post(wsconn.JSON(wire.Bye{Type: wire.SignalBye, Reason: n.bye.why, Verdict: r.why(n.bye)})) // its reader learns of an end by itself
		}
		conn.Close(wire.CloseNormal, n.bye.reason)
	}
	if n.renewal != nil {
		r.renew(n.renewal)
	}
	for _, stay := range n.gone {
		r.hooks.gone(stay)
	}
	if a := n.absence; a != nil {
		r.absences.Add(1)
		if r.cfg.Absent != nil {
			r.cfg.Absent(a.room, a.clientID, a.addr)
		}
	}
	if n.ended != "" && r.cfg.Ended != nil {
		r.cfg.Ended(n.ended)
	}
}

// attend does what is due.
func (r *Rooms) attend(now time.Time) {
	for {
		n, some := r.due(now)
		if !some {
			return
		}
		r.tell(n)
	}
}

// due rings the earliest alarm that is due; false if none is.
func (r *registry) due(now time.Time) (n news, some bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	al := r.agenda.next(now)
	switch {
	case al == nil:
		return n, false
	case al.seat != nil && al.seat.state == away:
		r.abandon(al.seat, now, &n)
	case al.seat != nil:
		n.renewal = al.seat.renewal()
	case al.room.over:
		r.bury(al.room, now)
	case al.room.named:
		r.hush(al.room)
	default:
		r.callOff(al.room, now, &n)
	}
	return n, true
}
