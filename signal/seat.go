package signal

import (
	"net/netip"
	"sync/atomic"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// seatState is one of the states that are drawn in doc.go.
type seatState uint8

const (
	empty seatState = iota
	here            // somebody sits there
	away            // held for who has lost its socket
	left            // given up for good
)

// seatEvent is what happens to a seat.
type seatEvent uint8

const (
	takes   seatEvent = iota // a client registers
	loses                    // its socket is lost, and it can come back
	returns                  // it comes back, with its token, or before it has one
	leaves                   // it closes, is lost or is sent away
	awaited                  // it may come back, to another process
)

// after is the state that follows an event. An event that does not fit
// changes nothing.
func (s seatState) after(event seatEvent) seatState {
	switch {
	case s == empty && event == takes:
		return here
	case s == empty && event == awaited:
		return away
	case s == here && event == loses:
		return away
	case s.occupied() && event == returns:
		return here
	case s.occupied() && event == leaves:
		return left
	default:
		return s
	}
}

// occupied tells whether the seat is somebody's, here or not.
func (s seatState) occupied() bool { return s == here || s == away }

// seat is the place of one member in a room. It outlives the member's
// connection if that is lost and the member can come back.
type seat struct {
	room *room     // never changes
	side wire.Side // never changes

	conn  atomic.Pointer[member] // where messages for it go; nil: they are kept, or dropped
	other atomic.Pointer[seat]   // where its messages go; nil: nobody there
	mail  mailbox                // what came while it was away

	// The rest is guarded by registry.mu.
	claim                // what its member said when it took the seat
	state     seatState  //
	greeted   bool       // accept was sent: from then on it may be told of an end
	alone     bool       // the credentials of its accept know no address of the other one
	latest    uint16     // the highest claim.attempt of its connections
	owner     *member    // the connection that sits there, or did last
	addr      netip.Addr // from which it came
	grant     *grant     // what the webhook gave; nil: nothing
	token     string     // with which the seat is asked back; empty: it is not
	lastToken string     // the one before it, until the client shows that it knows the new one
	past      int64      // when the token of an earlier process was issued by which it was taken; 0: by none
	alarm     alarm      // here: the next Refresh; away: the end of the wait
}

// claim is what is remembered of a register message.
type claim struct {
	visit
	said       string // the client id as the client wrote it, which may be nothing
	refresh    bool   // announced wire.ExtRefresh
	resume     bool   // announced wire.ExtResume
	early      bool   // announced wire.ExtEarly
	hidden     bool   // announced wire.ExtRelayOnly
	reports    bool   // announced wire.ExtOutcome
	standalone bool   // needs us only until the two are connected
	attempt    uint16 // wire.Register.Attempt, as far as it counts
}

// visit names a stay in a room, as webhooks know it.
type visit struct {
	RoomID       string `json:"roomId"`
	ClientID     string `json:"clientId"`
	ConnectionID string `json:"connectionId"`
}
