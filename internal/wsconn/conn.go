package wsconn

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"

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
	hub    *Hub
	ws     *websocket.Conn
	stream net.Conn     // what ws talks to: watch, or TLS on top of it
	watch  *watchedConn // has no buffer while it waits
	addr   netip.Addr
	guard  *Guard // that counts it; nil: none

	lastSeen atomic.Int64 // when the last frame came, on the hub's clock
	control  atomic.Bool  // pings are control frames, whatever the hub's are
	grown    atomic.Bool  // the reader's stack may have grown since it was new
	ending   atomic.Bool  // farewell is set: what the client still says does not count
	slot     uint8        // of the hub's sweep

	// The reader's own.
	session  Session
	reader   *bufio.Reader // where ws reads; empty inside while the reader waits
	lent     *bufio.Reader // to be given back for it; nil: reader is empty inside
	left     *later        // by the session; nil: nothing, or awaitLater was called
	messages budget        // of the client
	bytes    budget

	mu       sync.Mutex    // guards the fields below; never held while writing
	writing  bool          // somebody writes, and will write the queue too
	parted   bool          // the close frame was sent, or cannot be
	kept     bool          // the client has said what it had to say first
	queued   uint32        // frames in queue
	queue    *bytes.Buffer // nil: none
	written  chan struct{} // closed when nobody writes any more; nil: nobody waits for that
	until    time.Duration // how long the client is waited for, on the hub's clock; 0: for ever
	alarm    time.Duration // the read deadline that is set, never later than until; 0: none
	farewell []byte        // payload of the close frame to send after the queue; set: nothing more is sent
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
func (c *Conn) Keep() { c.waitUntil(0, true) }

// FirstMessageWithin gives the client until d from now, instead of
// Config.FirstMessage, for the message with which a session will Keep it.
func (c *Conn) FirstMessageWithin(d time.Duration) {
	c.waitUntil(c.hub.now()+d, false)
}

// EndWithin makes the connection end with code 1000 after d, if the client
// has not ended it before.
func (c *Conn) EndWithin(d time.Duration) { c.waitUntil(c.hub.now()+d, true) }

// read is the life of a connection: its one goroutine. What it needs while
// it waits is kept small, because every idle connection needs it. A stack that
// a message has made grow would stay so; once after each ping, which is when a
// quiet client is heard, it is left behind for a new one.
func (c *Conn) read() {
	err := c.readFrames()
	if errors.Is(err, errGrown) {
		go c.read() // Serve waits for the last of them
		return
	}
	c.watch.reading = false
	c.part(err)
	c.hub.running.Done()
}

// errGrown ends a goroutine, not its connection.
var errGrown = errors.New("the stack has grown")

// readFrames handles frame after frame until the connection ends.
func (c *Conn) readFrames() error {
	handled := false
	for {
		if c.lent == nil {
			c.lent = c.hub.readers.take()
			lend(c.reader, c.lent, c.stream)
		}
		_, err := c.reader.Peek(1)
		switch {
		case err == nil:
			err = c.readFrame()
			handled = true
		case !errors.Is(err, errNothing):
		case handled && c.grown.CompareAndSwap(true, false):
			err = errGrown
		default:
			err = c.watch.wait()
		}
		if err != nil {
			return err
		}
	}
}

// idle is called when everything was handled and the reader is about to wait.
func (c *Conn) idle() {
	if !c.watch.patient { // else gorilla is using it
		c.giveBack()
	}
	c.awaitLater()
	c.session.Idle()
}

func (c *Conn) giveBack() {
	if c.lent != nil {
		c.hub.readers.giveBack(c.reader, c.lent)
		c.lent = nil
	}
}

// readFrame handles the next frame: where it lies, if it can be.
func (c *Conn) readFrame() error {
	arrived, _ := c.reader.Peek(c.reader.Buffered()) // never fails
	f, ours := parseFrame(arrived)
	if !ours || len(f.payload) > c.hub.sizes.Load().message {
		return c.readPieces()
	}
	f.unmask()
	var err error
	switch f.opcode {
	case opPing:
		err = c.pong(f.payload)
	case opPong:
		c.seen()
	default:
		err = c.message(f.payload)
	}
	_, _ = c.reader.Discard(f.size) // never fails
	return err
}

// readPieces lets gorilla read the next message, and waits until all of it has
// come.
func (c *Conn) readPieces() error {
	c.watch.patient = true
	defer func() { c.watch.patient = false }()
	c.ws.SetReadLimit(int64(c.hub.sizes.Load().message))
	_, r, err := c.ws.NextReader()
	if err != nil {
		return err
	}
	page := c.hub.pages.take()
	defer c.hub.pages.give(page)
	if _, err := page.ReadFrom(r); err != nil {
		return err
	}
	return c.message(page.Bytes())
}

// errFlood ends a client that has spent its budget of messages.
var errFlood = errors.New("too many messages")

func (c *Conn) message(text []byte) error {
	if !c.spend(c.seen(), len(text)) {
		return errFlood
	}
	if !c.ending.Load() {
		c.awaitLater()
		c.session.Message(text)
	}
	return nil
}

// pong answers a ping (RFC 6455 §5.5.3), from the budget of messages.
func (c *Conn) pong(data []byte) error {
	if !c.spend(c.seen(), len(data)) {
		return errFlood
	}
	_ = c.send(opPong, data) // if it cannot be written to, the reader has been told
	return nil
}

// spend takes one message of n bytes off the client's budgets.
func (c *Conn) spend(now time.Duration, n int) bool {
	return c.messages.spend(now, 1, c.hub.messages) && c.bytes.spend(now, n, c.hub.sizes.Load().bytes)
}

// waitUntil sets how long the client is waited for, on the hub's clock, and
// whether it has said what it had to say first. Zero is for ever.
func (c *Conn) waitUntil(until time.Duration, kept bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.farewell == nil {
		c.kept = kept
		c.bound(until)
	}
}

// bound sets how long the client is waited for. A deadline costs a timer, so one
// that is set and comes before it is left: timeIsUp sets the next one. c.mu is
// held.
func (c *Conn) bound(until time.Duration) {
	c.until = until
	if until != 0 && (c.alarm == 0 || until < c.alarm) {
		c.setAlarm()
	}
}

func (c *Conn) setAlarm() {
	c.alarm = c.until
	var deadline time.Time // none
	if c.alarm != 0 {
		deadline = c.hub.born.Add(c.alarm)
	}
	_ = c.watch.SetReadDeadline(deadline) // fails only if it has ended already
}

// timeIsUp tells, when the read deadline that was set has passed, whether the
// client is waited for no more.
func (c *Conn) timeIsUp() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.until != 0 && c.until <= c.hub.now() {
		return true
	}
	c.setAlarm()
	return false
}

// lateReason is what a client is told that was waited for in vain.
func (c *Conn) lateReason() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.kept {
		return wire.ReasonDone
	}
	return wire.ReasonFirstMessage
}

// UseControlPings makes the pings of this connection control frames (RFC 6455
// §5.5.2) from now on, which no client sees; those of the others stay
// Config.Ping.
func (c *Conn) UseControlPings() { c.control.Store(true) }

// Ping asks the client for a sign of life now. It never waits.
func (c *Conn) Ping() {
	c.grown.Store(true)
	if c.hub.cfg.Ping != nil && !c.control.Load() {
		_ = c.post(opText, c.hub.cfg.Ping) // its reader learns of an end by itself
	} else {
		_ = c.post(opPing, nil)
	}
}

// Silence is how long nothing has come from the client.
func (c *Conn) Silence() time.Duration {
	return c.hub.now() - time.Duration(c.lastSeen.Load())
}

func (c *Conn) seen() (now time.Duration) {
	now = c.hub.now()
	c.lastSeen.Store(int64(now))
	return now
}

// part ends the session and parts with the client. Only the reader calls it,
// last.
func (c *Conn) part(why error) {
	code, left := leftWith(why)
	c.awaitLater()
	c.session.Closed(left)
	c.hub.cfg.Log.Debug("websocket closed", "addr", c.addr, "reason", describe(why))
	switch {
	case left:
		c.finish(c.bid(code, ""))
	case isTimeout(why):
		c.finish(c.bid(int(wire.CloseNormal), c.lateReason()))
	case errors.Is(why, errFlood):
		c.finish(c.bid(int(wire.ClosePolicy), wire.ReasonFlood))
	default: // it is lost, or gorilla has told it why it is closed
		c.forbidSending()
	}
	if errors.Is(why, errFlood) || errors.Is(why, websocket.ErrReadLimit) {
		c.linger()
	}
	c.release()
}

// leftWith tells whether the client has said that it leaves, and how.
func leftWith(why error) (code int, left bool) {
	var closed *websocket.CloseError
	if !errors.As(why, &closed) || closed.Code == websocket.CloseAbnormalClosure {
		return 0, false
	}
	return closed.Code, true
}

// release gives everything back.
func (c *Conn) release() {
	c.giveBack()
	c.watch.emptyInbox()
	_ = c.ws.Close() // it has ended, whatever this says
	c.hub.remove(c)
	if c.guard != nil {
		c.guard.leave(c.addr)
	}
}

// linger waits until a client that was still sending has read its close
// frame: closing a socket with unread data would reset the connection.
func (c *Conn) linger() {
	c.grace()
	c.watch.patient = true
	_, _ = io.Copy(io.Discard, io.LimitReader(c.watch, maxLingerBytes))
}

// grace gives the client time to answer a close frame.
func (c *Conn) grace() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.bound(c.hub.now() + closeGrace)
}

// cut makes the reader stop at once. c.mu is held.
func (c *Conn) cut() { c.bound(1) } // long ago

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
