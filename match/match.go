package match

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

// partTime is how long a matched client has to close its connection.
const partTime = 10 * time.Second

// Config is what a lobby needs from others. RoomKey or Pool is required, zero
// fields mean what their comment says.
type Config struct {
	PoolConfig

	// Pool pairs the visitors. nil: NewMemory with PoolConfig.
	Pool Pool
	// ICEServers mints what one side of a room is given to connect with, and
	// says until when it is good. The partner's address is where he came from.
	// nil: nothing.
	ICEServers func(room string, side wire.Side, partner netip.Addr) ([]wire.ICEServer, time.Time)
	// SignalingURL is where rooms live. Empty: on the host that answered.
	SignalingURL string
	// Online is how many people are here, for WAITING messages. nil: those
	// who are connected to the lobby.
	Online func() int

	MaxMessage int          // bytes; wire.MaxMessageBytes
	Log        *slog.Logger // nil: silent
}

// Lobby is the waiting room: an http.Handler for /matchmaking. Serve keeps it.
type Lobby struct {
	cfg  Config
	hub  *wsconn.Hub
	pool Pool

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
	l := &Lobby{cfg: cfg, pool: cfg.Pool}
	if l.pool == nil {
		l.pool = NewMemory(cfg.PoolConfig)
	}
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

	err := l.pool.Serve(ctx)

	closeHub()
	if hubErr := <-hubDone; err == nil {
		err = hubErr
	}
	return err
}

// Stats is a snapshot of the lobby's counters.
func (l *Lobby) Stats() Stats {
	return Stats{
		Connected: l.hub.Len(),
		Waiting:   l.pool.Waiting(),
		Matches:   l.matches.Load(),
		Timeouts:  l.timeouts.Load(),
		Refused:   l.refusals.Load(),
	}
}
