package mmsg

import (
	"errors"
	"fmt"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

// nobody is a multicast group that no program of ours joins, for private use
// (RFC 2365 §6.2, RFC 4291 §2.7).
func nobody(six bool) netip.Addr {
	if six {
		return netip.AddrFrom16([16]byte{0: 0xff, 1: 0x18, 14: 0x57, 15: 0x50})
	}
	return netip.AddrFrom4([4]byte{239, 192, 87, 80})
}

// errSource says that datagrams would leave from another address.
var errSource = errors.New("the way there begins at another address")

// Dial opens a Socket of its own that sends from one address to one other, and
// receives nothing: whatever comes goes on to who is bound to the port already,
// which must be a Socket of Listen or one that was shared (SO_REUSEPORT). From an
// unspecified address is from the one that the kernel takes. An error is no reason
// to worry: the address may not be where the way there begins.
//
// The kernel looks for the way once and not for every datagram, and tells no poller
// when one has left. But what a peer sends, a connected socket takes away from the
// one that is read. So this one is bound to a multicast group: bind makes that the
// address for which it receives, and leaves open from where it sends, which connect
// decides.
func Dial(from, to netip.AddrPort, bufferBytes int) (*Socket, error) {
	six := to.Addr().Is6()
	source, err := sourceFor(to)
	if err != nil {
		return nil, err
	}
	if !from.Addr().IsUnspecified() && from.Addr() != source {
		return nil, fmt.Errorf("connect to %v: %w", to, errSource)
	}
	s := &Socket{six: six, source: source, peer: to}
	fd, err := newSocket(six)
	if err != nil {
		return nil, err
	}
	if err := s.dial(fd, from.Port(), to, bufferBytes); err != nil {
		_ = unix.Close(fd) // of no use to anybody
		return nil, err
	}
	s.fd = fd
	return s, nil
}

func (s *Socket) dial(fd int, port uint16, to netip.AddrPort, bufferBytes int) error {
	if err := os.NewSyscallError("setsockopt", unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)); err != nil {
		return err
	}
	if err := s.bind(fd, netip.AddrPortFrom(nobody(s.six), port)); err != nil {
		return err
	}
	if err := os.NewSyscallError("connect", unix.Connect(fd, sockaddr(to, s.six))); err != nil {
		return err
	}
	setBuffer(fd, unix.SO_SNDBUFFORCE, unix.SO_SNDBUF, bufferBytes)
	return nil
}

// sourceFor is the address of this machine where the way to another begins.
func sourceFor(to netip.AddrPort) (netip.Addr, error) {
	six := to.Addr().Is6()
	fd, err := newSocket(six)
	if err != nil {
		return netip.Addr{}, err
	}
	defer func() { _ = unix.Close(fd) }() // nothing was sent
	if err := unix.Connect(fd, sockaddr(to, six)); err != nil {
		return netip.Addr{}, os.NewSyscallError("connect", err)
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		return netip.Addr{}, os.NewSyscallError("getsockname", err)
	}
	switch name := name.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrFrom4(name.Addr), nil
	case *unix.SockaddrInet6:
		return netip.AddrFrom16(name.Addr), nil
	}
	return netip.Addr{}, os.NewSyscallError("getsockname", unix.EAFNOSUPPORT) // not possible
}

// Current reports whether the way of a Socket of Dial still begins where it did:
// routes and addresses come and go.
func (s *Socket) Current() bool {
	source, err := sourceFor(s.peer)
	return err == nil && source == s.source
}

// connected reports whether it is a Socket of Dial or Pipe.
func (s *Socket) connected() bool { return s.pipe || s.peer.IsValid() }
