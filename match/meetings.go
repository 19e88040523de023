package match

import (
	"net/netip"
	"sync"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/arrivals"
	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

const (
	// rememberMeeting is how long after a match one may report the partner.
	rememberMeeting = time.Hour
	// maxMeetings bounds how many matches are remembered, the latest.
	maxMeetings = 1 << 16
	// rememberAlone is how long somebody whose partner did not come may take
	// to ask again, and be the first of all.
	rememberAlone = 30 * time.Second
	// maxAlone bounds how many of them are remembered.
	maxAlone = 1 << 14
)

// meetings is who was matched with whom: what a report, or a partner who has
// not come, is about. It is safe for concurrent use.
type meetings struct {
	node string // ours, in a fleet

	mu    sync.Mutex // guards the fields below
	rooms recent[string, meeting]
	alone recent[string, bool] // users who had nobody in their room, or (true) had to go to another node
}

// meeting is the two of a room; who waited is the first.
type meeting [2]guest

type guest struct {
	Party
	visitor  *visitor // while its connection is open
	node     string   // that his connection was at, if it is another one
	reported bool     // has complained of the other one
}

func newMeetings(node string) *meetings {
	return &meetings{
		node:  node,
		rooms: newRecent[string, meeting](maxMeetings, rememberMeeting),
		alone: newRecent[string, bool](maxAlone, rememberAlone),
	}
}

// note writes down that a visitor is about to be told of a room.
func (s *meetings) note(v *visitor, both Meeting) {
	seat := 0
	if both.Side == wire.SideB {
		seat = 1
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.detach(v)
	m := s.rooms.touch(both.RoomID, both.At)
	m[seat].Party, m[1-seat].Party = v.ticket.Party, both.Partner
	if both.PartnerNode != s.node {
		m[1-seat].node = both.PartnerNode
	}
	v.room = both.RoomID
	if !v.closed {
		m[seat].visitor = v
	}
}

// detach lets the meeting that a visitor was told of last forget his
// connection. s.mu is held.
func (s *meetings) detach(v *visitor) {
	if v.room == "" {
		return
	}
	if m := s.rooms.find(v.room, time.Now()); m != nil {
		for seat := range m {
			if m[seat].visitor == v {
				m[seat].visitor = nil
			}
		}
	}
}

// cancel forgets a room that nobody was told of.
func (s *meetings) cancel(room string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rooms.drop(room)
}

// part notes that a visitor's connection has ended. If it was to be offered
// again, which it tells, the user is the first of all when he comes back.
func (s *meetings) part(v *visitor) (alone bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.detach(v)
	v.closed = true
	if alone = v.alone.Load(); alone {
		*s.alone.touch(v.ticket.User, time.Now()) = false
	}
	return alone
}

// absent finds who sits alone in a room: the user that the client says he is,
// else the one whose address it is. It returns his visitor if that can be
// offered again on his connection; else it remembers the user, unless his
// connection was at another node. Known tells whether the room is.
func (s *meetings) absent(a *absence) (v *visitor, g guest, known bool) {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.rooms.find(a.Room, now)
	if m == nil {
		return nil, guest{}, false
	}
	who := m.who(a.Client, a.Addr)
	switch {
	case who == nil:
		return nil, guest{}, true
	case who.visitor != nil && who.visitor.pipe.Load() != nil:
		g = *who
		g.node = who.visitor.pipe.Load().destination()
		return nil, g, true
	case who.visitor != nil && who.visitor.wantsWaiting():
		who.visitor.alone.Store(true)
		return who.visitor, *who, true
	case who.node == "":
		*s.alone.touch(who.User, now) = false
	}
	return nil, *who, true
}

func (m *meeting) who(clientID string, addr netip.Addr) *guest {
	sub := arrivals.Source(addr)
	near := [2]bool{arrivals.Source(m[0].Addr) == sub, arrivals.Source(m[1].Addr) == sub}
	switch {
	case m[0].User == clientID:
		return &m[0]
	case m[1].User == clientID:
		return &m[1]
	case near[0] && !near[1]:
		return &m[0]
	case near[1] && !near[0]:
		return &m[1]
	default:
		return nil
	}
}

// wasAlone tells, once, whether a user comes back because his partner did not
// come or, moved, his node takes nobody any more.
func (s *meetings) wasAlone(user string) (was, moved bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.alone.entries) == 0 {
		return false, false // as nearly always
	}
	how := s.alone.find(user, time.Now())
	if how == nil {
		return false, false
	}
	moved = *how
	s.alone.drop(user)
	return true, moved
}

// keep notes what another node tells of users who come back.
func (s *meetings) keep(m *places) {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, user := range m.Users {
		if m.Taken {
			s.alone.drop(user)
		} else {
			*s.alone.touch(user, now) = m.Moved
		}
	}
}

// complain takes a report, and tells whom it is about and who it is from.
// Known is false if he was not one of the two; first, if he has complained of
// this meeting before.
func (s *meetings) complain(r wire.Report) (about, by Party, first, known bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.rooms.find(r.RoomID, time.Now())
	if m == nil {
		return about, by, false, false
	}
	for seat := range m {
		if g := &m[seat]; g.User == r.UserID {
			first, g.reported = !g.reported, true
			return m[1-seat].Party, g.Party, first, true
		}
	}
	return about, by, false, false
}

// letGo notes that a visitor goes over to another process, which is told of his
// meeting: what is said of him from now on is for that one. Gone is called at this
// moment; it must not wait.
func (s *meetings) letGo(v *visitor, h *handed, heir string, gone func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if h.Asked != nil {
		h.Asked.Alone = v.alone.Swap(false)
	}
	if v.room != "" {
		if e := s.rooms.entries[v.room]; e != nil {
			h.Meeting = s.tell(v.room, e)
		}
	}
	if v.conn.far != nil && h.Meeting != nil {
		m := &s.rooms.entries[v.room].value
		for seat := range m {
			if m[seat].visitor == v {
				m[seat].visitor, m[seat].node = nil, heir
			}
		}
	}
	gone()
}

// attach notes that the visitor who was told of a room has come from another process.
func (s *meetings) attach(v *visitor, room string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.rooms.find(room, time.Now())
	if m == nil {
		return
	}
	v.room = room
	for seat := range m {
		if m[seat].User == v.ticket.User {
			m[seat].visitor, m[seat].node = v, ""
			return
		}
	}
}
