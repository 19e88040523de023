package gate

import (
	"errors"
	"net"
	"net/netip"
	"sync"
)

// Limits bound the connections of a Listener.
type Limits struct {
	Conns        int // open at once, in all
	ConnsPerAddr int // open at once from one Source
}

// Listener accepts Streams within Limits. Only Close ends it: when accept fails,
// because of too many open files for instance, it tries again after a pause.
type Listener struct {
	net.Listener
	limits  Limits
	refused func()
	done    chan struct{}
	closed  func() error

	mu      sync.Mutex // guards the fields below; never held while closing or calling
	streams map[*Stream]netip.Prefix
	sources map[netip.Prefix]int // how many of streams come from there
}

// NewListener wraps l. The function refused is called for every connection that
// is over the limits or turns out not to be TURN; nil is allowed.
func NewListener(l net.Listener, limits Limits, refused func()) *Listener {
	if refused == nil {
		refused = func() {}
	}
	g := &Listener{
		Listener: l, limits: limits, refused: refused, done: make(chan struct{}),
		streams: map[*Stream]netip.Prefix{}, sources: map[netip.Prefix]int{},
	}
	g.closed = sync.OnceValue(func() error {
		close(g.done)
		return l.Close()
	})
	return g
}

// AcceptStream waits for the next connection within the limits; the others are
// closed at once. After Close the error is net.ErrClosed.
func (g *Listener) AcceptStream() (*Stream, error) {
	var tired Pause
	for {
		conn, err := g.Accept()
		switch {
		case err == nil:
			tired.Reset()
			if s := g.admit(conn); s != nil {
				return s, nil
			}
			g.refused()
			_ = conn.Close() // refused: how it ends is of no interest
		case errors.Is(err, net.ErrClosed) || !tired.Wait(g.done):
			return nil, net.ErrClosed
		}
	}
}

// admit counts conn, or returns nil if it is one too many.
func (g *Listener) admit(conn net.Conn) *Stream {
	from := Source(AddrPort(conn.RemoteAddr()).Addr())
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.streams) >= g.limits.Conns || g.sources[from] >= g.limits.ConnsPerAddr {
		return nil
	}
	var s *Stream
	s = NewStream(conn, g.refused, func() { g.forget(s) })
	g.streams[s] = from
	g.sources[from]++
	return s
}

func (g *Listener) forget(s *Stream) {
	g.mu.Lock()
	defer g.mu.Unlock()
	from := g.streams[s]
	delete(g.streams, s)
	if g.sources[from]--; g.sources[from] == 0 {
		delete(g.sources, from)
	}
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
