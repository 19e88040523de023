//go:build !linux

package mmsg

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
)

// Supported says why the package does not work.
func Supported() error {
	return fmt.Errorf("many datagrams a call take Linux: %w", errors.ErrUnsupported)
}

// What follows is never made where Supported is an error.
type (
	// Name is for Linux.
	Name struct{ addr netip.AddrPort }
	// Socket is for Linux.
	Socket struct{}
	// Receiver is for Linux.
	Receiver struct{}
	// Sender is for Linux.
	Sender struct{}
	// Poller is for Linux.
	Poller struct{}
)

// NewName is for Linux.
func NewName(addr netip.AddrPort, _ bool, _ uint32) Name { return Name{addr} }

// AddrPort is for Linux.
func (n *Name) AddrPort() (netip.AddrPort, uint32) { return n.addr, 0 }

// Listen is for Linux.
func Listen(netip.AddrPort, int) (*Socket, error) { return nil, Supported() }

// Dial is for Linux.
func Dial(netip.AddrPort, netip.AddrPort, int) (*Socket, error) { return nil, Supported() }

// Current is for Linux.
func (*Socket) Current() bool { return false }

// Wrap is for Linux.
func Wrap(*net.UDPConn) (*Socket, error) { return nil, Supported() }

// Pipe is for Linux.
func Pipe(*net.UnixConn) (*Socket, error) { return nil, Supported() }

// Widen is for Linux.
func (*Socket) Widen(int) {}

// Lost is for Linux.
func (*Socket) Lost() uint64 { return 0 }

// Send is for Linux.
func (*Socket) Send([]byte) error { return Supported() }

// Six is for Linux.
func (*Socket) Six() bool { return false }

// Close is for Linux.
func (*Socket) Close() error { return nil }

// Conn is for Linux.
func (*Socket) Conn() (*net.UDPConn, error) { return nil, Supported() }

// SendTo is for Linux.
func (*Socket) SendTo([]byte, netip.AddrPort) error { return Supported() }

// NewReceiver is for Linux.
func NewReceiver(int, int, int, int) *Receiver { return new(Receiver) }

// Reset is for Linux.
func (*Receiver) Reset() {}

// Free is for Linux.
func (*Receiver) Free() int { return 0 }

// Receive is for Linux.
func (*Receiver) Receive(*Socket, int) (first, end int, err error) { return 0, 0, Supported() }

// Await is for Linux.
func (*Receiver) Await(*Socket, int, func(first, end int) bool) error { return Supported() }

// Datagram is for Linux.
func (*Receiver) Datagram(int) (buf []byte, begin, end int) { return nil, 0, 0 }

// From is for Linux.
func (*Receiver) From(int) *Name { return new(Name) }

// Control is for Linux.
func (*Receiver) Control(int) []byte { return nil }

// IsClosed is for Linux.
func IsClosed(err error) bool { return errors.Is(err, net.ErrClosed) }

// NewSender is for Linux.
func NewSender(int) *Sender { return new(Sender) }

// Free is for Linux.
func (*Sender) Free() int { return 0 }

// Add is for Linux.
func (*Sender) Add(*Socket, *Name, []byte, []byte) {}

// Flush is for Linux.
func (*Sender) Flush() (lost int) { return 0 }

// Apart is for Linux.
func (*Sender) Apart() {}

// CanSegment is for Linux.
func CanSegment(*Socket) bool { return false }

// NewPoller is for Linux.
func NewPoller(int) (*Poller, error) { return nil, Supported() }

// Add is for Linux.
func (*Poller) Add(*Socket, uint64) error { return Supported() }

// Wait is for Linux.
func (*Poller) Wait() (int, error) { return 0, Supported() }

// Token is for Linux.
func (*Poller) Token(int) uint64 { return 0 }

// Close is for Linux.
func (*Poller) Close() error { return nil }
