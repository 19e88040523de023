package wsconn

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

const (
	// parts is into how many parts the sweeper cuts its round, so that it
	// never pings everybody at the same instant.
	parts = 64
)

// Config says how a hub treats its connections. Zero fields mean what their
// comment says.
type Config struct {
	MaxMessage    int           // bytes of a message, else close 1009; wire.MaxMessageBytes
	FirstMessage  time.Duration // until the session has to Keep the connection; 5 s
	PingEvery     time.Duration // round of the sweeper; 15 s
	Ping          []byte        // a text message; nil: a WebSocket ping (RFC 6455 §5.5.2)
	DeadAfter     time.Duration // without any frame from the client; 40 s
	WriteTimeout  time.Duration // for one write to a client that does not read; 5 s
	QueueMessages int           // that wait while another is written; 64
	QueueBytes    int           // the same in bytes; 128 KiB
	MessageRate   float64       // messages a second from one client, in bursts of 5 times that; 20
	ByteRate      float64       // bytes a second from one client, in bursts of 60 times that; 256 KiB/60
	Log           *slog.Logger  // nil: silent
}

func (c Config) withDefaults() Config {
	def(&c.MaxMessage, wire.MaxMessageBytes)
	def(&c.FirstMessage, 5*time.Second)
	def(&c.PingEvery, 15*time.Second)
	def(&c.DeadAfter, 40*time.Second)
	def(&c.WriteTimeout, 5*time.Second)
	def(&c.QueueMessages, 64)
	def(&c.QueueBytes, 128<<10)
	def(&c.MessageRate, 20)
	def(&c.ByteRate, 256<<10/60.0)
	c.Log = logger(c.Log)
	return c
}

func def[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Hub holds the connections of one service. Make one with NewHub, and put
// Watch around the listener of a server that speaks TLS.
type Hub struct {
	cfg      Config
	born     time.Time
	messages allowance // of each client
	sizes    atomic.Pointer[sizes]

	upgrader   websocket.Upgrader // checks the origin
	guarded    websocket.Upgrader // leaves that to the Guard
	inboxes    inboxPool
	readers    readerPool
	pages      pagePool
	deliveries deliveryPool
	asides     asides
	laters     laters
	running    sync.WaitGroup // readers and flushes; added to under mu, while not closing

	mu      sync.Mutex // guards the fields below; never held while sending
	closing bool
	paused  bool
	count   int
	swept   int // the part that was swept last
	slots   [parts]map[*Conn]struct{}
}

// NewHub returns a hub that accepts connections. Serve watches over them.
func NewHub(cfg Config) *Hub {
	h := &Hub{cfg: cfg.withDefaults(), born: time.Now()}
	h.asides.laters = &h.laters
	h.messages = allow(h.cfg.MessageRate, 5*h.cfg.MessageRate)
	h.SetMaxMessage(h.cfg.MaxMessage)
	h.upgrader = websocket.Upgrader{WriteBufferPool: new(sync.Pool)} // watchedConn bounds the writing
	h.guarded = h.upgrader
	h.guarded.CheckOrigin = func(*http.Request) bool { return true }
	for i := range h.slots {
		h.slots[i] = map[*Conn]struct{}{}
	}
	return h
}

// sizes is how much a client may send.
type sizes struct {
	message int       // bytes of one
	bytes   allowance // in all
}

// SetMaxMessage changes Config.MaxMessage, with the same default. It counts from
// the next message of each client.
func (h *Hub) SetMaxMessage(n int) {
	def(&n, wire.MaxMessageBytes)
	h.sizes.Store(&sizes{n, allow(h.cfg.ByteRate, max(60*h.cfg.ByteRate, float64(n)))})
}

// Len is how many connections are open.
func (h *Hub) Len() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.count
}

// Accept upgrades a request and gives the connection to the session that open
// makes of it. It returns at once: the connection has a goroutine of its own.
// Without a Guard before it, only the same host is allowed as origin.
func (h *Hub) Accept(w http.ResponseWriter, r *http.Request, open func(*Conn) Session) {
	if h.refuses() {
		w.Header().Set("Retry-After", "5")
		http.Error(w, wire.ReasonShutdown, http.StatusServiceUnavailable)
		return
	}
	pass, upgrader := passOf(w), &h.upgrader
	if pass != nil {
		upgrader = &h.guarded
	}
	c := &Conn{hub: h}
	ws, err := upgrader.Upgrade(&entrance{w, c}, r, nil)
	if err != nil {
		return // Upgrade has answered
	}
	c.ws = ws
	if pass != nil {
		c.addr, c.guard = pass.addr, pass.guard
		pass.taken = true
	} else {
		c.addr = hostAddr(r.RemoteAddr)
	}
	h.start(c, open)
}

// start makes a connection known and starts its reader.
func (h *Hub) start(c *Conn, open func(*Conn) Session) {
	c.ws.SetPongHandler(func(string) error { c.seen(); return nil })
	c.ws.SetPingHandler(func(data string) error { return c.pong([]byte(data)) })
	c.ws.SetCloseHandler(func(int, string) error { return nil }) // part answers
	c.waitUntil(c.seen()+h.cfg.FirstMessage, false)
	c.session = open(c)
	if !h.add(c) {
		c.part(errShutdown)
		return
	}
	h.cfg.Log.Debug("websocket open", "addr", c.addr)
	c.watch.reading = true
	go c.read() // Serve waits for it
}

// errShutdown ends a connection that came too late.
var errShutdown = errors.New(wire.ReasonShutdown)

// now is the time on the hub's clock.
func (h *Hub) now() time.Duration { return time.Since(h.born) }

// Serve pings the connections and cuts those that are silent, until ctx ends;
// then it tells everybody, closes them, and returns when the last reader has
// ended. No connection is accepted any more.
func (h *Hub) Serve(ctx context.Context) error {
	tick := time.NewTicker(h.cfg.PingEvery / parts)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			h.close()
			h.running.Wait()
			h.asides.close()
			return nil
		case <-tick.C:
			h.sweep(h.nextPart())
			h.asides.trim()
		}
	}
}

// sweep pings one slice of the connections.
func (h *Hub) sweep(slot int) {
	for _, c := range h.slice(slot) {
		if c.Silence() > h.cfg.DeadAfter {
			c.Close(wire.CloseNormal, wire.ReasonPongTimeout)
		} else {
			c.Ping()
		}
	}
}

func (h *Hub) nextPart() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.swept = (h.swept + 1) % parts
	return h.swept
}

func (h *Hub) slice(slot int) []*Conn {
	h.mu.Lock()
	defer h.mu.Unlock()
	conns := make([]*Conn, 0, len(h.slots[slot]))
	for c := range h.slots[slot] {
		conns = append(conns, c)
	}
	return conns
}

func (h *Hub) close() {
	h.mu.Lock()
	h.closing = true
	h.mu.Unlock()
	for slot := range h.slots {
		for _, c := range h.slice(slot) {
			c.Close(wire.CloseGoingAway, wire.ReasonShutdown)
		}
	}
}

func (h *Hub) refuses() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.closing || h.paused
}

// Pause refuses new connections, as a hub does that closes, or takes that back.
// Those that are open stay.
func (h *Hub) Pause(on bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.paused = on
}

// Sessions lists what the service has made of the connections that are open.
func (h *Hub) Sessions() []Session {
	h.mu.Lock()
	defer h.mu.Unlock()
	list := make([]Session, 0, h.count)
	for _, slot := range h.slots {
		for c := range slot {
			list = append(list, c.session)
		}
	}
	return list
}

// add makes a connection known, unless the hub is closing.
func (h *Hub) add(c *Conn) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closing {
		return false
	}
	h.running.Add(1)
	h.count++
	// Half a round from now or more, for who has just come is there: evenly, for
	// who came together is not to be pinged together.
	c.slot = uint8((h.swept + parts/2 + h.count%(parts/2)) % parts)
	h.slots[c.slot][c] = struct{}{}
	return true
}

func (h *Hub) remove(c *Conn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, known := h.slots[c.slot][c]; known {
		delete(h.slots[c.slot], c)
		h.count--
	}
}

// spawn runs f beside a connection's reader, for a write that must not make
// the caller wait. Serve waits for it: a write has a deadline.
func (h *Hub) spawn(f func()) {
	h.running.Go(f)
}
