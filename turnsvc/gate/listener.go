package gate

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"

	"github.com/wasmp2pchat/wasmp2pchat/internal/arrivals"
)

// ListenerConfig is what a Listener needs to know.
type ListenerConfig struct {
	// Crowd counts the connections; it is required.
	Crowd *arrivals.Crowd
	// Opening is what a connection begins with below TURN, such as TLS; nil:
	// nothing.
	Opening Opening
	// Proxies are who may say, in the PROXY protocol, for whom they connect.
	Proxies []netip.Prefix
	// Refused is called for every connection that is over the limits or turns
	// out not to be TURN; nil is allowed.
	Refused func()
}

// Listener accepts Streams within the limits of a Crowd. Only Close ends it:
// when accept fails, because of too many open files for instance, it tries again
// after a pause, and when somebody else closes what it listens on it waits for
// Close, so that the Streams which are open stay.
type Listener struct {
	net.Listener
	cfg    ListenerConfig
	done   chan struct{}
	closed func() error

	mu      sync.Mutex // guards streams; never held while closing or calling
	streams map[*Stream]struct{}
}

// NewListener wraps l.
func NewListener(l net.Listener, cfg ListenerConfig) *Listener {
	if cfg.Refused == nil {
		cfg.Refused = func() {}
	}
	g := &Listener{Listener: l, cfg: cfg, done: make(chan struct{}), streams: map[*Stream]struct{}{}}
	g.closed = sync.OnceValue(func() error {
		close(g.done)
		return l.Close()
	})
	return g
}

// AcceptStream waits for the next connection within the limits; the others are
// closed at once. Await it before anything else. After Close the error is
// net.ErrClosed.
func (g *Listener) AcceptStream() (*Stream, error) {
	var tired arrivals.Pause
	for {
		conn, err := g.Accept()
		switch {
		case err == nil:
			tired.Reset()
			conn = swift(conn)
			if s := g.admit(conn); s != nil {
				return s, nil
			}
			g.cfg.Refused()
			_ = conn.Close() // refused: how it ends is of no interest
		case errors.Is(err, net.ErrClosed):
			<-g.done
			return nil, net.ErrClosed
		case !tired.Wait(g.done):
			return nil, net.ErrClosed
		}
	}
}

// admit counts conn, or returns nil if it is one too many, or comes from nowhere.
func (g *Listener) admit(conn net.Conn) *Stream {
	client := AddrPort(conn.RemoteAddr()).Addr()
	if !client.IsValid() {
		return nil
	}
	seat := g.cfg.Crowd.Sit()
	if seat == nil {
		return nil
	}
	proxied := g.trusts(client)
	if !proxied && !seat.ComesFrom(arrivals.Source(client)) {
		seat.Leave()
		return nil
	}
	var s *Stream
	s = NewStream(conn, g.cfg.Refused, func() {
		seat.Leave()
		g.forget(s)
	})
	if proxied {
		s.openings = append(s.openings, proxyHeader, introduce(seat))
	}
	if g.cfg.Opening != nil {
		s.openings = append(s.openings, g.cfg.Opening)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.streams[s] = struct{}{}
	return s
}

func (g *Listener) trusts(client netip.Addr) bool {
	for _, p := range g.cfg.Proxies {
		if p.Contains(client) {
			return true
		}
	}
	return false
}

// introduce is the Opening that counts a connection for whom the proxy made it.
func introduce(seat *arrivals.Seat) Opening {
	return func(_ context.Context, conn net.Conn) (net.Conn, error) {
		if !seat.ComesFrom(arrivals.Source(AddrPort(conn.RemoteAddr()).Addr())) {
			return nil, errTooMany
		}
		return conn, nil
	}
}

var errTooMany = errors.New("too many connections from one address")

func (g *Listener) forget(s *Stream) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.streams, s)
}

// Close stops accepting; the Streams stay. It may be called again and again.
func (g *Listener) Close() error { return g.closed() }

// CloseStreams closes every Stream that is open now.
func (g *Listener) CloseStreams() {
	for _, s := range g.open() {
		_ = s.Close() // the end of a connection that nobody needs any more
	}
}

func (g *Listener) open() []*Stream {
	g.mu.Lock()
	defer g.mu.Unlock()
	list := make([]*Stream, 0, len(g.streams))
	for s := range g.streams {
		list = append(list, s)
	}
	return list
}
