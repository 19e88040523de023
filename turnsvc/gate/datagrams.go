package gate

import (
	"errors"
	"net"
	"net/netip"
	"sync"

	"github.com/wasmp2pchat/wasmp2pchat/internal/arrivals"
)

// Datagrams is a UDP socket of which ReadFrom returns only messages: whatever
// else arrives is dropped and counted. Only Close ends it, no error of the
// kernel does. One goroutine reads; any number write.
//
// A client is answered from the address that it asked. The address which
// ReadFrom returns says in its Zone which one that is, so answer to that address,
// not to one that looks alike.
type Datagrams struct {
	*socket
	refused func()
	done    chan struct{}
	closed  func() error

	last     ends         // whose address lastAddr is: a client
	lastAddr *net.UDPAddr // that talks on costs no memory
}

// NewDatagrams wraps conn. The function refused is called for every datagram
// that was dropped; nil is allowed.
func NewDatagrams(conn *net.UDPConn, refused func()) *Datagrams {
	d := &Datagrams{socket: newSocket(conn), refused: refused, done: make(chan struct{})}
	d.closed = sync.OnceValue(func() error {
		close(d.done)
		return d.shut()
	})
	return d
}

// ReadFrom returns one message and who sent it. The address is shared between
// calls: nobody may change it.
func (d *Datagrams) ReadFrom(p []byte) (int, net.Addr, error) {
	var tired arrivals.Pause
	for {
		n, from, local, err := d.read(p)
		switch {
		case err == nil && isMessage(p[:n]):
			return n, d.addr(ends{from, local}), nil
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

func (d *Datagrams) addr(e ends) net.Addr {
	if d.lastAddr == nil || e != d.last {
		addr := net.UDPAddrFromAddrPort(e.client)
		if e.local.IsValid() {
			addr.Zone = e.local.String()
		}
		d.last, d.lastAddr = e, addr
	}
	return d.lastAddr
}

// WriteTo sends one message, ChannelData without its padding: on a datagram it
// means nothing (RFC 8656 §12.5), and not every client expects it.
func (d *Datagrams) WriteTo(p []byte, addr net.Addr) (int, error) {
	client, ok := addr.(*net.UDPAddr)
	if !ok {
		return 0, errNotUDP
	}
	to, local := client.AddrPort(), netip.Addr{}
	if d.routes != nil && client.Zone != "" {
		to = AddrPort(client)
		local, _ = netip.ParseAddr(client.Zone) // always valid: addr has written it
	}
	if _, err := d.write(unpadded(p), to, local); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Asked is the address of ours that a client has asked, whose address ReadFrom has
// returned; invalid if it is not known.
func (d *Datagrams) Asked(client net.Addr) netip.AddrPort {
	own := AddrPort(d.LocalAddr())
	if from, ok := client.(*net.UDPAddr); ok && d.routes != nil && from.Zone != "" {
		local, _ := netip.ParseAddr(from.Zone) // always valid: addr has written it
		own = netip.AddrPortFrom(local.WithZone(""), own.Port())
	}
	if own.Addr().IsUnspecified() {
		return netip.AddrPort{}
	}
	return own
}

var errNotUDP = errors.New("not an address of UDP")

// Close closes the socket; a blocked ReadFrom returns net.ErrClosed. It may be
// called again and again.
func (d *Datagrams) Close() error { return d.closed() }
