package wsconn

import (
	"errors"
	"io"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"
	"golang.org/x/time/rate"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

const (
	// closeGrace is how long a client has to answer a close frame.
	closeGrace = 2 * time.Second
	// maxLingerBytes is how much is read from a client that goes on sending.
	maxLingerBytes = 1 << 20
)

// Session is what a service makes of one connection. All three are called by
// the connection's reader, one after the other; they own its state together.
type Session interface {
	// Message is called for each message, text or binary. The bytes are the
	// connection's again when it returns.
	Message(text []byte)
	// Idle is called when everything that has arrived was handled and the
	// reader is about to wait.
	Idle()
	// Closed is called once, last, when the connection has ended for
	// whatever reason. Left means that the client said so, by a close frame;
	// otherwise it may be its network that is gone.
	Closed(left bool)
}

// Conn is one WebSocket. Its methods are safe for concurrent use.
type Conn struct {
	hub   *Hub
	ws    *websocket.Conn
	watch *watchedConn
	addr  netip.Addr
	pass  *pass
	log   *slog.Logger

	lastSeen atomic.Int64 // when the last frame came, in nanoseconds since the hub was made
	slot     int          // of the hub's sweep
	control  atomic.Bool  // pings are control frames, whatever the hub's are

	messages *rate.Limiter // the budgets of the client; used by the reader only
	bytes    *rate.Limiter

	mu       sync.Mutex // guards the fields below; never held while writing
	writing  bool       // somebody writes, and will write the queue too
	queue    [][]byte
	queued   int    // bytes in queue
	late     string // what the client is told when the read deadline passes
	farewell []byte // close frame to send after the queue; set: nothing more is sent
	parted   bool   // the close frame was sent, or cannot be
}

// Errors of Send.
var (
	ErrClosed = errors.New("websocket is closed")
	ErrSlow   = errors.New("websocket reads too slowly")
)

// Addr is the client's address, as a trusted proxy reported it.
func (c *Conn) Addr() netip.Addr { return c.addr }

// Quiet tells whether the client is, as far as this host knows, still there
// with nothing to say: everything that has arrived was handled, and neither
// data nor an end of the connection is pending.
func (c *Conn) Quiet() bool { return c.watch.quiet() }

// Keep ends the wait for the first message that makes sense: from now on the
// client stays as long as it answers pings. Until a session calls it, the
// connection lives for Config.FirstMessage.
func (c *Conn) Keep() { c.waitFor(time.Time{}, wire.ReasonDone) }

// EndWithin makes the connection end with code 1000 after d, if the client
// has not ended it before.
func (c *Conn) EndWithin(d time.Duration) { c.waitFor(time.Now().Add(d), wire.ReasonDone) }

// read is the life of a connection: its one goroutine.
func (c *Conn) read(s Session) {
	err := c.readMessages(s)
	c.watch.idle = nil
	s.Closed(errors.As(err, new(*websocket.CloseError)) && !websocket.IsCloseError(err, websocket.CloseAbnormalClosure))
	c.log.Debug("websocket closed", "reason", describe(err))
	c.end(err)
}

// readMessages hands messages to the session until the connection ends.
func (c *Conn) readMessages(s Session) error {
	c.watch.idle = s.Idle
	for {
		_, r, err := c.ws.NextReader()
		if err != nil {
			return err
		}
		if err := c.readMessage(r, s); err != nil {
			return err
		}
	}
}

// errFlood ends a client that has spent its budget of messages.
var errFlood = errors.New("too many messages")

func (c *Conn) readMessage(r io.Reader, s Session) error {
	buf := c.hub.buffers.take()
	defer c.hub.buffers.give(buf)
	if _, err := buf.ReadFrom(r); err != nil {
		return err
	}
	c.seen()
	if !c.spend(buf.Len()) {
		return errFlood
	}
	if !c.ending() {
		s.Message(buf.Bytes())
	}
	return nil
}

// spend takes one message of n bytes off the client's budgets.
func (c *Conn) spend(n int) bool {
	now := time.Now()
	return c.messages.AllowN(now, 1) && c.bytes.AllowN(now, n)
}

// waitFor sets how long the client is waited for, and what it is told then.
// The zero time is for ever.
func (c *Conn) waitFor(deadline time.Time, reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.farewell == nil {
		c.late = reason
		_ = c.watch.SetReadDeadline(deadline) // fails only if it has ended already
	}
}

// UseControlPings makes the pings of this connection control frames (RFC 6455
// §5.5.2) from now on, which no client sees; those of the others stay
// Config.Ping.
func (c *Conn) UseControlPings() { c.control.Store(true) }

// Ping asks the client for a sign of life now. It never waits.
func (c *Conn) Ping() {
	if c.hub.cfg.Ping != nil && !c.control.Load() {
		_ = c.Post(c.hub.cfg.Ping) // its reader learns of an end by itself
		return
	}
	c.hub.spawn(func() { _ = c.ws.WriteControl(websocket.PingMessage, nil, time.Now().Add(c.hub.cfg.WriteTimeout)) })
}

// Silence is how long nothing has come from the client.
func (c *Conn) Silence() time.Duration {
	return time.Since(c.hub.born) - time.Duration(c.lastSeen.Load())
}

func (c *Conn) seen() { c.lastSeen.Store(int64(time.Since(c.hub.born))) }

// end parts with the client and gives everything back. Only the reader calls
// it, last.
func (c *Conn) end(why error) {
	switch {
	case isTimeout(why):
		c.part(wire.CloseNormal, c.late)
	case errors.Is(why, errFlood):
		c.part(wire.ClosePolicy, wire.ReasonFlood)
	default: // the client has closed, or gorilla has told it why we do
		c.forbidSending()
	}
	c.sayFarewell()
	if errors.Is(why, errFlood) || errors.Is(why, websocket.ErrReadLimit) {
		c.linger()
	}
	_ = c.ws.Close() // it has ended, whatever this says
	c.hub.remove(c)
	if c.pass != nil {
		c.pass.guard.leave(c.addr)
	}
}

// linger waits until a client that was still sending has read its close
// frame: closing a socket with unread data would reset the connection.
func (c *Conn) linger() {
	_ = c.watch.SetReadDeadline(time.Now().Add(closeGrace)) // fails only if it has ended already
	_, _ = io.Copy(io.Discard, io.LimitReader(c.watch, maxLingerBytes))
}

// cut makes the reader stop at once.
func (c *Conn) cut() {
	_ = c.watch.SetReadDeadline(time.Unix(1, 0)) // fails only if it has ended already
}

// describe says in few words why a connection ended, for the log: a name for
// what is usual, nothing that the client chose.
func describe(err error) string {
	var closed *websocket.CloseError
	switch {
	case errors.As(err, &closed) && closed.Code == websocket.CloseAbnormalClosure:
		return "lost"
	case errors.As(err, &closed):
		return "closed by the client"
	case errors.Is(err, websocket.ErrReadLimit):
		return "message too big"
	case isTimeout(err):
		return "time is up"
	case errors.Is(err, errFlood):
		return "flood"
	default:
		return "lost"
	}
}

func isTimeout(err error) bool {
	var timeout interface{ Timeout() bool }
	return errors.As(err, &timeout) && timeout.Timeout()
}
