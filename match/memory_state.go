package match

// state is where a ticket stands between its first offer and its end.
type state uint8

const (
	arriving state = iota // not in the pool: to be offered when its reader rests
	waiting               // in the pool
	matched               // has a partner
	gone                  // will not be matched any more
)

// event is what happens to a ticket.
type event uint8

const (
	offered  event = iota // its reader rests: all that came was handled
	doubted               // a look at its connection found it busy or silent
	paired                // it has a partner
	returned              // it is to be offered again: its partner has not come
	ended                 // its time is up, or the pool closes; its visitor is told
	left                  // its connection has ended, or cannot be told of its match
)

// after is the state that follows e, and whether e can happen in s at all. If
// it cannot, nothing changes. The package comment has the drawing.
func (s state) after(e event) (state, bool) {
	switch {
	case s == arriving && e == offered:
		return waiting, true
	case s == waiting && e == doubted:
		return arriving, true
	case s == waiting && e == paired:
		return matched, true
	case s == matched && e == returned:
		return arriving, true
	case (s == arriving || s == waiting) && e == ended:
		return gone, true
	case s != gone && e == left:
		return gone, true
	}
	return s, false
}

// spot is where a waiting ticket stands.
type spot uint8

const (
	nowhere spot = iota // it does not wait
	resting             // its cool-down goes on: out of everybody's sight
	held                // one of a crowd, whose turn it is not
	behind              // another ticket of the same user stands before it
	queued              // in the queues: may meet everybody
)
