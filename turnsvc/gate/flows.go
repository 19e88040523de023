package gate

import (
	"context"
	"errors"
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"

	"github.com/wasmp2pchat/wasmp2pchat/internal/arrivals"
)

// Flows is a UDP socket as a net.Listener: what one client sends is a connection,
// which begins with a ClientHello of DTLS and of which one Read is one datagram.
// Accept reads for all of them, so somebody must always be in it.
type Flows struct {
	sock    *socket
	refused func()
	done    chan struct{}
	closed  func() error

	mu   sync.Mutex // guards open; never held while calling
	open map[ends]*flow
}

// ends are what tells one flow of a socket from another.
type ends struct {
	client netip.AddrPort
	local  netip.Addr // invalid: not known, or all the same
}

// ListenFlows opens Flows. The function refused is called for every datagram that
// belongs to no connection and begins none; nil is allowed.
func ListenFlows(ctx context.Context, opener Opener, address string, refused func()) (*Flows, error) {
	conn, err := listenPacket(ctx, opener, address)
	if err != nil {
		return nil, err
	}
	if refused == nil {
		refused = func() {}
	}
	return newFlows(conn, refused), nil
}

// AdoptFlows are Flows of a socket that another process has opened.
func AdoptFlows(conn *net.UDPConn, refused func()) *Flows {
	if refused == nil {
		refused = func() {}
	}
	return newFlows(conn, refused)
}

func newFlows(conn *net.UDPConn, refused func()) *Flows {
	f := &Flows{sock: newSocket(conn), refused: refused, done: make(chan struct{}), open: map[ends]*flow{}}
	f.sock.flows, f.sock.clients = true, clients{keeps: f.has, all: f.all}
	f.closed = sync.OnceValue(func() error {
		close(f.done)
		return f.sock.shut()
	})
	return f
}

// has reports whether a connection is open.
func (f *Flows) has(e ends) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.open[e] != nil
}

// all are the connections that are open.
func (f *Flows) all() []ends {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Collect(maps.Keys(f.open))
}

// Accept waits for the next connection, and meanwhile hands the others what
// they are sent. After Close the error is net.ErrClosed, and nothing else ends
// it.
func (f *Flows) Accept() (net.Conn, error) {
	var tired arrivals.Pause
	p := make([]byte, maxDatagramBytes+1)
	for {
		n, from, local, err := f.sock.read(p)
		switch {
		case err == nil:
			tired.Reset()
			if begun := f.take(p[:n], ends{from, local}); begun != nil {
				return begun, nil
			}
		case errors.Is(err, net.ErrClosed) || !tired.Wait(f.done):
			return nil, net.ErrClosed
		}
	}
}

// take hands a datagram on, or returns the flow that it begins.
func (f *Flows) take(datagram []byte, e ends) (begun *flow) {
	if len(datagram) > maxDatagramBytes {
		f.refused()
		return nil
	}
	if f.sock.elders.Load().handOn(e, e, datagram) {
		return nil
	}
	f.mu.Lock()
	known := f.open[e]
	if known == nil && isClientHello(datagram) {
		begun = newFlow(f, e)
		f.open[e] = begun
	}
	f.mu.Unlock()
	switch {
	case known != nil:
		known.take(datagram)
	case begun != nil:
		begun.take(datagram)
	default:
		f.refused()
	}
	return begun
}

func (f *Flows) forget(gone *flow) {
	f.mu.Lock()
	if f.open[gone.ends] == gone {
		delete(f.open, gone.ends)
	}
	f.mu.Unlock()
	f.sock.freed(gone.ends)
}

// Socket is for handing the socket over to another process.
func (f *Flows) Socket() Shared { return f.sock }

// Close closes the socket, and so ends all connections. It may be called again
// and again.
func (f *Flows) Close() error { return f.closed() }

// Addr is where the socket listens.
func (f *Flows) Addr() net.Addr { return f.sock.LocalAddr() }
