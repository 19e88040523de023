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
	// tidyEvery is how often rooms that are over and expired are forgotten.
	tidyEvery = 10 * time.Second
)

// Config is what the rooms need from others. Admit is required, zero fields
// mean what their comment says.
type Config struct {
	// Admit says until when a room id admits, or why it does not.
	Admit func(roomID string) (expires time.Time, err error)
	// ICEServers mints what one side of a room is given to connect with, and
	// says until when it is good. The partner's address is where he came from;
	// it is not valid for the one who came first. nil: nothing.
	ICEServers func(room string, side wire.Side, partner netip.Addr) ([]wire.ICEServer, time.Time)
	// Ended is told when a member has left a room for good, by closing; not
	// when it was only lost, for then the chat may go on. nil: nobody is told.
	Ended func(room string)

	MaxMessage int          // bytes; wire.MaxMessageBytes
	Log        *slog.Logger // nil: silent
}

// Rooms is an http.Handler for /signaling. Serve keeps it.
type Rooms struct {
	cfg Config
	hub *wsconn.Hub
	registry

	accepted atomic.Uint64
	rejected atomic.Uint64
	relayed  atomic.Uint64
	faults   atomic.Uint64
}

// Stats counts what the rooms have seen.
type Stats struct {
	Connected int    // WebSockets open now
	Rooms     int    // rooms with somebody in them
	Accepted  uint64 // seats given
	Rejected  uint64 // seats refused
	Relayed   uint64 // messages passed on
	Faults    uint64 // connections closed for what they said
}

// New returns rooms that are open.
func New(cfg Config) *Rooms {
	return &Rooms{
		cfg:      cfg,
		registry: registry{rooms: map[string]*room{}},
		hub: wsconn.NewHub(wsconn.Config{
			MaxMessage: cfg.MaxMessage,
			PingEvery:  pingEvery,
			Ping:       wsconn.JSON(wire.SignalType{Type: wire.SignalPing}),
			Log:        cfg.Log,
		}),
	}
}

// ServeHTTP upgrades a request; the client has to register first.
func (r *Rooms) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.hub.Accept(w, req, func(c *wsconn.Conn) wsconn.Session {
		return &member{rooms: r, conn: c}
	})
}

// Serve keeps the rooms until ctx ends; then everybody is sent away without a
// bye, because the chats go on, and it returns when the last connection has
// ended.
func (r *Rooms) Serve(ctx context.Context) error {
	hubDone := make(chan error, 1)
	stop := context.AfterFunc(ctx, r.close)
	defer stop()
	go func() { hubDone <- r.hub.Serve(ctx) }() // waited for below
	tick := time.NewTicker(tidyEvery)
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			r.forget(now)
		case err := <-hubDone:
			return err
		}
	}
}

// Stats is a snapshot of the counters.
func (r *Rooms) Stats() Stats {
	return Stats{
		Connected: r.hub.Len(),
		Rooms:     r.occupied(),
		Accepted:  r.accepted.Load(),
		Rejected:  r.rejected.Load(),
		Relayed:   r.relayed.Load(),
		Faults:    r.faults.Load(),
	}
}
