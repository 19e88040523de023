package wsconn

import (
	"bufio"
	"cmp"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// watchedConn is a connection that knows whether its reader has handled all
// that arrived. Pairing depends on it: a visitor whose tab was closed a
// moment ago must not be introduced to anybody, even if the reader has not
// yet had a processor to see the end.
//
//	gorilla, parseFrame
//	     │ Peek          "is there more?" never waits, at any level
//	[crypto/tls]
//	     │ Read          from the inbox; empty: errNothing
//	watchedConn ── wait  the only place where a connection waits for its client:
//	     │               rest, then sleep, then take what has come into the inbox
//	  socket ◀── quiet   looks without reading
//	         ◀── Write   sets no deadline unless it has to wait
//
// Until it is adopted by a hub it is the connection beneath, nothing more.
type watchedConn struct {
	net.Conn
	raw     syscall.RawConn // the socket; nil: there is none that could be looked at
	busy    atomic.Bool     // something arrived and may not have been handled yet
	below   bool            // raw is not this connection's own but further down: it is only looked at
	conn    *Conn           // whose it is; nil until adopted
	writing sync.Mutex      // held while something is written

	// The rest is for the reader alone.
	patient  bool                  // Read waits: in the middle of a message
	reading  bool                  // from before the first read until after the last: rest tells the session
	from, to uint16                // of the inbox, what nobody has read yet
	inbox    *[inboxBytes]byte     // lent while there is such
	ended    error                 // what reading will return from now on
	receive  func(fd uintptr) bool // receiveFrom, made once
}

// errNothing is what reading returns when nothing has arrived. It is temporary
// (net.Error), by which crypto/tls knows that reading may go on later.
var errNothing error = nothing{}

type nothing struct{}

func (nothing) Error() string   { return "nothing has arrived" }
func (nothing) Timeout() bool   { return false }
func (nothing) Temporary() bool { return true }

// Watch makes the connections of a listener such that Conn.Quiet can be
// trusted on top of TLS as well. It belongs directly around the listener of
// the sockets; TLS and net/http come on top and notice nothing of it. Layers
// between need a method NetConn, as tls.Conn has one, and must go on after a
// temporary error. Without Watch a plain TCP connection is watched from the
// upgrade on, which is as good; of one in TLS only the socket is looked at, so
// that for the few microseconds in which crypto/tls reads, Quiet does not see
// what it has in hand.
func Watch(l net.Listener) net.Listener { return watchedListener{l} }

type watchedListener struct{ net.Listener }

// Accept implements net.Listener.
func (l watchedListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return watch(conn), nil
}

func watch(conn net.Conn) *watchedConn {
	w := &watchedConn{Conn: conn, raw: descriptor(conn)}
	w.busy.Store(true)
	return w
}

// descriptor is the socket of a connection, nil if it has none that could be
// looked at.
func descriptor(conn net.Conn) syscall.RawConn {
	if sc, ok := conn.(syscall.Conn); ok && canPeek {
		if raw, err := sc.SyscallConn(); err == nil {
			return raw
		}
	}
	return nil
}

// watched finds the watched connection of one that was hijacked, and makes one
// if there is none. On is what to talk to from now on.
func watched(conn net.Conn) (on net.Conn, w *watchedConn) {
	for beneath := conn; ; {
		if w, ok := beneath.(*watchedConn); ok {
			return conn, w
		}
		layer, ok := beneath.(interface{ NetConn() net.Conn })
		if !ok {
			w := watch(conn)
			if w.raw == nil {
				w.raw, w.below = descriptor(beneath), true
			}
			return w, w
		}
		beneath = layer.NetConn()
	}
}

// NetConn is the connection beneath, as tls.Conn has it.
func (w *watchedConn) NetConn() net.Conn { return w.Conn }

// ReadFrom lets net/http use sendfile.
func (w *watchedConn) ReadFrom(r io.Reader) (int64, error) { return io.Copy(w.Conn, r) }

// CloseWrite lets net/http part without a reset.
func (w *watchedConn) CloseWrite() error {
	if half, ok := w.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

// adopt makes it that of a hub's connection: from now on reading returns
// errNothing instead of waiting, unless the reader is patient, and writing has
// an end.
func (w *watchedConn) adopt(c *Conn) { w.conn, w.receive = c, w.receiveFrom }

// direct tells whether it is read and written through raw.
func (w *watchedConn) direct() bool { return w.raw != nil && !w.below }

// Read reads what has arrived.
func (w *watchedConn) Read(p []byte) (int, error) {
	switch {
	case w.conn == nil:
		return w.Conn.Read(p)
	case w.inbox != nil:
		n := copy(p, w.inbox[w.from:w.to])
		w.from += uint16(n)
		if w.from == w.to {
			w.emptyInbox()
		}
		return n, nil
	case w.ended != nil:
		return 0, w.ended
	case !w.patient:
		return 0, errNothing
	}
	if err := w.wait(); err != nil {
		return 0, err
	}
	return w.Read(p)
}

// wait returns when something has arrived, or never will.
func (w *watchedConn) wait() error {
	for w.ended == nil {
		var err error
		if w.direct() {
			err = w.raw.Read(w.receive)
		} else {
			err = w.receiveWaiting()
		}
		switch {
		case err == nil:
			return w.ended
		case !errors.Is(err, os.ErrDeadlineExceeded) || w.conn.timeIsUp():
			return err
		}
	}
	return w.ended
}

// Write writes all of p. A client that does not read is given WriteTimeout, then
// the connection cannot be written to any more. A deadline costs a timer, and
// nearly no write has to wait: so none is set before one does.
func (w *watchedConn) Write(p []byte) (int, error) {
	if w.conn == nil {
		return w.Conn.Write(p)
	}
	hub := w.conn.hub
	if !w.direct() {
		hub.handOver()
		_ = w.SetWriteDeadline(time.Now().Add(hub.cfg.WriteTimeout)) // fails only if it has ended already
		return w.Conn.Write(p)
	}
	if !w.writing.TryLock() {
		hub.handOver()
		w.writing.Lock()
	}
	defer w.writing.Unlock()
	d := hub.deliveries.take(w, p)
	defer hub.deliveries.give(d)
	err := w.raw.Write(d.send)
	d.end()
	return len(p) - len(d.unsent), cmp.Or(err, d.failure)
}

// delivery is what a write needs while it is under way. Its method sendTo is
// what sends.
type delivery struct {
	to      *watchedConn
	unsent  []byte
	hurried bool                  // a write deadline is set
	failure error                 // what the socket said
	send    func(fd uintptr) bool // sendTo, made once
}

// hurry bounds a write that has to wait.
func (d *delivery) hurry() {
	if !d.hurried {
		d.hurried = true
		hub := d.to.conn.hub
		hub.handOver()
		_ = d.to.SetWriteDeadline(time.Now().Add(hub.cfg.WriteTimeout)) // fails only if it has ended already
	}
}

// end lets the next write have its own deadline.
func (d *delivery) end() {
	if d.hurried {
		_ = d.to.SetWriteDeadline(time.Time{}) // fails only if it has ended already
	}
}

// receiveWaiting is receiveFrom for what cannot be asked without waiting.
func (w *watchedConn) receiveWaiting() error {
	w.rest()
	w.inbox = w.conn.hub.inboxes.take()
	n, err := w.Conn.Read(w.inbox[:])
	w.busy.Store(true)
	w.from, w.to = 0, uint16(n)
	if n == 0 {
		w.emptyInbox()
		return err
	}
	return nil
}

func (w *watchedConn) emptyInbox() {
	if w.inbox != nil {
		w.conn.hub.inboxes.give(w.inbox)
		w.inbox = nil
	}
}

// rest marks that everything was handled. The order matters: whoever has seen
// busy before this is seen by idle after it.
func (w *watchedConn) rest() {
	if w.reading {
		w.busy.Store(false)
		w.conn.idle()
	}
}

// quiet tells whether nothing has arrived that was not handled: busy is set
// before bytes leave the kernel, so bytes are seen in one place or the other.
func (w *watchedConn) quiet() bool {
	return !w.busy.Load() && !w.pending() && !w.busy.Load()
}

// entrance gives gorilla's Upgrade a watched connection and a reader whose
// buffer is lent.
type entrance struct {
	http.ResponseWriter
	conn *Conn // as far as it is made
}

// Hijack implements http.Hijacker.
func (e *entrance) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffered, err := http.NewResponseController(e.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	c := e.conn
	c.stream, c.watch = watched(conn)
	if buffered.Reader.Buffered() > 0 {
		return c.stream, buffered, nil // Upgrade refuses clients that do not wait for its answer
	}
	c.watch.adopt(c)
	c.reader, c.lent = new(bufio.Reader), buffered.Reader // its request was read: net/http has no more use for it
	lend(c.reader, c.lent, c.stream)
	return c.stream, bufio.NewReadWriter(c.reader, buffered.Writer), nil
}
