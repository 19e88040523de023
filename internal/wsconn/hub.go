package wsconn

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/gorilla/websocket"
	"golang.org/x/time/rate"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

const (
	// parts is into how many parts the sweeper cuts its round, so that it
	// never pings everybody at the same instant.
	parts = 64
	// maxPooledBytes bounds the read buffers that are kept for reuse.
	maxPooledBytes = 16 << 10
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

// Hub holds the connections of one service. Make one with NewHub.
type Hub struct {
	cfg      Config
	born     time.Time
	upgrader websocket.Upgrader
	buffers  bufferPool
	running  sync.WaitGroup // readers and flushes; added to under mu, while not closing

	mu      sync.Mutex // guards the fields below; never held while sending
	closing bool
	count   int
	next    int // slice of the next connection
	slots   [parts]map[*Conn]struct{}
}

// NewHub returns a hub that accepts connections. Serve watches over them.
func NewHub(cfg Config) *Hub {
	h := &Hub{cfg: cfg.withDefaults(), born: time.Now()}
	h.upgrader = websocket.Upgrader{
		HandshakeTimeout: 5 * time.Second,
		ReadBufferSize:   512,
		WriteBufferSize:  1024,
		WriteBufferPool:  new(sync.Pool),
	}
	for i := range h.slots {
		h.slots[i] = map[*Conn]struct{}{}
	}
	return h
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
	pass := passOf(r)
	upgrader := h.upgrader
	if pass != nil {
		upgrader.CheckOrigin = func(*http.Request) bool { return true } // the guard has checked it
	}
	if h.isClosing() {
		w.Header().Set("Retry-After", "5")
		http.Error(w, wire.ReasonShutdown, http.StatusServiceUnavailable)
		return
	}
	watcher := &watchingWriter{ResponseWriter: w}
	ws, err := upgrader.Upgrade(watcher, r, nil)
	if err != nil {
		return // Upgrade has answered
	}
	c := &Conn{
		hub: h, ws: ws, watch: watcher.conn, pass: pass, addr: hostAddr(r.RemoteAddr),
		messages: rate.NewLimiter(rate.Limit(h.cfg.MessageRate), int(5*h.cfg.MessageRate)),
		bytes:    rate.NewLimiter(rate.Limit(h.cfg.ByteRate), max(int(60*h.cfg.ByteRate), h.cfg.MaxMessage)),
	}
	if pass != nil {
		c.addr = pass.addr
		pass.taken = true
	}
	c.log = h.cfg.Log.With("addr", c.addr)
	h.start(c, open)
}

// start makes a connection known and starts its reader.
func (h *Hub) start(c *Conn, open func(*Conn) Session) {
	c.ws.SetReadLimit(int64(h.cfg.MaxMessage))
	c.ws.SetPongHandler(func(string) error { c.seen(); return nil })
	c.ws.SetPingHandler(func(data string) error { return c.pong(data) })
	c.waitFor(time.Now().Add(h.cfg.FirstMessage), wire.ReasonFirstMessage)
	c.seen()
	session := open(c)
	if !h.add(c) {
		session.Closed(false)
		c.end(errShutdown)
		return
	}
	c.log.Debug("websocket open")
	go func() { // Serve waits for it
		defer h.running.Done()
		c.read(session)
	}()
}

// errShutdown ends a connection that came too late.
var errShutdown = errors.New(wire.ReasonShutdown)

// pong answers a ping (RFC 6455 §5.5.3), from the budget of messages.
func (c *Conn) pong(data string) error {
	c.seen()
	if !c.spend(len(data)) {
		return errFlood
	}
	_ = c.ws.WriteControl(websocket.PongMessage, []byte(data), time.Now().Add(time.Second)) // a client that does not read is cut elsewhere
	return nil
}

// Serve pings the connections and cuts those that are silent, until ctx ends;
// then it tells everybody, closes them, and returns when the last reader has
// ended. No connection is accepted any more.
func (h *Hub) Serve(ctx context.Context) error {
	tick := time.NewTicker(h.cfg.PingEvery / parts)
	defer tick.Stop()
	for i := 0; ; i = (i + 1) % parts {
		select {
		case <-ctx.Done():
			h.close()
			h.running.Wait()
			return nil
		case <-tick.C:
			h.sweep(i)
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

func (h *Hub) isClosing() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.closing
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
	c.slot = h.next
	h.next = (h.next + 1) % parts
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

// bufferPool keeps read buffers between messages; an idle connection has none.
type bufferPool struct{ pool sync.Pool }

func (p *bufferPool) take() *bytes.Buffer {
	if buf, ok := p.pool.Get().(*bytes.Buffer); ok {
		return buf
	}
	return new(bytes.Buffer)
}

func (p *bufferPool) give(buf *bytes.Buffer) {
	if buf.Cap() <= maxPooledBytes {
		buf.Reset()
		p.pool.Put(buf)
	}
}
