package mmsg

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// Supported is nil where the package works.
func Supported() error { return nil }

// A Socket is a UDP socket: one of its own, which nothing waits for but a Poller,
// or that of a net.UDPConn; or an end of a pair of unix sockets. Any number of
// goroutines may use it.
type Socket struct {
	six  bool
	raw  syscall.RawConn // of the net.UDPConn or the net.UnixConn; nil: its own
	pipe bool            // it is one of Pipe
	lost atomic.Uint64   // datagrams that the kernel did not take

	source netip.Addr     // of Dial: where the way to peer begins
	peer   netip.AddrPort // of Dial: where all goes

	mu sync.RWMutex // held while fd is used, so that no other socket has its number by then
	fd int          // its own; -1 after Close
}

// Listen opens a Socket of its own at an address, with buffers as large as we may
// make them up to bufferBytes. It has the port for itself, but for Sockets of Dial.
func Listen(addr netip.AddrPort, bufferBytes int) (*Socket, error) {
	s := &Socket{six: addr.Addr().Is6()}
	fd, err := newSocket(s.six)
	if err != nil {
		return nil, err
	}
	if err := s.bind(fd, addr); err != nil {
		_ = unix.Close(fd) // of no use to anybody
		return nil, err
	}
	if addr.Addr().IsUnspecified() { // else no other address is in its way
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1) // or Dial will fail
	}
	setBuffer(fd, unix.SO_RCVBUFFORCE, unix.SO_RCVBUF, bufferBytes)
	setBuffer(fd, unix.SO_SNDBUFFORCE, unix.SO_SNDBUF, bufferBytes)
	s.fd = fd
	return s, nil
}

func newSocket(six bool) (fd int, err error) {
	family := unix.AF_INET
	if six {
		family = unix.AF_INET6
	}
	fd, err = unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	return fd, os.NewSyscallError("socket", err)
}

func (s *Socket) bind(fd int, addr netip.AddrPort) error {
	if s.six {
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1); err != nil {
			return os.NewSyscallError("setsockopt", err)
		}
	}
	return os.NewSyscallError("bind", unix.Bind(fd, sockaddr(addr, s.six)))
}

// sockaddr is addr for a socket of IPv6, where IPv4 is mapped, or of IPv4.
func sockaddr(addr netip.AddrPort, six bool) unix.Sockaddr {
	if six {
		return &unix.SockaddrInet6{Port: int(addr.Port()), Addr: addr.Addr().As16()}
	}
	return &unix.SockaddrInet4{Port: int(addr.Port()), Addr: addr.Addr().Unmap().As4()}
}

// setBuffer makes a buffer as large as we may, beyond the limits of the system if
// we are root.
func setBuffer(fd, force, ask, bytes int) {
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, force, bytes) != nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, ask, bytes) // with a smaller one it works as well
	}
}

// Wrap is the socket of conn, which goes on to belong to who has it.
func Wrap(conn *net.UDPConn) (*Socket, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, fmt.Errorf("reach a socket: %w", err)
	}
	s := &Socket{raw: raw}
	var failed error
	err = raw.Control(func(fd uintptr) {
		var domain int
		domain, failed = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_DOMAIN)
		s.six = domain == unix.AF_INET6
	})
	if err == nil {
		err = failed
	}
	if err != nil {
		return nil, fmt.Errorf("ask a socket for its family: %w", err)
	}
	return s, nil
}

// Pipe is the socket of conn, which is one of a pair that keeps messages apart
// (SOCK_SEQPACKET or SOCK_DGRAM) and goes on to belong to who has it. Datagrams go to
// the other one, wherever they are said to go, and each by itself.
func Pipe(conn *net.UnixConn) (*Socket, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, fmt.Errorf("reach a socket: %w", err)
	}
	return &Socket{raw: raw, pipe: true}, nil
}

// Widen asks for buffers of so many bytes for what goes out, as far as we may.
func (s *Socket) Widen(bytes int) {
	_ = s.use(func(fd uintptr) { setBuffer(int(fd), unix.SO_SNDBUFFORCE, unix.SO_SNDBUF, bytes) }) // with a smaller one it works as well
}

// Lost is how many datagrams a Sender could not send by it.
func (s *Socket) Lost() uint64 { return s.lost.Load() }

// Send sends one datagram by a Socket of Pipe. It does not wait: what the kernel has no
// room for is an error.
func (s *Socket) Send(p []byte) error {
	var failed error
	if err := s.use(func(fd uintptr) { failed = unix.Sendto(int(fd), p, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, nil) }); err != nil {
		return err
	}
	return os.NewSyscallError("sendto", failed)
}

// Six reports whether the socket is one of IPv6.
func (s *Socket) Six() bool { return s.six }

// use calls f with the descriptor, unless the socket is closed.
func (s *Socket) use(f func(fd uintptr)) error {
	if s.raw != nil {
		return s.raw.Control(f)
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.fd < 0 {
		return net.ErrClosed
	}
	f(uintptr(s.fd))
	return nil
}

// Close closes a Socket of its own; a second time does nothing.
func (s *Socket) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.raw != nil || s.fd < 0 {
		return nil
	}
	fd := s.fd
	s.fd = -1
	return os.NewSyscallError("close", unix.Close(fd))
}

// Conn makes a Socket of its own that of a net.UDPConn, and closes it.
func (s *Socket) Conn() (*net.UDPConn, error) {
	s.mu.Lock()
	if s.raw != nil || s.fd < 0 {
		s.mu.Unlock()
		return nil, net.ErrClosed
	}
	file := os.NewFile(uintptr(s.fd), "udp")
	s.fd = -1
	s.mu.Unlock()
	conn, err := net.FilePacketConn(file)
	_ = file.Close() // conn has a descriptor of its own
	if err != nil {
		return nil, fmt.Errorf("hand a socket over: %w", err)
	}
	return conn.(*net.UDPConn), nil // as Listen has made it
}

// SendTo sends one datagram.
func (s *Socket) SendTo(p []byte, to netip.AddrPort) error {
	var failed error
	if err := s.use(func(fd uintptr) { failed = unix.Sendto(int(fd), p, unix.MSG_DONTWAIT, sockaddr(to, s.six)) }); err != nil {
		return err
	}
	return os.NewSyscallError("sendto", failed)
}
