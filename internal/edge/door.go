package edge

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/arrivals"
)

// What the zero fields of a Config mean.
const (
	// DefaultMaxConns bounds the connections in all. How many descriptors the
	// process has is for the caller to know.
	DefaultMaxConns = 100_000
	// DefaultMaxPerAddr is twice what the limits of the services allow one
	// address: a WebSocket or a connection of TURN is counted here as well.
	DefaultMaxPerAddr = 256
	// DefaultMaxOpening bounds the memory of TLS handshakes: some 40 kB each.
	DefaultMaxOpening = 1024
	// DefaultOpening lets a client lose a few packets on its way in.
	DefaultOpening = 10 * time.Second
)

// Config says how a Door treats those who come. Zero fields mean what their
// comment says.
type Config struct {
	// TLS is what the port speaks; nil: a plain port. The Door works with a copy
	// that names its protocols (ALPN) and begins at TLS 1.2 (RFC 9325 §3.1.1).
	// "acme-tls/1" is kept if it is there. GetConfigForClient and GetCertificate
	// have until the context of their ClientHelloInfo ends.
	TLS *tls.Config
	// Proxies are who may say, in the PROXY protocol, for whom they connect. They
	// need not; MaxPerAddr does not hold them themselves, because whoever forwards
	// requests instead comes from one address with everybody's.
	Proxies []netip.Prefix
	// MaxConns and MaxPerAddr bound the connections that are open, from accept to
	// Close, in all and per IPv4 address or /64 of IPv6; zero: DefaultMaxConns
	// and DefaultMaxPerAddr; negative: no limit. One too many is closed at once.
	MaxConns, MaxPerAddr int
	// MaxOpening bounds the connections of which it is not known yet whom they
	// are for; zero: DefaultMaxOpening. See Door.
	MaxOpening int
	// Opening is how long one of those may take, in all: PROXY header, TLS
	// handshake, first byte, and until its service accepts it; zero:
	// DefaultOpening.
	Opening time.Duration
	// Log is told of each connection that was refused, at Debug, and once, as a
	// warning, of a proxy that is not one of Proxies; nil: silent.
	Log *slog.Logger
}

func (c Config) withDefaults() Config {
	c.MaxConns = cmp.Or(c.MaxConns, DefaultMaxConns)
	c.MaxPerAddr = cmp.Or(c.MaxPerAddr, DefaultMaxPerAddr)
	if c.MaxOpening <= 0 {
		c.MaxOpening = DefaultMaxOpening
	}
	if c.Opening <= 0 {
		c.Opening = DefaultOpening
	}
	c.Proxies = unmapped(c.Proxies)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.TLS != nil {
		c.TLS = prepare(c.TLS)
	}
	return c
}

// Door accepts the connections of one socket and hands each over to the service
// that it is for. Make one with New, give its two listeners to their services,
// and run Serve. A service that is not there is said to be so by closing its
// listener.
//
// While MaxOpening connections are being opened, the next ones wait in the
// kernel, so that a crowd of honest visitors is served one after the other and
// nobody is sent away. Whoever has taken 2 s by then makes room: an honest client
// needs a round trip or two, and so strangers who open connections and say
// nothing cannot keep the others out for longer than that.
type Door struct {
	cfg      Config
	listener net.Listener
	crowd    *arrivals.Crowd
	opening  *queue
	http     *exit
	turn     *exit
	counts   counters

	proxySeen sync.Once // somebody spoke the PROXY protocol without being listed
}

// New returns the door of l, which Serve will close. Nothing is accepted before
// Serve runs.
func New(l net.Listener, cfg Config) *Door {
	cfg = cfg.withDefaults()
	return &Door{
		cfg: cfg, listener: l,
		crowd:   arrivals.NewCrowd(arrivals.Limits{Conns: cfg.MaxConns, ConnsPerAddr: cfg.MaxPerAddr}),
		opening: newQueue(cfg.MaxOpening),
		http:    newExit(l.Addr(), cfg.MaxOpening),
		turn:    newExit(l.Addr(), cfg.MaxOpening),
	}
}

// SetMaxPerAddr changes Config.MaxPerAddr, with the same defaults. Nobody is cut.
func (d *Door) SetMaxPerAddr(n int) {
	d.crowd.SetLimits(arrivals.Limits{Conns: d.cfg.MaxConns, ConnsPerAddr: cmp.Or(n, DefaultMaxPerAddr)})
}

// HTTP is where those come out who speak HTTP; its listener is made for
// http.Server.Serve. Those with HTTP/2 are *tls.Conn, so the server's TLSConfig
// stays nil. After its Close they are refused.
func (d *Door) HTTP() net.Listener { return d.http }

// TURN is where those come out who speak TURN, beneath which TLS, if any, is
// done. After its Close they are refused.
func (d *Door) TURN() net.Listener { return d.turn }

// Serve accepts until ctx ends. Then the socket and both listeners are closed,
// who was still being opened is cut, and Serve returns nil when all of that has
// ended; those who were handed over live on. When accept fails, because of too
// many open files for instance, it tries again after a pause; only if somebody
// else closes the socket is that an error.
func (d *Door) Serve(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() {
		<-ctx.Done()
		d.close()
	})
	err := d.accept(ctx, &running)
	if ctx.Err() != nil {
		err = nil // it was we who closed the socket
	}
	cancel()
	running.Wait()
	return err
}

func (d *Door) close() {
	_ = d.listener.Close() // of a socket that nobody needs any more
	_ = d.http.Close()     // never fails
	_ = d.turn.Close()     // never fails
	d.opening.cutAll()
}

// accept starts the opening of one connection after the other.
func (d *Door) accept(ctx context.Context, running *sync.WaitGroup) error {
	var tired arrivals.Pause
	for d.opening.room(ctx) {
		conn, err := d.listener.Accept()
		switch {
		case err == nil:
			tired.Reset()
			if g := d.admit(conn); g != nil {
				running.Go(func() { d.open(ctx, g) })
			}
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("accept on %v: %w", d.listener.Addr(), err)
		default:
			d.counts.acceptError()
			d.cfg.Log.Debug("accept failed", "err", err)
			tired.Wait(ctx.Done())
		}
	}
	return nil
}

// admit counts a connection in, or closes it and returns nil.
func (d *Door) admit(conn net.Conn) *guest {
	d.counts.accept()
	g := &guest{Conn: conn, client: conn.RemoteAddr(), opened: time.Now()}
	if g.seat = d.crowd.Sit(); g.seat == nil {
		d.refuse(g, refuse(Full, nil))
		return nil
	}
	if g.proxied = d.trusts(g.client); !g.proxied && !g.seat.ComesFrom(source(g.client)) {
		d.refuse(g, refuse(PerAddr, nil))
		return nil
	}
	if err := conn.SetDeadline(g.opened.Add(d.cfg.Opening)); err != nil {
		d.refuse(g, refuse(Gone, err))
		return nil
	}
	d.opening.enter(g)
	return g
}

// trusts tells whether an address is a listed proxy's.
func (d *Door) trusts(addr net.Addr) bool {
	ip := address(addr)
	for _, p := range d.cfg.Proxies {
		if p.Contains(ip) {
			return true
		}
	}
	return false
}

// refuse closes a connection, and counts and logs why.
func (d *Door) refuse(g *guest, err error) {
	why := reason(err)
	d.counts.refuse(why)
	d.cfg.Log.Debug("connection refused", "reason", string(why), "addr", address(g.client), "err", err)
	_ = g.Close() // how it ends is of no interest
}
