package signal

import (
	"sync"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// room has two seats, ever. Its fields are guarded by registry.mu.
type room struct {
	id      string
	seats   [2]*member
	taken   int       // seats that were given
	over    bool      // somebody has left: nobody enters any more
	expires time.Time // until when its id admits
}

// registry knows the rooms. Messages travel from member to member without it.
type registry struct {
	mu     sync.Mutex // guards the fields below; never held while sending
	rooms  map[string]*room
	open   int  // rooms with somebody in them
	closed bool // shutting down: who leaves is not missed
}

// verdict is what became of a registration.
type verdict uint8

const (
	seated   verdict = iota
	roomFull         // both seats were taken
	roomOver         // somebody has left before
)

// enter gives a member a seat, and the two of a full room each other. greet is
// called while the room is held, so that nothing the other one says can come
// before it: it must queue its message and not wait.
func (r *registry) enter(id string, m *member, expires time.Time, greet func(side wire.Side, first *member)) verdict {
	r.mu.Lock()
	defer r.mu.Unlock()
	rm := r.rooms[id]
	if rm == nil {
		rm = &room{id: id, expires: expires}
		r.rooms[id] = rm
	}
	switch {
	case rm.taken == len(rm.seats):
		return roomFull
	case rm.over:
		return roomOver
	}
	rm.seats[rm.taken] = m
	rm.taken++
	m.room = rm
	if rm.taken == 1 {
		r.open++
		greet(wire.SideA, nil)
		return seated
	}
	first := rm.seats[0]
	greet(wire.SideB, first)
	m.partner.Store(first)
	first.partner.Store(m)
	return seated
}

// leave takes a member out of its room. It returns the id of the room if that
// ends with it, and the one who stays, nil if there is nobody to be told.
func (r *registry) leave(m *member) (ended string, stays *member) {
	r.mu.Lock()
	defer r.mu.Unlock()
	rm := m.room
	if rm == nil {
		return "", nil
	}
	m.room = nil
	if !rm.over {
		rm.over = true
		r.open--
		ended = rm.id
	}
	rm.seats = [2]*member{}
	stays = m.partner.Swap(nil)
	switch {
	case r.closed:
		return "", nil
	case stays != nil:
		stays.partner.Store(nil)
	}
	return ended, stays
}

// forget drops the rooms that are over and whose id has expired.
func (r *registry) forget(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, rm := range r.rooms {
		if rm.over && now.After(rm.expires) {
			delete(r.rooms, id)
		}
	}
}

// close lets members leave without a word from now on.
func (r *registry) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
}

// occupied is how many rooms have somebody in them.
func (r *registry) occupied() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.open
}
