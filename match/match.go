package match

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/wsconn"
	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

const (
	// partTime is how long a matched client has to close its connection.
	partTime = 10 * time.Second
	// newsEvery is how often those who asked are told how many wait.
	newsEvery = time.Second
)

// Config is what a lobby needs from others. RoomKey is required, zero fields
// mean what their comment says.
type Config struct {
	// RoomKey returns a new room id, which is the admission to the room.
	RoomKey func() string
	// ICEServers mints what one side of a room is given to connect with, and
	// says until when it is good. The partner's address is where he came from.
	// nil: nothing.
	ICEServers func(room string, side wire.Side, partner netip.Addr) ([]wire.ICEServer, time.Time)
	// SignalingURL is where rooms live. Empty: on the host that answered.
	SignalingURL string
	// Online is how many people are here, for WAITING messages. nil: those
	// who are connected to the lobby.
	Online func() int

	MaxWait    time.Duration // then TIMEOUT; 2 min
	MaxMessage int           // bytes; wire.MaxMessageBytes
	Log        *slog.Logger  // nil: silent
}

// Lobby is the waiting room: an http.Handler for /matchmaking. Serve keeps it.
type Lobby struct {
	cfg  Config
	hub  *wsconn.Hub
	pool pool

	matches  atomic.Uint64
	timeouts atomic.Uint64
	refusals atomic.Uint64
}

// Stats counts what a lobby has done.
type Stats struct {
	Connected int    // WebSockets open now
	Waiting   int    // of these, who waits
	Matches   uint64 // pairs told
	Timeouts  uint64 // nobody came
	Refused   uint64 // first messages that were no MatchRequest
}

// New returns a lobby that is open.
func New(cfg Config) *Lobby {
	if cfg.MaxWait == 0 {
		cfg.MaxWait = 2 * time.Minute
	}
	l := &Lobby{cfg: cfg}
	l.hub = wsconn.NewHub(wsconn.Config{MaxMessage: cfg.MaxMessage, Log: cfg.Log})
	if l.cfg.Online == nil {
		l.cfg.Online = l.hub.Len
	}
	return l
}

// ServeHTTP upgrades a request; the visitor is matched from then on.
func (l *Lobby) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	l.hub.Accept(w, r, func(c *wsconn.Conn) wsconn.Session {
		return &visitor{lobby: l, conn: c}
	})
}

// Serve keeps the lobby until ctx ends; then nobody is matched any more, those
// who wait are told, and it returns when the last connection has ended.
func (l *Lobby) Serve(ctx context.Context) error {
	hubCtx, closeHub := context.WithCancel(context.WithoutCancel(ctx))
	defer closeHub()
	hubDone := make(chan error, 1)
	go func() { hubDone <- l.hub.Serve(hubCtx) }() // waited for below

	l.receive(ctx)

	for _, t := range l.pool.close() {
		t.visitor.part(wire.MatchMessage{Type: wire.MatchError, Reason: wire.ErrorShuttingDown}, wire.CloseGoingAway, wire.ReasonShutdown)
	}
	closeHub()
	return <-hubDone
}

// receive looks after those who wait until ctx ends.
func (l *Lobby) receive(ctx context.Context) {
	tick := time.NewTicker(newsEvery)
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			l.round(now)
		case <-ctx.Done():
			return
		}
	}
}

// Stats is a snapshot of the lobby's counters.
func (l *Lobby) Stats() Stats {
	return Stats{
		Connected: l.hub.Len(),
		Waiting:   l.pool.len(),
		Matches:   l.matches.Load(),
		Timeouts:  l.timeouts.Load(),
		Refused:   l.refusals.Load(),
	}
}

// round sends home who has waited too long, and news to who asked for it.
func (l *Lobby) round(now time.Time) {
	for _, t := range l.pool.all() {
		if now.Sub(t.since) < l.cfg.MaxWait {
			t.visitor.tellNews()
		} else if l.pool.cancel(t) {
			l.timeouts.Add(1)
			t.visitor.part(wire.MatchMessage{Type: wire.MatchTimeout}, wire.CloseNormal, wire.ReasonTimeout)
		}
	}
}

// pair offers a ticket until it has a partner who could be told, or waits.
func (l *Lobby) pair(newcomer *ticket) {
	for {
		waited, enlisted := l.pool.offer(newcomer)
		if enlisted {
			newcomer.visitor.tellNews()
		}
		if waited == nil || l.introduce(waited.visitor, newcomer.visitor) {
			return
		}
		l.pool.again(newcomer)
	}
}

// introduce gives two visitors a room. The one who waited is told first: if
// that fails the other has lost nothing.
func (l *Lobby) introduce(waited, newcomer *visitor) bool {
	both := meeting{room: l.cfg.RoomKey(), at: time.Now(), tags: shared(waited.request.Tags, newcomer.request.Tags)}
	if waited.meet(both, wire.SideA, newcomer) != nil {
		l.pool.cancel(waited.ticket)
		return false
	}
	l.matches.Add(1)
	_ = newcomer.meet(both, wire.SideB, waited) // who cannot be told is gone; the room notices
	return true
}

// meeting is what the two of a pair have in common.
type meeting struct {
	room string
	at   time.Time
	tags []string
}

func shared(a, b []string) (both []string) {
	for _, tag := range a {
		if slices.Contains(b, tag) {
			both = append(both, tag)
		}
	}
	return both
}
