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
	raw  syscall.RawConn // nil if the connection has no descriptor of its own
	look syscall.RawConn // where to look for what has arrived; nil: nowhere
	busy atomic.Bool     // something arrived and may not have been handled yet

	// The rest is for the reader alone.
	hub     *Hub                  // nil until adopted
	inbox   *[inboxBytes]byte     // lent while arrived is not empty
	arrived []byte                // of the inbox, what nobody has read yet
	ended   error                 // what reading will return from now on
	patient bool                  // Read waits: in the middle of a message
	receive func(fd uintptr) bool // receiveFrom, made once
	idle    func()                // called by rest; nil before the first read and after the last
	isOver  func() bool           // asked when a read deadline has passed: whether that ends it

	writing sync.Mutex            // guards the fields below
	unsent  []byte                // of what is written now
	hurried bool                  // a write deadline is set
	failure error                 // of this write
	send    func(fd uintptr) bool // sendTo, made once; never changes
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
	w.look = w.raw
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
			if w.look == nil {
				w.look = descriptor(beneath)
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

// adopt makes it the reader's of a hub: from now on reading returns errNothing
// instead of waiting, unless the reader is patient, and writing has an end.
func (w *watchedConn) adopt(h *Hub) {
	w.hub = h
	w.receive, w.send = w.receiveFrom, w.sendTo
}

// Read reads what has arrived.
func (w *watchedConn) Read(p []byte) (int, error) {
	switch {
	case w.hub == nil:
		return w.Conn.Read(p)
	case len(w.arrived) > 0:
		n := copy(p, w.arrived)
		w.arrived = w.arrived[n:]
		if len(w.arrived) == 0 {
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
		if w.raw != nil {
			err = w.raw.Read(w.receive)
		} else {
			err = w.receiveWaiting()
		}
		switch {
		case err == nil:
			return w.ended
		case !errors.Is(err, os.ErrDeadlineExceeded) || w.isOver():
			return err
		}
	}
	return w.ended
}

// Write writes all of p. A client that does not read is given WriteTimeout, then
// the connection cannot be written to any more. A deadline costs a timer, and
// nearly no write has to wait: so none is set before one does.
func (w *watchedConn) Write(p []byte) (int, error) {
	switch {
	case w.hub == nil:
		return w.Conn.Write(p)
	case w.raw == nil:
		w.hub.handOver()
		_ = w.SetWriteDeadline(time.Now().Add(w.hub.cfg.WriteTimeout)) // fails only if it has ended already
		return w.Conn.Write(p)
	}
	if !w.writing.TryLock() {
		w.hub.handOver()
		w.writing.Lock()
	}
	defer w.writing.Unlock()
	w.unsent, w.failure = p, nil
	err := w.raw.Write(w.send)
	sent := len(p) - len(w.unsent)
	w.unsent = nil
	if w.hurried {
		w.hurried = false
		_ = w.SetWriteDeadline(time.Time{}) // fails only if it has ended already
	}
	return sent, cmp.Or(err, w.failure)
}

// hurry bounds a write that has to wait.
func (w *watchedConn) hurry() {
	if !w.hurried {
		w.hub.handOver()
		w.hurried = true
		_ = w.SetWriteDeadline(time.Now().Add(w.hub.cfg.WriteTimeout)) // fails only if it has ended already
	}
}

// receiveWaiting is receiveFrom for what cannot be asked without waiting.
func (w *watchedConn) receiveWaiting() error {
	w.rest()
	w.inbox = w.hub.inboxes.take()
	n, err := w.Conn.Read(w.inbox[:])
	w.busy.Store(true)
	w.arrived = w.inbox[:n]
	if n == 0 {
		w.emptyInbox()
		return err
	}
	return nil
}

func (w *watchedConn) emptyInbox() {
	if w.inbox != nil {
		w.hub.inboxes.give(w.inbox)
	}
	w.inbox, w.arrived = nil, nil
}

// rest marks that everything was handled. The order matters: whoever has seen
// busy before this is seen by idle after it.
func (w *watchedConn) rest() {
	if w.idle != nil {
		w.busy.Store(false)
		w.idle()
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
	hub    *Hub
	stream net.Conn
	watch  *watchedConn
	reader *bufio.Reader
	lent   *bufio.Reader // the inside of reader
}

// Hijack implements http.Hijacker.
func (e *entrance) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffered, err := http.NewResponseController(e.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	e.stream, e.watch = watched(conn)
	if buffered.Reader.Buffered() > 0 {
		return e.stream, buffered, nil // Upgrade refuses clients that do not wait for its answer
	}
	e.watch.adopt(e.hub)
	e.reader, e.lent = new(bufio.Reader), buffered.Reader // its request was read: net/http has no more use for it
	lend(e.reader, e.lent, e.stream)
	return e.stream, bufio.NewReadWriter(e.reader, buffered.Writer), nil
}
