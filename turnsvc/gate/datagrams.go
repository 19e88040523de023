package gate

import (
	"errors"
	"net"
	"net/netip"
	"sync"
)

// Datagrams is a UDP socket of which ReadFrom returns only messages: whatever
// else arrives is dropped and counted. Only Close ends it, no error of the
// kernel does. One goroutine reads; any number write.
type Datagrams struct {
	*net.UDPConn
	refused func()
	done    chan struct{}
	closed  func() error

	last     netip.AddrPort // whose address lastAddr is: a client
	lastAddr *net.UDPAddr   // that talks on costs no memory
}

// NewDatagrams wraps conn. The function refused is called for every datagram
// that was dropped; nil is allowed.
func NewDatagrams(conn *net.UDPConn, refused func()) *Datagrams {
	d := &Datagrams{UDPConn: conn, refused: refused, done: make(chan struct{})}
	d.closed = sync.OnceValue(func() error {
		close(d.done)
		return conn.Close()
	})
	return d
}

// ReadFrom returns one message and who sent it. The address is shared between
// calls: nobody may change it.
func (d *Datagrams) ReadFrom(p []byte) (int, net.Addr, error) {
	var tired Pause
	for {
		n, from, err := d.ReadFromUDPAddrPort(p)
		switch {
		case err == nil && isMessage(p[:n]):
			return n, d.addr(from), nil
		case err == nil:
			if d.refused != nil {
				d.refused()
			}
			tired.Reset()
		case errors.Is(err, net.ErrClosed) || !tired.Wait(d.done):
			return 0, nil, net.ErrClosed
		}
	}
}

func (d *Datagrams) addr(from netip.AddrPort) net.Addr {
	if d.lastAddr == nil || from != d.last {
		plain := netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
		d.last, d.lastAddr = from, net.UDPAddrFromAddrPort(plain)
	}
	return d.lastAddr
}

// Close closes the socket; a blocked ReadFrom returns net.ErrClosed. It may be
// called again and again.
func (d *Datagrams) Close() error { return d.closed() }
