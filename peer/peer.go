// Package peer is the client of a chat: it finds a stranger, joins the same
// room, links the two directly or through a relay, and talks. The browser page
// and the terminal run the same code.
//
// It promises that what Send took reaches the other one in order and once, or
// is never reported delivered; that nothing a hostile partner sends can panic,
// block or grow it without bound; that a chat that flows peer to peer survives
// the loss of any server, and gets its seat in the room back when the server is
// there again; that a server that is away is asked at a pace (backOff); and
// that ending the context of Connect, or calling Close, leaves no goroutine,
// socket or connection behind.
//
// It leaves to others how a chat looks (wasm/app, cmd/wasmp2pchat), when the
// network has changed while nobody chats (Rest, then Prepare), and what the
// messages between processes are (wire).
//
// The story goes from file to file:
//
//	peer.go       Connect: the story on one page
//	client.go     0 prepare  sockets that are open before START
//	standby.go               one such socket, until somebody takes it
//	find.go       1 find     the matchmaking socket, until MATCH
//	join.go       2 join     a seat in the room, over as many sockets as it takes
//	rejoin.go                what happens on each of them, and between two
//	backoff.go               how soon the next one is dialled
//	link.go       3 connect  until the DataChannel is open, and to its end
//	prepared.go              what is ready before there is a partner
//	connection.go            a PeerConnection and its DataChannel
//	negotiate.go             offer, answer and candidates
//	likely.go                which of the partner's candidates are checked when
//	recover.go               when nothing gets through any more
//	told.go                  what seat, network and page say of that
//	path.go                  which way the frames travel
//	chat.go       4 talk     hello, then messages, until one of the two leaves
//	frames.go                what each frame of the chat does
//	silence.go               when the partner says nothing
//	report.go                a complaint about the partner
//	outcome.go               what the server is told of ICE, and says why it failed
//
// Four pairs hide the platform: socket (WebSocket), connection (what pion/webrtc
// does differently in the browser), network (its changes) and codec (JSON).
package peer

import (
	"context"
	"errors"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// helloTimeout is how long two people who share a room may take until both
// have said hello. Slow relays over TLS need about 2 s; 30 s is when browsers
// themselves give up on ICE.
const helloTimeout = 30 * time.Second

// The errors that callers decide by, beside ServerError and those of a context.
var (
	ErrNobody      = errors.New("nobody came")                                      // nobody to be matched with; try again
	ErrPartnerGone = errors.New("the partner left before the chat began")           // try again at once
	ErrNoPath      = errors.New("no path between the two networks")                 // a network blocks WebRTC and every relay
	ErrUnreachable = errors.New("the server cannot be reached, or did not go on")   // check the network and the URL
	ErrURL         = errors.New("want a URL with http, https, ws or wss")           // for programmers: no address of a server
	ErrEmpty       = errors.New("the message is empty")                             // Send
	ErrTooLong     = errors.New("the message is too long")                          // Send: over wire.MaxTextBytes
	ErrBusy        = errors.New("too many messages wait for the partner to answer") // Send: try again after EventDelivered
	ErrClosed      = errors.New("the chat has ended")                               // Send
)

// The reasons of a ServerError that a user can do something about.
const (
	RefusedBanned  = wire.ErrorBanned  // reported too often; Wait and Ban count
	RefusedTooFast = wire.ErrorTooFast // too many requests from this address; Wait counts
	RefusedTooMany = wire.ErrorTooMany // too many wait from this address
)

// ServerError says that the server answered, and refused.
type ServerError struct {
	Reason string        // of an ERROR, a reject or a close frame, as wire lists them
	Wait   time.Duration // how long it makes no sense to ask again; 0 if the server did not say
	Ban    string        // the name of the ban, for wire.ErrorBanned: the operator can lift it
}

func (e *ServerError) Error() string { return "the server refused: " + e.Reason }

// closedError is a close frame of the server. To who called Connect it is a
// ServerError if it has a reason, else ErrUnreachable.
type closedError struct {
	code   wire.CloseCode
	reason string
}

func (e *closedError) Error() string { return e.Unwrap().Error() }

func (e *closedError) Unwrap() error {
	if e.reason != wire.ReasonDone {
		return &ServerError{Reason: e.reason}
	}
	return &unreachableError{errClosedByServer}
}

// errClosedByServer is the cause where the server gave none.
var errClosedByServer = errors.New("the server closed the connection")

// unreachableError is ErrUnreachable with its cause.
type unreachableError struct{ cause error }

func (e *unreachableError) Error() string        { return ErrUnreachable.Error() + ": " + e.cause.Error() }
func (e *unreachableError) Is(target error) bool { return target == ErrUnreachable }
func (e *unreachableError) Unwrap() error        { return e.cause }

// Config says where the server is, and who asks.
type Config struct {
	URL    string // base URL of the server: http, https, ws or wss; required
	UserID string // who asks; the same for one search after the other, so that nobody meets twice; empty means a random 128-bit one
	Device string // where from: random, kept for long, at most wire.MaxDeviceBytes; what a Report counts against; may be empty

	// OnOnline is told how many people are online while a Client stands by
	// (Prepare); it may be 0, for one who only looks does not count. It must not
	// call the Client. Nil means that nobody listens.
	OnOnline func(n int)

	tuning
}

// Search says which partner one wants.
type Search struct {
	Tags      []string // interests, at most wire.MaxTags; whoever shares one is preferred
	RelayOnly bool     // hide our IP address from the partner: relayed paths only

	// OnProgress is told how the search goes, in order and from the goroutine
	// that called Connect, which waits for it. Nil means that nobody listens.
	OnProgress func(Progress)
}

// Phase is a step of Connect that takes long enough to be shown.
type Phase string

// The phases, in the order in which they come.
const (
	PhaseWaiting    Phase = "waiting"    // in the pool; repeated when Online or Waiting change
	PhaseConnecting Phase = "connecting" // somebody was found
)

// Progress is how far Connect has come.
type Progress struct {
	Phase   Phase
	Online  int           // PhaseWaiting: people connected, oneself included; 0 if unknown
	Waiting int           // PhaseWaiting: people who wait, oneself included; 0 if unknown
	Pause   time.Duration // PhaseWaiting: how long we are offered to nobody, for we went from one to the next too fast
	Relax   time.Duration // PhaseWaiting: how long we are offered only to who shares a tag; 0 if to anybody
	Shared  []string      // PhaseConnecting: the tags that both like
}

// Connect finds a partner and returns when both have said hello. Ending ctx
// ends the search and leaves every server; the Chat that Connect returns no
// longer depends on it, and must be ended with Close. The error is one of those
// above, that of ctx, or says what is wrong with cfg or search. Who will look
// for one partner after the other uses a Client.
func Connect(ctx context.Context, cfg Config, search Search) (*Chat, error) {
	client := NewClient(cfg)
	defer client.Close()
	return client.Connect(ctx, search)
}

// Connect is like the function of that name. It uses the sockets that stand by,
// if there are any. A Client looks for one partner at a time: a second Connect
// waits until the first has returned, not until its chat has ended.
func (c *Client) Connect(ctx context.Context, search Search) (*Chat, error) {
	q, ctx, err := c.begin(ctx, search)
	if err != nil {
		return nil, err
	}
	defer q.end()

	match, err := q.find(ctx)
	if err != nil {
		return nil, err
	}
	q.catchUp(match)
	chat, err := q.converse(ctx, match)
	if err != nil {
		return nil, inRoom(err, match.RoomID)
	}
	chat.cfg, chat.room = c.cfg, match.RoomID
	return chat, nil
}

// converse is the second half of the story: with somebody who was found.
func (q *quest) converse(ctx context.Context, match *wire.MatchMessage) (*Chat, error) {
	seat, err := q.join(ctx, match)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, helloTimeout, ErrNoPath)
	defer cancel()
	link, err := connect(ctx, q.client.cfg, q.search, seat, q.prepared())
	if err != nil {
		return nil, err
	}
	if seat.matched {
		q.found(match)
	}
	if err := link.opens(ctx); err != nil {
		return nil, err
	}
	return talk(ctx, link.line())
}

// Event is something that happened in a chat.
type Event struct {
	Kind EventKind
	ID   uint64 // EventMessage: the partner's id; EventDelivered: the id that Send returned
	Text string // EventMessage: 1 to wire.MaxTextBytes of UTF-8; treat it as hostile
	Path Path   // EventPath
}

// EventKind says what an Event is about.
type EventKind int

// The kinds of events. EventLeft and EventLost are always the last one.
const (
	EventMessage     EventKind = iota + 1 // the partner wrote Text
	EventDelivered                        // the partner's program has shown message ID
	EventTyping                           // the partner is typing; at most one a second
	EventPath                             // the way or its round-trip time changed; at most one every 2 s
	EventInterrupted                      // the connection is lost; we try to get it back
	EventRestored                         // it is back, and nothing was lost
	EventLeft                             // the partner has left
	EventLost                             // the connection failed for good, or the partner flooded it
)
