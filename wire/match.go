package wire

import (
	"errors"
	"slices"
	"time"
	"unicode/utf8"
)

// The types of a MatchMessage.
const (
	MatchWaiting  = "WAITING"  // Online, Waiting and Wait count; sent to those who asked
	MatchFound    = "MATCH"    // a partner was found; every other field may count
	MatchError    = "ERROR"    // Reason says why, then the server closes; but for ErrorUnknownRoom
	MatchTimeout  = "TIMEOUT"  // nobody came, the server closes
	MatchReported = "REPORTED" // a Report was taken
)

// The types of what a client says that is no MatchRequest.
const (
	MatchReport  = "REPORT"  // a Report
	MatchStandby = "STANDBY" // Standby: the request will follow, on this connection
)

// The extensions that a client may announce in MatchRequest.Ext.
const (
	ExtWaiting = "waiting" // WAITING messages
	ExtWarm    = "warm"    // ICE servers in WAITING, and a Role in MATCH
)

// ExtRelayOnly hides the client's addresses; it is announced in MatchRequest.Ext
// and in Register.Ext. What is minted for the partner tells nothing of them, and
// of what the client says, the server forwards no candidate but relayed ones, and
// those without their base.
const ExtRelayOnly = "relay-only"

// The roles of a MATCH between two who both announced ExtWarm. Without one,
// whoever comes second to the room makes the offer, as Ayame has it.
const (
	RoleOffer  = "offer"  // make the offer, and send it with register (ExtEarly)
	RoleAnswer = "answer" // wait for it
)

// The reasons of an ERROR message.
const (
	ErrorBadRequest   = "bad-request"   // the first message was not a MatchRequest
	ErrorShuttingDown = "shutting-down" // this server takes no new matches; come back in a moment
	ErrorTooMany      = "too-many"      // too many wait from this address
	ErrorTooFast      = "too-fast"      // too many requests from this address: Wait says for how long
	ErrorBanned       = "banned"        // reported too often: Wait says for how long, Ban is its name
	ErrorUnknownRoom  = "unknown-room"  // the Report is of a room that one was not in, or too long ago
)

// The reasons of a Report.
const (
	ReportSpam       = "spam"       // advertising, scams, robots
	ReportHarassment = "harassment" // insults, threats, hate
	ReportSexual     = "sexual"     // unwanted sexual content
	ReportMinor      = "minor"      // a child may be in danger
	ReportOther      = "other"
)

// MatchRequest is the one message with which a client on /matchmaking asks for
// a partner.
type MatchRequest struct {
	UserID    string    `json:"user_id"`          // who asks, for as long as he goes on to the next and the next
	Device    string    `json:"device,omitempty"` // where he asks from: random, kept by the client; what a Report counts against
	CreatedAt time.Time `json:"created_at"`       // RFC 3339
	Tags      []string  `json:"tags,omitempty"`
	Ext       []string  `json:"ext,omitempty"`
}

// Standby keeps a connection for somebody who has not decided yet: a page that
// has just been opened. It is answered with a WAITING that counts who is online.
// The server ends it after a while, or when others need the place.
type Standby struct {
	Type string `json:"type"` // MatchStandby
}

// Report complains of the partner in a room. A client sends it on
// /matchmaking, alone or before its MatchRequest; the server answers REPORTED
// or an ERROR. What was said in the room is never part of it.
type Report struct {
	Type   string `json:"type"`    // MatchReport
	RoomID string `json:"room_id"` // the room in which it happened
	UserID string `json:"user_id"` // who complains: as in his MatchRequest
	Reason string `json:"reason"`  // one of the Report constants
}

// The faults that MatchRequest.Check finds.
var (
	errUserID = errors.New("user_id must have 1 to 128 bytes of UTF-8")
	errDevice = errors.New("device must have at most 128 bytes of UTF-8")
	errTags   = errors.New("at most 4 tags of 1 to 32 bytes of UTF-8")
	errExt    = errors.New("at most 8 extensions of 1 to 32 bytes")
)

// Check says what of r is outside the limits of this package.
func (r *MatchRequest) Check() error {
	if !textWithin(r.UserID, MaxUserIDBytes) {
		return errUserID
	}
	if r.Device != "" && !textWithin(r.Device, MaxDeviceBytes) {
		return errDevice
	}
	if len(r.Tags) > MaxTags || slices.ContainsFunc(r.Tags, func(tag string) bool { return !textWithin(tag, MaxTagBytes) }) {
		return errTags
	}
	if len(r.Ext) > MaxExtensions || slices.ContainsFunc(r.Ext, func(ext string) bool { return !textWithin(ext, MaxExtensionBytes) }) {
		return errExt
	}
	return nil
}

// errReport is what Report.Check finds.
var errReport = errors.New("a report has a room_id of 1 to 128 bytes, the user_id of who complains, and a reason from the list")

// Check says what of r is outside the limits of this package.
func (r *Report) Check() error {
	known := false
	switch r.Reason {
	case ReportSpam, ReportHarassment, ReportSexual, ReportMinor, ReportOther:
		known = true
	}
	if !known || r.Type != MatchReport || !textWithin(r.RoomID, MaxRoomIDBytes) || !textWithin(r.UserID, MaxUserIDBytes) {
		return errReport
	}
	return nil
}

// WantsWaiting tells whether the client understands WAITING messages: it said
// so, or it prepares its connection with what they carry, or it sent tags, which
// the seed's client never does.
func (r *MatchRequest) WantsWaiting() bool {
	return len(r.Tags) > 0 || slices.Contains(r.Ext, ExtWaiting) || slices.Contains(r.Ext, ExtWarm)
}

// MatchMessage is any message of the server on /matchmaking; Type says which
// fields count. The seed's client reads RoomID of a MATCH and skips the rest.
type MatchMessage struct {
	Type string `json:"type"`

	Online  int `json:"online,omitempty"`  // WAITING: people connected, the receiver included
	Waiting int `json:"waiting,omitempty"` // WAITING: people who wait, the receiver included if he does

	RoomID       string      `json:"room_id,omitempty"`       // MATCH: the admission to signaling, opaque
	UserID       string      `json:"user_id,omitempty"`       // MATCH: the receiver's own id
	CreatedAt    time.Time   `json:"created_at,omitzero"`     // MATCH: when the match was made
	Tags         []string    `json:"tags,omitempty"`          // MATCH: what both like
	ICEServers   []ICEServer `json:"iceServers,omitempty"`    // MATCH: minted for the receiver and this room; WAITING: for the room to come, in the first and then when they change
	ExpiresAt    time.Time   `json:"expires_at,omitzero"`     // MATCH, WAITING: when the credentials in ICEServers end
	SignalingURL string      `json:"signaling_url,omitempty"` // MATCH: where the room lives; empty means the same host
	Role         string      `json:"role,omitempty"`          // MATCH: RoleOffer, RoleAnswer, or empty

	Relax  int    `json:"relax,omitempty"`  // seconds; WAITING: how long one still meets only who shares a tag; 0: not so
	Reason string `json:"reason,omitempty"` // ERROR: one of the Error constants
	Wait   int    `json:"wait,omitempty"`   // seconds; WAITING: of cool-down, before one is offered to anybody; ERROR: before asking again makes sense
	Ban    string `json:"ban,omitempty"`    // ERROR banned: what to name when one asks the operator to lift it
}

// textWithin tells whether s has 1 to limit bytes of valid UTF-8.
func textWithin(s string, limit int) bool {
	return s != "" && len(s) <= limit && utf8.ValidString(s)
}
