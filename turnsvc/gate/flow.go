package gate

import (
	"net"
	"sync"
	"time"

	"github.com/pion/transport/v4/packetio"
)

const (
	// inboxBytes bounds what waits to be read from a flow; more is lost, as the
	// network might lose it.
	inboxBytes = 64 << 10
	// maxHandshakeDatagrams bounds those datagrams of a flow, from its beginning
	// to its end, that are not application data alone. A handshake takes less than
	// ten, but pion would keep 2 MB of fragments of handshakes that never end.
	maxHandshakeDatagrams = 64
)

// flow is what one client of Flows sends and is sent. It is a net.Conn.
type flow struct {
	home       *Flows
	ends       ends
	remote     *net.UDPAddr
	inbox      *packetio.Buffer
	closed     func() error
	handshakes int // datagrams yet to come that may be more than application data
}

func newFlow(home *Flows, e ends) *flow {
	f := &flow{
		home: home, ends: e, remote: net.UDPAddrFromAddrPort(unmapped(e.client)),
		inbox: packetio.NewBuffer(), handshakes: maxHandshakeDatagrams,
	}
	f.inbox.SetLimitSize(inboxBytes)
	f.closed = sync.OnceValue(func() error {
		home.forget(f)
		return f.inbox.Close()
	})
	return f
}

// take puts a datagram into the inbox. Only the goroutine in Accept calls it.
func (f *flow) take(datagram []byte) {
	data, ok := readRecords(datagram)
	if ok && !data {
		f.handshakes--
		ok = f.handshakes >= 0
	}
	if !ok {
		f.home.refused()
		return
	}
	_, _ = f.inbox.Write(datagram) // full or closed: the datagram is lost
}

// Read returns one datagram.
func (f *flow) Read(p []byte) (int, error) { return f.inbox.Read(p) }

// Write sends one datagram to the client, from the address that it asked.
func (f *flow) Write(p []byte) (int, error) {
	return f.home.sock.write(p, f.ends.client, f.ends.local)
}

// Close ends Read. It may be called again and again.
func (f *flow) Close() error { return f.closed() }

// LocalAddr is the address of the socket.
func (f *flow) LocalAddr() net.Addr { return f.home.Addr() }

// RemoteAddr is the address of the client.
func (f *flow) RemoteAddr() net.Addr { return f.remote }

// SetDeadline is SetReadDeadline.
func (f *flow) SetDeadline(t time.Time) error { return f.SetReadDeadline(t) }

// SetReadDeadline bounds Read.
func (f *flow) SetReadDeadline(t time.Time) error { return f.inbox.SetReadDeadline(t) }

// SetWriteDeadline does nothing: a datagram does not wait.
func (f *flow) SetWriteDeadline(time.Time) error { return nil }
