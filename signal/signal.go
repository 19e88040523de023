package signal

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/wsconn"
	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

const (
	// pingEvery is how often Ayame's server sends its ping.
	pingEvery = 5 * time.Second
	// tickEvery is how late an alarm may ring.
	tickEvery = 250 * time.Millisecond
)

// Config is what the rooms need from others. Admit is required, zero fields
// mean what their comment says. None of the functions is called while a lock
// is held.
type Config struct {
	// Admit says until when a room id admits, or why it does not.
	Admit func(roomID string) (expires time.Time, err error)
	// OpenRoom lets applications choose room ids of their own: whatever Admit
	// refuses names such a room. It returns a new name by which ICEServers and
	// Ended know it, one that nobody can choose, of at most 63 bytes. nil: Admit
	// decides.
	OpenRoom func() string
	// ICEServers mints what one side of a room is given to connect with, and
	// says until when it is good; zero: for ever. Whether that side hides where
	// it is counts for what others may reach. The partner's address is where he
	// came from; it is not valid while he has not come, or if he hides. nil:
	// nothing.
	ICEServers func(room string, side wire.Side, hides bool, partner netip.Addr) ([]wire.ICEServer, time.Time)
	// Ended is told when a room is over for good: a member has left by closing,
	// or the second one has not come; not when a member was only lost, or was
	// standalone, for then the chat may go on. nil: nobody is told.
	Ended func(room string)
	// Absent is told who came to a room with one of our ids and met nobody
	// there within 9.5 s. nil: nobody is told.
	Absent func(room, clientID string, addr netip.Addr)

	// Happened is told what happens to a room, by the name that ICEServers knows it
	// by; it must not wait. nil: nobody is told.
	Happened func(room string, e Event)
	// Verdict is why the two of a room were not connected, as far as is known; it
	// must not wait. With it, clients that announced wire.ExtOutcome are asked for
	// theirs, and told. nil: nobody knows.
	Verdict func(room string) wire.Verdict

	// Seal is a MAC with a key that outlives the process: by it a room is built
	// anew when its members come back after a restart. nil: they are strangers.
	Seal func(text []byte) [16]byte

	// Fleet reaches the rooms of other nodes. nil: this one is alone.
	Fleet Fleet

	AuthnURL      string // webhook that decides who may enter, http or https; empty: everybody
	DisconnectURL string // webhook that is told when a registered client has gone; empty: none

	MaxMessage int          // bytes; wire.MaxMessageBytes
	Log        *slog.Logger // nil: silent
}

// Rooms is an http.Handler for /signaling. Serve keeps it.
type Rooms struct {
	cfg    Config
	hub    *wsconn.Hub
	hooks  *webhooks
	notary *notary
	trunks *trunks // nil: this node is alone
	registry
	standing standing

	accepted  atomic.Uint64
	rejected  atomic.Uint64
	resumed   atomic.Uint64
	rebuilt   atomic.Uint64
	absences  atomic.Uint64
	refreshes atomic.Uint64
	relayed   atomic.Uint64
	hidden    atomic.Uint64
	faults    atomic.Uint64
}

// Stats counts what the rooms have seen.
type Stats struct {
	Connected int    // WebSockets open now
	Rooms     int    // rooms with somebody in them, or held for somebody
	Standby   int    // connections that stand by, until they register
	Evicted   uint64 // connections that stood by and gave way to others of their address
	Accepted  uint64 // seats given
	Rejected  uint64 // seats refused
	Resumed   uint64 // members that came back to their seat
	Rebuilt   uint64 // of them, those that knew it from an earlier process
	Absent    uint64 // rooms to which the second member did not come
	Refreshes uint64 // times that a member was sent fresh ICE servers
	Relayed   uint64 // messages for the other one
	Hidden    uint64 // candidates that were not passed on, because they say where their sender is
	Faults    uint64 // connections closed for what they said

	Proxied   int    // of Connected, those whose rooms other nodes keep
	Hosted    int    // connections that other nodes hold, in rooms of this one
	Lost      uint64 // links with other nodes that were given up in silence
	Resent    uint64 // frames that were sent to them again
	TakenOver uint64 // rooms whose home did not answer
	Moved     uint64 // rooms that another node has taken over

	WebhookFailures uint64 // calls without an answer that makes sense, or not made because of too many
	WebhookDropped  uint64 // reports that were not made
}

// New returns rooms that are open.
func New(cfg Config) *Rooms {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	r := &Rooms{
		cfg:      cfg,
		hooks:    newWebhooks(cfg.AuthnURL, cfg.DisconnectURL, cfg.Log),
		notary:   newNotary(cfg.Seal, cfg.Fleet != nil),
		registry: registry{rooms: map[string]*room{}},
		standing: standing{sources: map[netip.Prefix][]*member{}},
		hub: wsconn.NewHub(wsconn.Config{
			MaxMessage: cfg.MaxMessage,
			PingEvery:  pingEvery,
			Ping:       wsconn.JSON(wire.SignalType{Type: wire.SignalPing}),
			Log:        cfg.Log,
		}),
	}
	r.trunks = newTrunks(r, cfg.Fleet)
	return r
}

// ServeHTTP upgrades a request; the client has to register first.
func (r *Rooms) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.hub.Accept(w, req, func(c *wsconn.Conn) wsconn.Session {
		return &member{rooms: r, conn: c}
	})
}

// Serve keeps the rooms until ctx ends; then everybody is sent away without a
// bye, because the chats go on, and it returns when the last connection has
// ended and the webhook knows of it, or had 5 s to learn.
func (r *Rooms) Serve(ctx context.Context) error {
	hubCtx, closeHub := context.WithCancel(context.WithoutCancel(ctx))
	defer closeHub()
	hubDone := make(chan error, 1)
	go func() { hubDone <- r.hub.Serve(hubCtx) }() // waited for below
	reportCtx, stopReports := context.WithCancel(context.WithoutCancel(ctx))
	defer stopReports()
	reported := make(chan struct{})
	go func() { // waited for in finish
		defer close(reported)
		r.hooks.report(reportCtx)
	}()
	tick := time.NewTicker(tickEvery)
	defer tick.Stop()
	stopping := ctx.Done()
	for {
		select {
		case <-stopping:
			stopping = nil
			r.close()
			closeHub()
			r.sendAway()
		case now := <-tick.C:
			r.attend(now)
			if r.trunks != nil {
				r.trunks.tick(now)
			}
		case err := <-hubDone:
			r.finish(reported, stopReports)
			return err
		}
	}
}

// finish reports the last stays, when no connection is left.
func (r *Rooms) finish(reported <-chan struct{}, stop func()) {
	if r.trunks != nil {
		r.trunks.close()
	}
	r.hooks.questions.Wait() // their clients have left
	r.tell(r.abandonAll())
	if r.hooks.stays != nil {
		close(r.hooks.stays)
	}
	late := time.AfterFunc(flushTimeout, stop)
	defer late.Stop()
	<-reported
	r.hooks.client.CloseIdleConnections()
}

// SetMaxMessage changes Config.MaxMessage while the rooms serve.
func (r *Rooms) SetMaxMessage(bytes int) { r.hub.SetMaxMessage(bytes) }

// Online is how many people are here, for a count of all: who stands by is not
// among them, because he is counted where he looks for a partner.
func (r *Rooms) Online() int {
	standing, _ := r.standing.count()
	return max(0, r.hub.Len()-standing)
}

// Stats is a snapshot of the counters.
func (r *Rooms) Stats() Stats {
	standing, evicted := r.standing.count()
	s := Stats{
		Connected: r.hub.Len(),
		Rooms:     r.occupied(),
		Standby:   standing,
		Evicted:   evicted,
		Accepted:  r.accepted.Load(),
		Rejected:  r.rejected.Load(),
		Resumed:   r.resumed.Load(),
		Rebuilt:   r.rebuilt.Load(),
		Absent:    r.absences.Load(),
		Refreshes: r.refreshes.Load(),
		Relayed:   r.relayed.Load(),
		Hidden:    r.hidden.Load(),
		Faults:    r.faults.Load(),

		WebhookFailures: r.hooks.failed.Load(),
		WebhookDropped:  r.hooks.dropped.Load(),
	}
	if r.trunks != nil {
		r.trunks.count(&s)
	}
	return s
}
