package signal

import "time"

const (
	// ghostTime is how long nobody waits for a partner who does not come, from the
	// moment at which he was told of the match.
	ghostTime = 10 * time.Second
	// commitWithin is how long the first member of a room with one of our ids
	// waits for the second, who was matched with it and should be on its way. Only
	// then is a match more than a promise. It leaves a tick of ghostTime for the way
	// to the room, and one for the alarm, which may be late.
	commitWithin = ghostTime - 2*tickEvery
)

// callOff ends a room to which the second member has not come. Its first one,
// who may be away, is named to Config.Absent: it deserves the next partner.
// r.mu is held.
func (r *registry) callOff(rm *room, now time.Time, n *news) {
	first := &rm.seats[0]
	rm.over, rm.absent = true, true
	n.absence = &absence{room: rm.alias, clientID: first.ClientID, addr: first.addr}
	n.ended = r.end(rm)
	if first.state == away {
		n.gone = append(n.gone, first.visit)
	} else if first.greeted {
		n.bye = first.farewell()
	}
	n.happened(rm, "", EventAbsent)
	r.free(first, now, n)
}
