package signal

import (
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// Keeps lists the ids of the rooms that this node keeps, in no order: those with
// somebody in them, and those that are remembered so that nobody enters them.
func (r *Rooms) Keeps() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	ids := make([]string, 0, len(r.rooms))
	for id := range r.rooms {
		ids = append(ids, id)
	}
	return ids
}

// Moved is told that another node keeps a room now, which this one has kept: it
// was silent for too long, or cut off. Its members are sent away and find each
// other there; the chat goes on.
func (r *Rooms) Moved(id string) {
	if r.trunks == nil {
		return
	}
	r.trunks.fleet.Lost(id)
	n, sockets, found := r.moveOut(id)
	if !found {
		return
	}
	r.trunks.moved.Add(1)
	for _, s := range sockets {
		s.Close(wire.CloseGoingAway, wire.ReasonMoved)
	}
	r.tell(n)
}

// The tokens of this process for a room that has moved away count for a while:
// its members may not have heard of any other.
const (
	movedFor = 2 * time.Minute
	maxMoved = 1 << 14 // rooms
)

// noteMoved remembers a room that has moved. r.mu is held.
func (r *registry) noteMoved(id string, now time.Time) {
	if len(r.moved) == maxMoved {
		for old, at := range r.moved {
			if now.Sub(at) >= movedFor {
				delete(r.moved, old)
			}
		}
	}
	if r.moved == nil {
		r.moved = map[string]time.Time{}
	}
	if len(r.moved) < maxMoved {
		r.moved[id] = now
	}
}

// hasMoved tells whether a room was here, and is not because it has moved.
func (r *registry) hasMoved(id string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	at, moved := r.moved[id]
	return moved && time.Since(at) < movedFor
}

// moveOut forgets a room, and says whom to send away.
func (r *registry) moveOut(id string) (n news, sockets []socket, found bool) {
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	rm := r.rooms[id]
	if rm == nil {
		return n, nil, false
	}
	rm.over, rm.ended = true, true
	r.noteMoved(id, now)
	for i := range rm.seats {
		s := &rm.seats[i]
		switch s.state {
		case away:
			n.gone = append(n.gone, s.visit)
		case here:
			sockets = append(sockets, s.owner.conn)
		default:
			continue
		}
		r.free(s, now, &n)
	}
	r.forget(rm)
	return n, sockets, true
}
