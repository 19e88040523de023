package wire

import "time"

// The types of the messages on /signaling: the Ayame protocol.
const (
	SignalRegister  = "register"  // client: Register, always first
	SignalAccept    = "accept"    // server: Accept
	SignalReject    = "reject"    // server: Reject, then it closes
	SignalOffer     = "offer"     // either: Description, forwarded byte for byte
	SignalAnswer    = "answer"    // either: Description, forwarded byte for byte
	SignalCandidate = "candidate" // either: Candidate, forwarded byte for byte
	SignalBye       = "bye"       // server: the other one has left, then it closes
	SignalPing      = "ping"      // server: answer with pong
	SignalPong      = "pong"      // client: still here
	SignalConnected = "connected" // client: the peers are connected

	SignalICEServers = "iceServers" // server: Refresh, to those who announced ExtRefresh
	SignalStandby    = "standby"    // client, instead of register: that will follow when there is a room
)

// The extensions of Ayame that a client may announce in Register.Ext, beside
// ExtRelayOnly. Nobody else is sent anything that Ayame's server would not send.
const (
	ExtRefresh = "refresh" // fresh ICE servers before the credentials end: Refresh
	ExtResume  = "resume"  // a seat is kept for a while when its socket is lost: Accept.ResumeToken
	ExtEarly   = "early"   // what one says before the other one has come is kept for him, if he announced it too
)

// The Reasons of a Bye that is not because the other one has left.
const (
	ByeAbsent = "partner-absent" // the other one of a match has not come
	ByeEnded  = "room-ended"     // by who runs the server: the chat is over, whether it needs the server or not
)

// The reasons of a Reject.
const (
	RejectFull     = "full"                // both seats were taken
	RejectNotFound = "not-found"           // no such room, or no longer
	RejectInternal = "InternalServerError" // a fault of the server
)

// SignalType is what every message on /signaling has in common, and all there
// is to ping, pong and connected.
type SignalType struct {
	Type string `json:"type"`
}

// Register is how a client asks for a seat in a room. Ayame allows null for
// every optional field, and clients send fields that are not listed here.
type Register struct {
	Type     string   `json:"type"`
	RoomID   string   `json:"roomId"`
	ClientID string   `json:"clientId,omitempty"`
	Ext      []string `json:"ext,omitempty"`

	ResumeToken string `json:"resumeToken,omitempty"` // of the Accept whose seat is asked back

	// Attempt counts, from 1, the sockets on which a client has asked for its seat: one
	// that it has given up may be slower than the next. Without it, the later to arrive
	// has the seat.
	Attempt int `json:"attempt,omitempty"`
}

// Accept gives a client its seat. IsExistClient and IsExistUser are always
// equal: clients read one or the other. True means that the other one is
// already there and that the receiver makes the offer.
type Accept struct {
	Type          string      `json:"type"`
	ConnectionID  string      `json:"connectionId"`
	ICEServers    []ICEServer `json:"iceServers,omitempty"`
	IsExistClient bool        `json:"isExistClient"`
	IsExistUser   bool        `json:"isExistUser"`

	ResumeToken string `json:"resumeToken,omitempty"` // to those who announced ExtResume; a new one each time
	Resumed     bool   `json:"resumed,omitempty"`     // this is the old seat; what came meanwhile follows
	Rebuilt     bool   `json:"rebuilt,omitempty"`     // resumed, but the server has forgotten all else: it, and perhaps its relay, started anew

	Ext []string `json:"ext,omitempty"` // ExtOutcome, to those who announced it: the server takes an Outcome
}

// Bye tells who stays that the other one has left; then the server closes.
type Bye struct {
	Type   string `json:"type"`
	Reason string `json:"reason,omitempty"` // one of the Bye constants, or nothing, as Ayame has it

	Verdict Verdict `json:"verdict,omitempty"` // to those who announced ExtOutcome, if it is one of a failure: why the other one gave up
}

// Refresh gives ICE servers with fresh credentials, some time before those
// that the receiver has end.
type Refresh struct {
	Type       string      `json:"type"`
	ICEServers []ICEServer `json:"iceServers"`
	ExpiresAt  time.Time   `json:"expiresAt"` // when these end
}

// Reject refuses a seat.
type Reject struct {
	Type   string `json:"type"`
	Reason string `json:"reason"`
}

// Description is an RTCSessionDescription: an offer or an answer. Offer counts
// the offers of one side, from 1; an answer bears the number of the offer that
// it answers. Without it, as other programs of Ayame's send them, an answer is
// to whatever was offered last.
type Description struct {
	Type  string `json:"type"`
	SDP   string `json:"sdp"`
	Offer int    `json:"offer,omitempty"`
}

// Candidate carries one trickled ICE candidate (RFC 8838).
type Candidate struct {
	Type string       `json:"type"`
	ICE  ICECandidate `json:"ice"`
}
