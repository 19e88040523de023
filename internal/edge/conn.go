package edge

import (
	"container/list"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/arrivals"
)

// guest is a connection from the moment it was accepted. It is counted until it
// is closed, comes from whom a proxy says that it comes, and returns what the
// door has read of it before the rest. Otherwise it is the connection beneath:
// once that was read, no byte is held back, and errors pass as they are.
type guest struct {
	net.Conn
	client  net.Addr // who it is
	opened  time.Time
	proxied bool           // a listed proxy made it
	seat    *arrivals.Seat // nil: it was one too many
	place   *list.Element

	// The rest is for the reader alone.
	rest  []byte  // was read, and not yet by the one it is for
	first [1]byte // backs rest
}

// peek is the first byte, which Read will still return.
func (g *guest) peek() (byte, error) {
	if len(g.rest) == 0 {
		if _, err := io.ReadFull(g.Conn, g.first[:]); err != nil {
			return 0, err
		}
		g.rest = g.first[:]
	}
	return g.rest[0], nil
}

// Read reads what the door has seen already, then the connection.
func (g *guest) Read(p []byte) (int, error) {
	if len(g.rest) == 0 {
		return g.Conn.Read(p)
	}
	n := copy(p, g.rest)
	g.rest = g.rest[n:]
	return n, nil
}

// Close closes the connection and gives its place in the caps back. It may be
// called again and again.
func (g *guest) Close() error {
	if g.seat != nil {
		g.seat.Leave()
	}
	return g.Conn.Close()
}

// RemoteAddr is the client's, as a listed proxy reported it.
func (g *guest) RemoteAddr() net.Addr { return g.client }

// NetConn is the connection beneath, as tls.Conn has it.
func (g *guest) NetConn() net.Conn { return g.Conn }

// ReadFrom lets net/http use sendfile.
func (g *guest) ReadFrom(r io.Reader) (int64, error) { return io.Copy(g.Conn, r) }

// CloseWrite lets net/http part without a reset.
func (g *guest) CloseWrite() error {
	if half, ok := g.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

// cut makes whoever reads or writes stop at once.
func (g *guest) cut() {
	_ = g.SetDeadline(time.Unix(1, 0)) // fails only if it has ended already
}

// spoken is a TLS connection whose first byte was read. Its NetConn is the
// guest; net/http finds its ConnectionState.
type spoken struct {
	*tls.Conn

	// The rest is for the reader alone.
	first   [1]byte
	pending bool // first is yet to be returned
}

// Read returns the first byte, then the others.
func (s *spoken) Read(p []byte) (int, error) {
	if !s.pending || len(p) == 0 {
		return s.Conn.Read(p)
	}
	s.pending = false
	return copy(p, s.first[:]), nil
}

// abrupt is a TLS connection that is closed without a close_notify, for which
// tls.Conn would wait up to 5 s on a client that does not read. Frames of TURN
// say how long they are, so nobody takes a cut one for a whole one.
type abrupt struct{ *spoken }

// Close closes the connection below.
func (a abrupt) Close() error { return a.NetConn().Close() }
