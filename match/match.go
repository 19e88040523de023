package match

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/wsconn"
	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

const (
	// pingEvery is how often the lobby asks each client for a sign of life: of
	// one that lives it hears every 5 s and a round trip, so that it means
	// something to be silent for longer than silentAfter.
	pingEvery   = 5 * time.Second
	silentAfter = 10 * time.Second
	// partTime is how long a matched client has to close its connection. It
	// is longer than the 10 s within which one hears in the room that the
	// partner has not come: then it is offered again on that connection.
	partTime = 15 * time.Second
)

// Config is what a lobby needs from others. RoomName is required, and RoomID
// unless there is a Pool; zero fields mean what their comment says.
type Config struct {
	PoolConfig

	// Pool pairs the visitors. nil: NewMemory with PoolConfig.
	Pool Pool
	// ICEServers mints what one side of a room is given to connect with, and says
	// until when it is good. nil: nothing.
	ICEServers func(Wanted) ([]wire.ICEServer, time.Time)
	// Warm is the same for who still waits. Zero: nobody is given anything.
	Warm Warm
	// SignalingURL is where rooms live, unless a Meeting says at which node. Empty:
	// on the host that answered.
	SignalingURL string
	// Online is how many people are here, for WAITING messages. nil: those
	// who look for a partner.
	Online func() int
	// Waited is told how long each visitor has waited who was matched, the
	// cool-down not included. nil: nobody is told.
	Waited func(time.Duration)
	// Happened is told what happens to a room, by its name; it must not wait. nil:
	// nobody is told.
	Happened func(room string, e Event)
	// FairUse bounds what one visitor and one address may take.
	FairUse FairUse
	// Fleet is how to reach the lobbies of other nodes, and Node the id of this one
	// among them. What is counted of a visitor or an address is counted by each node
	// for itself: it may take of each what FairUse says. nil: there are no others.
	Fleet Fleet
	Node  string
	// Line is the other processes of this server, in the place of Fleet and Node: one
	// that retires (Lobby.Retire) hands its visitors over to the one that serves. nil:
	// there are none.
	Line Line
	// Banned is told of whom the operator has banned at another node: the ids of the
	// rooms of the last hour that he was told of here, and what network is banned; not
	// valid, if it is a device. It must not wait. nil: nobody is told.
	Banned func(rooms []string, network netip.Prefix)
	// Bans keeps out whom many have reported. nil: those of OpenBans, in
	// memory only.
	Bans *Bans

	MaxStandby int          // who stand by at once; of more, the ones that were told longest ago who is online give way; 4096
	MaxMessage int          // bytes; wire.MaxMessageBytes
	Log        *slog.Logger // nil: silent

	pingEvery, silentAfter time.Duration // tests are in a hurry; 0: the constants
}

// Lobby is the waiting room: an http.Handler for /matchmaking. Serve keeps it.
type Lobby struct {
	cfg       Config
	hub       *wsconn.Hub
	pool      Pool
	turnstile *turnstile
	meetings  *meetings
	standby   *standby
	others    *others // nil: there are no other nodes
	kin       *kin    // nil: there are no other processes of this server, ever

	bequeathed atomic.Pointer[time.Time] // when Estate was asked for; nil: never

	draining atomic.Bool  // nobody is matched any more
	tagWait  atomic.Int64 // a time.Duration, for those who are told

	visitors atomic.Int64
	matches  atomic.Uint64
	timeouts atomic.Uint64
	reports  atomic.Uint64
	reoffers atomic.Uint64
	warmed   atomic.Uint64
	refusals map[string]*atomic.Uint64 // by the Error constants of wire; never changes
}

// Stats counts what a lobby has done.
type Stats struct {
	Connected int               // WebSockets open now, whose visitors are here
	Piped     int               // WebSockets open now that are kept for another process, where they count
	Standby   int               // of these, who stand by: have not asked yet
	Visitors  int               // who has asked for a partner and has none
	Waiting   int               // of these, who is in the pool
	Bans      int               // that hold
	Matches   uint64            // pairs told
	Timeouts  uint64            // nobody came
	Reports   uint64            // that count
	Reoffers  uint64            // visitors whose partner did not come, and who were offered again
	Warmed    uint64            // WAITING messages with ICE servers
	Unread    uint64            // messages of other nodes that were none
	Refused   uint64            // ERROR messages
	Refusals  map[string]uint64 // the same by reason, of all the Error constants of wire
}

// New returns a lobby that is open.
func New(cfg Config) *Lobby {
	if cfg.Bans == nil {
		cfg.Bans = newBans(BansConfig{Log: cfg.Log})
	}
	cfg.PoolConfig = cfg.WithDefaults()
	if cfg.Line != nil {
		cfg.Fleet, cfg.Node = cfg.Line, cfg.Line.Node()
	}
	cfg.pingEvery = cmp.Or(cfg.pingEvery, pingEvery)
	cfg.silentAfter = cmp.Or(cfg.silentAfter, silentAfter)
	l := &Lobby{
		cfg: cfg, pool: cfg.Pool, turnstile: newTurnstile(cfg.FairUse), meetings: newMeetings(cfg.Node),
		standby: newStandby(cfg.MaxStandby), refusals: map[string]*atomic.Uint64{},
	}
	l.tagWait.Store(int64(cfg.TagWait))
	if l.pool == nil {
		l.pool = NewMemory(cfg.PoolConfig)
	}
	l.hub = wsconn.NewHub(wsconn.Config{MaxMessage: cfg.MaxMessage, PingEvery: cfg.pingEvery, Log: cfg.Log})
	if l.cfg.Online == nil {
		l.cfg.Online = l.Visitors
	}
	l.others = newOthers(l, cfg.Fleet, cfg.Node)
	l.kin = newKin(l, cfg.Line)
	for _, reason := range []string{
		wire.ErrorBadRequest, wire.ErrorShuttingDown, wire.ErrorTooMany, wire.ErrorTooFast, wire.ErrorBanned, wire.ErrorUnknownRoom,
	} {
		l.refusals[reason] = new(atomic.Uint64)
	}
	return l
}

// ServeHTTP upgrades a request; the visitor is matched from then on.
func (l *Lobby) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	l.hub.Accept(w, r, func(c *wsconn.Conn) wsconn.Session {
		return &visitor{lobby: l, conn: socket{near: c}}
	})
}

// SetRules changes the rules of the pool and those of fair use while the lobby
// serves. Who waits goes on waiting, by the new ones; nobody is sent away.
func (l *Lobby) SetRules(r Rules, use FairUse) {
	l.tagWait.Store(int64(l.cfg.With(r).TagWait))
	l.turnstile.set(use)
	l.pool.SetRules(r)
}

// SetMaxMessage changes Config.MaxMessage while the lobby serves.
func (l *Lobby) SetMaxMessage(bytes int) { l.hub.SetMaxMessage(bytes) }

// Absent tells the lobby that a room has one member only, for the other one
// has not come within a time that is less than partTime: clientID and addr are
// of who came. He is offered again, before all others: at once if his
// connection to the lobby is still open and he is told of WAITING; else when
// he comes back within half a minute. It never waits.
func (l *Lobby) Absent(room, clientID string, addr netip.Addr) {
	m := &absence{Room: room, Client: clientID, Addr: addr}
	if node, known := l.offerAgain(m); node != "" || !known {
		l.others.absent(node, m)
	}
}

// offerAgain takes back whoever is alone in a room if his connection was here. Else
// it tells at which node it is or, known being false, that nobody here knows.
func (l *Lobby) offerAgain(m *absence) (node string, known bool) {
	v, g, known := l.meetings.absent(m)
	switch {
	case v != nil:
		v.conn.Ping() // the answer makes its reader offer the ticket
		l.happened(m.Room, Event{Kind: EventReoffered})
	case g.node != "" && l.others != nil:
		return g.node, true
	case g.User != "":
		l.others.place(g.User, false)
	}
	return "", known
}

// Serve keeps the lobby until ctx ends; then nobody is matched any more, those
// who wait are told, and it returns when the last connection has ended and the
// bans are written down.
func (l *Lobby) Serve(ctx context.Context) error {
	hubCtx, closeHub := context.WithCancel(context.WithoutCancel(ctx))
	defer closeHub()
	hubDone, standbyDone := make(chan error, 1), make(chan struct{})
	var bans sync.WaitGroup
	bansCtx, closeBans := context.WithCancel(context.WithoutCancel(ctx))
	defer closeBans()
	standbyCtx, closeStandby := context.WithCancel(ctx)
	defer closeStandby()
	go func() { hubDone <- l.hub.Serve(hubCtx) }() // waited for below
	bans.Go(func() { l.cfg.Bans.serve(bansCtx) })  // waited for below
	if l.cfg.Bans.cfg.Store != nil {
		bans.Go(func() { l.cfg.Bans.serveStore(bansCtx) })
	}
	go func() { defer close(standbyDone); l.standby.serve(standbyCtx, l.cfg.Online) }() // waited for below

	err := l.servePool(ctx)
	closeStandby()
	<-standbyDone

	l.kin.goingAway()
	closeHub()
	if hubErr := <-hubDone; err == nil {
		err = hubErr
	}
	l.kin.close()
	closeBans()
	bans.Wait()
	return err
}

// servePool keeps the pool until ctx ends. Then who waits is sent away, but not before
// the others have been told that he keeps his place.
func (l *Lobby) servePool(ctx context.Context) error {
	if l.others == nil {
		return l.pool.Serve(ctx)
	}
	poolCtx, closePool := context.WithCancel(context.WithoutCancel(ctx))
	defer closePool()
	moved := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(moved)
		l.moveOut()
		closePool()
	})
	err := l.pool.Serve(poolCtx)
	if !stop() {
		<-moved
	}
	return err
}

// Visitors is how many have asked for a partner and have none.
func (l *Lobby) Visitors() int { return int(l.visitors.Load()) }

// Stats is a snapshot of the lobby's counters.
func (l *Lobby) Stats() Stats {
	here, there := l.kin.count()
	s := Stats{
		Connected: l.hub.Len() - here + there,
		Piped:     here,
		Standby:   l.standby.count(),
		Visitors:  l.Visitors(),
		Waiting:   l.pool.Waiting(),
		Bans:      len(l.cfg.Bans.List()),
		Matches:   l.matches.Load(),
		Timeouts:  l.timeouts.Load(),
		Reports:   l.reports.Load(),
		Reoffers:  l.reoffers.Load(),
		Warmed:    l.warmed.Load(),
		Refusals:  make(map[string]uint64, len(l.refusals)),
	}
	if l.others != nil {
		s.Unread = l.others.unread.Load()
	}
	for reason, count := range l.refusals {
		s.Refusals[reason] = count.Load()
		s.Refused += s.Refusals[reason]
	}
	return s
}
