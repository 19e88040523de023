package relays

import (
	"cmp"
	"slices"
)

// EndRoom is turnsvc.Server.EndRoom at every node that members of a room can be at, of
// a room that this node keeps, or that somebody has prepared here. Of one that only
// this node relays for nothing is told.
func (f *Fleet) EndRoom(room string) { f.endRoom(room, "") }

func (f *Fleet) endRoom(room, but string) {
	if f.cfg.Relay != nil {
		f.cfg.Relay.EndRoom(room)
	}
	l := f.takeLink(room)
	if l == nil {
		return
	}
	for _, node := range without(l.nodes, but) {
		f.end(ending{node: node, room: room})
	}
}

// Kick is EndRoom for whoever runs the fleet: at every node, whoever keeps the room.
func (f *Fleet) Kick(room string) {
	f.EndRoom(room)
	f.end(ending{room: room})
}

// end tells of an end soon, together with others.
func (f *Fleet) end(e ending) {
	f.mu.Lock()
	if len(f.ends) == maxWaitingEnds {
		f.ends = slices.Delete(f.ends, 0, maxWaitingEnds/16)
		f.unsaid.Add(maxWaitingEnds / 16)
	}
	f.ends = append(f.ends, e)
	f.mu.Unlock()
	select {
	case f.wake <- struct{}{}:
	default: // it will be
	}
}

// tellEnds tells of what has ended. While there is no bus it waits.
func (f *Fleet) tellEnds() {
	if !f.cfg.Up() {
		return
	}
	f.mu.Lock()
	ends := f.ends
	f.ends = nil
	f.mu.Unlock()
	slices.SortStableFunc(ends, func(a, b ending) int { return cmp.Compare(a.node, b.node) })
	for len(ends) > 0 {
		m, n := gather(ends)
		if node := ends[0].node; node != "" {
			f.tell(node, m)
		} else {
			f.told.Add(1)
			f.cfg.TellAll(m.text())
		}
		ends = ends[n:]
	}
}

// gather puts the first of some ends, which are for one node, into a message.
func gather(ends []ending) (m *message, n int) {
	const overhead = 4 // of one in JSON; names need no escaping
	m = &message{Kind: kindEnd}
	size := 64
	for _, e := range ends {
		size += len(e.room) + overhead
		if e.node != ends[0].node || n == maxEnds || n > 0 && size > MaxMessage {
			break
		}
		n++
		m.Rooms = append(m.Rooms, e.room)
	}
	return m, n
}

// hearEnds ends what has ended elsewhere. Where the room is kept it may not be known
// of all nodes that its members are at; whoever knows more tells it on, once.
func (f *Fleet) hearEnds(from string, m *message) {
	for _, room := range m.Rooms {
		f.endRoom(room, from)
	}
}
