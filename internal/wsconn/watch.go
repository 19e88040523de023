package wsconn

import (
	"bufio"
	"net"
	"net/http"
	"sync/atomic"
	"syscall"
)

// watchedConn is a connection that knows whether its reader has handled all
// that arrived. Pairing depends on it: a visitor whose tab was closed a
// moment ago must not be introduced to anybody, even if the reader has not
// yet had a processor to see the end.
type watchedConn struct {
	net.Conn
	raw  syscall.RawConn // nil if the connection has no descriptor of its own
	busy atomic.Bool     // something arrived and may not have been handled yet
	idle func()          // called by the reader before it waits; nil before the first read
}

func watch(conn net.Conn) *watchedConn {
	w := &watchedConn{Conn: conn}
	w.busy.Store(true)
	if sc, ok := conn.(syscall.Conn); ok && canPeek {
		if raw, err := sc.SyscallConn(); err == nil {
			w.raw = raw
		}
	}
	return w
}

// Read reads what has arrived; before it waits it lets the session know.
func (w *watchedConn) Read(p []byte) (int, error) {
	if w.raw != nil {
		return w.readRaw(p)
	}
	w.rest()
	n, err := w.Conn.Read(p)
	w.busy.Store(true)
	return n, err
}

// rest marks that everything was handled. The order matters: whoever has seen
// busy before this is seen by idle after it.
func (w *watchedConn) rest() {
	w.busy.Store(false)
	if w.idle != nil {
		w.idle()
	}
}

// quiet tells whether nothing has arrived that was not handled: busy is set
// before bytes leave the kernel, so bytes are seen in one place or the other.
func (w *watchedConn) quiet() bool {
	return !w.busy.Load() && !w.pending() && !w.busy.Load()
}

// watchingWriter gives gorilla's Upgrade a watched connection.
type watchingWriter struct {
	http.ResponseWriter
	conn *watchedConn
}

// Hijack implements http.Hijacker.
func (w *watchingWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffered, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	w.conn = watch(conn)
	return w.conn, buffered, nil
}
