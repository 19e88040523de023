package edge

import (
	"context"
	"errors"
	"net"
	"sync"
)

// exit is one of the two listeners of a Door. A connection in it is held by the
// one who gives or by the one who accepts, never by the exit.
type exit struct {
	addr   net.Addr
	conns  chan net.Conn
	places chan struct{} // bounds those who wait to give
	closed chan struct{}
	close  func()
}

func newExit(addr net.Addr, most int) *exit {
	e := &exit{addr: addr, conns: make(chan net.Conn), places: make(chan struct{}, most), closed: make(chan struct{})}
	e.close = sync.OnceFunc(func() { close(e.closed) })
	return e
}

var (
	errNoService = errors.New("its service has ended")
	errEnded     = errors.New("the door has ended")
	errStuck     = errors.New("its service does not accept")
)

// give waits until the service accepts conn.
func (e *exit) give(ctx context.Context, conn net.Conn) error {
	select {
	case <-e.closed:
		return refuse(Unserved, errNoService)
	case e.places <- struct{}{}:
		defer func() { <-e.places }()
	default:
		return refuse(Unserved, errStuck)
	}
	select {
	case e.conns <- conn:
		return nil
	case <-e.closed:
		return refuse(Unserved, errNoService)
	case <-ctx.Done():
		return refuse(Unserved, errStuck)
	}
}

// Accept implements net.Listener. After Close, and after the Door has ended, the
// error is net.ErrClosed.
func (e *exit) Accept() (net.Conn, error) {
	select {
	case <-e.closed:
		return nil, net.ErrClosed
	default:
	}
	select {
	case conn := <-e.conns:
		return conn, nil
	case <-e.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener. The socket stays; who comes for this service is
// refused. It may be called again and again.
func (e *exit) Close() error {
	e.close()
	return nil
}

// Addr implements net.Listener: it is the socket's.
func (e *exit) Addr() net.Addr { return e.addr }
