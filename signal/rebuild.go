package signal

import "time"

// A server that starts knows none of the chats that went on without it. Their
// members come back with tokens that the process before has sealed, one after
// the other, and each room is built from what they say: who sat where. The
// other seat is then held, like that of one whose socket was lost.
//
// The order in which they come does not matter, and neither do several tokens
// of one seat, for only the latest ends up there. A room that was over before
// can be built again, too: by one who then waits in it for nobody, for 30 s.

// past is what the token of a registration says of an earlier process; nil if
// it says nothing that counts.
func (r *Rooms) past(reg *registration) *past {
	p := r.notary.read(reg)
	switch {
	case p == nil, p.own && !r.hasMoved(reg.RoomID), p.alias != "" && r.cfg.OpenRoom == nil:
		return nil
	case p.alias != "":
		return p
	}
	expires, err := r.cfg.Admit(reg.RoomID)
	if err != nil {
		expires = time.Now() // nobody who has no token enters it any more
	}
	p.expires = expires
	return p
}

// rebuild makes the room of a member that comes back to another process: both
// seats are held. It returns nil if too many are held already. r.mu is held.
func (r *registry) rebuild(reg *registration, p *past, now time.Time) *room {
	if r.held >= maxHeld {
		return nil
	}
	rm := r.build(admission{expires: p.expires, alias: p.alias}, reg.RoomID, now)
	rm.rebuilt = true
	for i := range rm.seats {
		r.move(&rm.seats[i], awaited)
	}
	mine := rm.seatOn(p.side)
	other := rm.opposite(mine)
	r.agenda.set(&other.alarm, now.Add(holdFor))
	mine.other.Store(other) // what it says is kept until he is back
	return rm
}

// seatBefore is the seat that a token of an earlier process is for, if the room
// was built again and nobody has come to it with a later one. r.mu is held.
func (rm *room) seatBefore(p *past) *seat {
	s := rm.seatOn(p.side)
	fresh := s.owner == nil
	newer := s.past != 0 && s.past < p.issued && s.said == p.claim.said
	if !rm.rebuilt || !fresh && (p.own || !newer) {
		return nil
	}
	return s
}

// spare is the seat that is left for one who comes back, when the other member
// has come for the first time meanwhile and the room was made for that one. r.mu
// is held.
func (r *registry) spare(rm *room, p *past, now time.Time) *seat {
	if rm.rebuilt || rm.over || p.own || rm.taken != 1 {
		return nil
	}
	s := &rm.seats[rm.taken]
	rm.taken++
	s.claim = p.claim
	r.move(s, takes)
	r.await(rm, s, now)
	return s
}

// remember gives a seat what the token says of its member. Who comes first may
// be the second of the room: then the first seat is not for a newcomer. r.mu is
// held.
func (rm *room) remember(s *seat, p *past) {
	if s.owner == nil {
		s.claim = p.claim
	}
	s.past = p.issued
	rm.taken = max(rm.taken, 1)
	if s == &rm.seats[1] {
		rm.taken = len(rm.seats)
	}
}
