package match

import (
	"context"
	"net/netip"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// Pool pairs tickets. Memory is one; package pooltest holds what every pool
// promises. All methods are safe for concurrent use.
type Pool interface {
	// Offer looks for a partner for t, or enlists it. A visitor calls it
	// whenever all that has come from its client was handled: it does nothing
	// for a ticket that waits already, has a partner, or was taken out. Memory
	// returns when both of a pair have been told; a pool over a network does not wait.
	Offer(t *Ticket)
	// Cancel takes t out for good. It tells whether t was still without a
	// partner; false: a match is on its way, or was made.
	Cancel(t *Ticket) bool
	// Return lets a matched ticket be offered once more, before all others:
	// its partner has not come. Its MaxWait begins anew. The caller offers it
	// then, before which it may have got another RoomName.
	Return(t *Ticket)
	// SetRules changes the times and the crowd of PoolConfig while the pool serves.
	// Who waits goes on waiting, by the new ones.
	SetRules(r Rules)
	// Waiting is how many wait.
	Waiting() int
	// Serve keeps the times of the pool until ctx ends; then nobody is
	// matched any more, and everybody who waits is told.
	Serve(ctx context.Context) error
}

// The times that every pool keeps, beside those of its PoolConfig.
const (
	AloneFor  = 20 * time.Second       // two who both waited this long meet again, Avoid or not
	YoungFor  = 300 * time.Millisecond // two of one address meet when both waited this long: time to see that they are a crowd
	CrowdTurn = 5 * time.Second        // the one of a crowd who may meet everybody is replaced by the next no sooner
	CrowdWait = 15 * time.Second       // those of a crowd who waited this long may meet each other
	NewsEvery = time.Second            // nobody is told more often how many wait
)

// PoolConfig is what a pool needs to know. RoomName and RoomID are required,
// zero fields mean what their comment says.
type PoolConfig struct {
	// RoomName draws the name of a new room, for two of whom the first has
	// prepared none.
	RoomName func() string
	// RoomID makes the admission to a room of its name: each side is told the
	// same one.
	RoomID func(name string) string

	TagWait time.Duration // then somebody without a shared tag is welcome too; 8 s
	MaxWait time.Duration // then nobody came; 2 min
	Avoid   time.Duration // the same two do not meet again so soon; 0: they may at once
	Crowd   int           // more than these of one subscriber address are a crowd; 0: addresses do not count
}

// Rules are what of a PoolConfig may change while the pool serves, with the same
// defaults.
type Rules struct {
	TagWait, MaxWait, Avoid time.Duration
	Crowd                   int
}

// WithDefaults is c with its zero fields filled in.
func (c PoolConfig) WithDefaults() PoolConfig {
	if c.TagWait == 0 {
		c.TagWait = 8 * time.Second
	}
	if c.MaxWait == 0 {
		c.MaxWait = 2 * time.Minute
	}
	return c
}

// With is c with other rules.
func (c PoolConfig) With(r Rules) PoolConfig {
	c.TagWait, c.MaxWait, c.Avoid, c.Crowd = r.TagWait, r.MaxWait, r.Avoid, r.Crowd
	return c.WithDefaults()
}

// Visitor is what a pool asks of the one who holds a ticket.
type Visitor interface {
	// Presence looks at the connection at this very moment. It must be quick:
	// a lock is held.
	Presence() Presence
	// Probe asks a silent client for a sign of life. When one comes, the
	// visitor offers its ticket again. It must not wait.
	Probe()
	// Meet tells the visitor of a match. An error means that it could not be
	// told, and is gone.
	Meet(m Meeting) error
	// News says how many wait. It must not wait.
	News(waiting int)
	// End tells the visitor that it will not be matched, and why:
	// wire.MatchTimeout or wire.ErrorShuttingDown. It must not wait.
	End(reason string)
}

// Presence is what is known of a client without asking it.
type Presence uint8

// What a look at a connection can tell.
const (
	Here   Presence = iota // heard of lately, and nothing has come that was not handled
	Busy                   // something has come that was not handled, perhaps its end
	Silent                 // not heard of for longer than a living client is silent
)

// Ticket is one visitor's wish to be matched. Its exported fields are set
// before it is offered and not touched after.
type Ticket struct {
	Party

	Tags      []string  // normalised: Tags
	Since     time.Time // when it came, or its cool-down ends: what it waits from
	NotBefore time.Time // end of its cool-down; zero: none
	First     bool      // has waited before: to the head of the pool
	RoomName  string    // the room that its visitor has prepared; empty: he does not prepare
	Visitor   Visitor

	// Place is all that a pool knows of it which is not Memory; guarded by a lock
	// of that pool, nobody else's.
	Place any

	memory place // all that Memory knows of it; guarded by Memory.mu
}

// Party is who is matched, as far as the server knows.
type Party struct {
	User   string     // never matched with himself
	Device string     // may be empty
	Addr   netip.Addr // where he came from
	Hides  bool       // no partner may find out Addr (wire.ExtRelayOnly)
}

// shown is the address that may be told to the relay for his partner's sake: not
// valid if he hides it. A credential that knows it would tell who guesses right.
func (p *Party) shown() netip.Addr {
	if p.Hides {
		return netip.Addr{}
	}
	return p.Addr
}

// Meeting is a match, as one of the two is told of it.
type Meeting struct {
	RoomName string // that which A has prepared, else a new one
	RoomID   string // the admission to it
	Warm     bool   // both have prepared a room
	At       time.Time
	Side     wire.Side // A has waited, B has come
	Tags     []string  // what both like
	Partner  Party

	// In a fleet; all are empty if there is one node only.
	Node        string // the node that keeps the room: that of side A
	URL         string // where a browser reaches that node, as https://host; empty: wherever it comes by
	Relay       string // the node whose relay the two use; empty: none can be had
	PartnerNode string // the node that the partner's connection to the lobby is at
}
