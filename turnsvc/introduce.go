package turnsvc

import (
	"net/netip"
	"time"
)

const (
	// maxIntroduced bounds for how many rooms it is remembered who was introduced,
	// for the sake of allocations that are still to come. With more, those of the
	// oldest reach only what their credentials say.
	maxIntroduced = 1 << 16
	// maxSides bounds how many sides of one room may be introduced: two members, and what each
	// service calls them.
	maxSides = 4
)

// introductions are the sides of a room that were introduced, and where their
// partners came from.
type introductions map[string]netip.Addr

// Introduce tells the relay of an address from which the partner of one side of
// a room came to the server. It is for credentials that were minted before there
// was a partner, whose Claims name none: what was allocated with them, and what
// will be within Config.CredentialTTL, reaches that address from now on as if a
// tag of the credential stood for it, for as long as the allocation lives. The
// latest address counts. It does nothing for a room that has ended, and nothing
// to other sides, other rooms and other policies than PeersRoom.
func (s *Server) Introduce(room, side string, partner netip.Addr) {
	s.Here().Introduce(room, side, partner)
	s.cfg.Kin.Introduce(room, side, partner)
}

// Introduce is Server.Introduce in this process.
func (s here) Introduce(room, side string, partner netip.Addr) {
	if !partner.IsValid() {
		return
	}
	if s.rooms.introduce(room, side, partner.Unmap(), s.cfg.asOf(), s.expired()) {
		s.count.introduced.Add(1)
	}
}

// introduce notes the partner of a side, for what it holds and for what it will
// hold until then. It is false if the room, or that side of it, has ended, or has
// too many sides.
func (r *rooms) introduce(room, side string, partner netip.Addr, now, until time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.hasEnded(&member{owner: ownerOf(room, side), room: room}, now) {
		return false
	}
	known, _ := r.introduced.find(room, now)
	if known == nil {
		known = introductions{}
	}
	if _, again := known[side]; !again && len(known) == maxSides {
		return false
	}
	known[side] = partner
	r.introduced.note(room, known, now, until)
	for g := range r.members[room] {
		if g.side == side {
			g.partner.Store(&partner)
		}
	}
	return true
}

// Join makes one room part of another: what was allocated with credentials of
// the first, and what will be within Config.CredentialTTL, belongs to the second
// from now on, as to another side of it, and ends with it. It is for somebody who
// had prepared a room of his own and was asked into another one. It does nothing
// if one of the two has ended, or has been joined before.
func (s *Server) Join(room, to string) {
	s.Here().Join(room, to)
	s.cfg.Kin.Join(room, to)
}

// Join is Server.Join in this process.
func (s here) Join(room, to string) {
	s.rooms.join(room, to, s.cfg.asOf(), s.expired())
	s.homes.epoch.Add(1)
	s.cfg.Moved(to)
}

func (r *rooms) join(room, to string, now, until time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, again := r.joined.find(room, now)
	_, chain := r.joined.find(to, now)
	if again || chain || room == to || r.hasEnded(&member{room: room}, now) || r.hasEnded(&member{room: to}, now) {
		return
	}
	r.joined.note(room, to, now, until)
	for g := range r.members[room] {
		g.joined.Store(&to)
		r.house(g)
	}
	delete(r.members, room)
}

// meets reports whether the holder of an allocation was introduced to addr.
func (g *grant) meets(addr netip.Addr) bool {
	partner := g.partner.Load()
	return partner != nil && *partner == addr
}
