package signal

import (
	"crypto/subtle"
	"slices"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// The bounds of holding seats for members whose sockets are lost.
const (
	holdFor = 30 * time.Second
	maxHeld = 1 << 14 // seats at once; whoever is lost then has left
)

// resume asks a seat back. Neither the age of the room's id nor the webhook is
// asked again: the token says that the client was let in before, and the
// webhook still knows it by the same connectionId. Who has no right to a seat
// learns no more than anybody who registers. It is not done if the room is not
// ours to make any more.
func (m *member) resume(reg *registration) (done bool) {
	s, n, verdict := m.rooms.comeBack(reg, m.rooms.past(reg), m)
	m.relieve(s, n)
	switch verdict {
	case seated, seatedAnew:
		m.stay(&s.claim)
		m.returned = true
		m.rooms.resumed.Add(1)
		kind := EventResumed
		if verdict == seatedAnew {
			kind = EventRebuilt
		}
		m.arrived(s, kind)
		accept := wire.Accept{Type: wire.SignalAccept, Resumed: true, Rebuilt: verdict == seatedAnew}
		if accept.Rebuilt {
			m.rooms.rebuilt.Add(1)
		}
		m.greet(s, accept, s.grant)
	case roomFull:
		if _, ok := m.rooms.admit(reg.RoomID); ok {
			m.reject(wire.RejectFull, wire.RejectFull)
			return true
		}
		m.reject(wire.RejectNotFound, wire.RejectNotFound)
	case roomOver:
		m.reject(wire.RejectNotFound, wire.RejectNotFound)
	case overtaken:
		m.conn.Close(wire.CloseNormal, wire.ReasonReplaced)
	case tooLate: // it was told bye, or the server goes
	case notOurs:
		return false
	}
	return true
}

// relieve passes on what it means that a member has a seat, which may have been its
// own before.
func (m *member) relieve(s *seat, n news) {
	if old, elsewhere := n.replaced.(*remote); elsewhere {
		s.inherit(old)
	}
	m.rooms.tell(n)
}

// comeBack puts a connection on the seat that it asks back. An old connection
// that seems to be there still is replaced; if the seat was given up, its
// member is told what it has missed.
func (r *registry) comeBack(reg *registration, p *past, m *member) (s *seat, n news, v verdict) {
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	rm := r.rooms[reg.RoomID]
	if rm == nil && p != nil && !r.closed {
		if !r.makes(reg.RoomID, m) {
			return nil, n, notOurs
		}
		rm = r.rebuild(reg, p, now)
	}
	switch {
	case r.closed:
		return nil, n, tooLate
	case rm == nil:
		return nil, n, roomOver
	}
	if s = rm.seatOf(reg); s == nil && p != nil {
		s = rm.seatBefore(p)
	} else if p != nil && p.own {
		p = nil // the seat is as the token has it
	}
	if s == nil && p != nil {
		s = r.spare(rm, p, now)
	}
	switch {
	case s == nil && rm.taken == len(rm.seats):
		return nil, n, roomFull
	case s == nil:
		return nil, n, roomOver
	case s.state == left:
		n.bye = rm.farewell(m.conn)
		return nil, n, tooLate
	case s.overtook(reg.attempt()):
		return nil, n, overtaken
	}
	if p != nil { // it has not heard yet that this is another process
		v = seatedAnew
		rm.remember(s, p)
	}
	r.reseat(s, m, reg.attempt(), &n)
	s.lastToken = reg.ResumeToken
	return s, n, v
}

// seatOfSame is the seat that a client has already which registers without a token:
// it has given up the socket on which it did so before, and has not heard that it
// was accepted. Nobody else knows both the room and what it calls itself, for the
// other one is told nothing of that. In a room that an application has named many may
// call themselves the same. registry.mu is held.
func (rm *room) seatOfSame(c *claim) *seat {
	if rm.named || c.said == "" || !c.resume {
		return nil
	}
	for i := range rm.seats {
		if s := &rm.seats[i]; s.state.occupied() && s.resume && s.said == c.said {
			return s
		}
	}
	return nil
}

// overtook tells whether the member of a seat has asked for it on another socket
// after this attempt, which comes late. registry.mu is held.
func (s *seat) overtook(attempt uint16) bool { return attempt > 0 && attempt < s.latest }

// reseat puts another connection of its member on a seat. r.mu is held.
func (r *registry) reseat(s *seat, m *member, attempt uint16, n *news) {
	if s.state == here && s.owner != nil {
		n.replaced = s.owner.conn
	}
	r.move(s, returns)
	r.agenda.cancel(&s.alarm)
	s.latest = max(s.latest, attempt)
	s.lastToken = ""
	s.seize(m)
}

// seatOf is the seat to which a client shows the token: the one it was sent
// last or, if that accept has been lost, the one before.
func (rm *room) seatOf(reg *registration) *seat {
	for i := range rm.taken {
		s := &rm.seats[i]
		fits := same(s.token, reg.ResumeToken) | same(s.lastToken, reg.ResumeToken)
		if s.said == reg.ClientID && fits == 1 {
			return s
		}
	}
	return nil
}

// same compares tokens in a time that says nothing of them. No token is none.
func same(held, shown string) int {
	if held == "" {
		return 0
	}
	return subtle.ConstantTimeCompare([]byte(held), []byte(shown))
}

// confirm forgets the token before the last: the client has the new one, for
// it has sent something after accept.
func (r *registry) confirm(m *member) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s := m.seat.Load(); s.owner == m {
		s.lastToken = ""
	}
}

// keepFor keeps a message for a member that is away, could not be written to on
// the connection failed, or has not come yet. If that is too much, its seat is
// given up; false if that is nobody's seat yet.
func (r *Rooms) keepFor(to *seat, text []byte, failed *member) (fits bool) {
	back, fits := to.keep(text, failed)
	switch {
	case !fits:
		n, given := r.giveUp(to)
		r.tell(n)
		return given
	case back != nil:
		_ = back.conn.Send(text) // it has just come, and its reader learns of an end by itself
	}
	return true
}

// giveUp frees the seat of a member that is not there; false if nobody has
// taken it.
func (r *registry) giveUp(s *seat) (n news, taken bool) {
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.abandon(s, now, &n)
	return n, s.state != empty
}

// abandon is giveUp, with r.mu held.
func (r *registry) abandon(s *seat, now time.Time, n *news) {
	if s.state == away {
		n.gone = append(n.gone, s.visit) // else the connection's end will say so
		n.happened(s.room, s.side, EventGaveUp)
	}
	r.release(s, now, n)
}

// abandonAll gives up every seat whose member is away, when the server goes.
func (r *registry) abandonAll() (n news) {
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, al := range slices.Clone(r.agenda.alarms) { // where all who are away are
		if al.seat != nil && al.seat.state == away {
			r.abandon(al.seat, now, &n)
		}
	}
	return n
}
