//go:build linux

package main

import (
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/wasmp2pchat/wasmp2pchat/internal/natlab"
)

// socketBuffer is that of every socket of the rig, so that it loses nothing
// between two looks.
const socketBuffer = 4 << 20

// place is where people live: a host and its many addresses.
type place struct {
	host   *natlab.Host
	second byte // of 51.x.0.0/16
	server netip.Addr
	used   int // addresses

	serverLink string // the server's end of the cable
}

// next is an address that nobody has had.
func (p *place) next() netip.Addr {
	p.used++
	return netip.AddrFrom4([4]byte{51, p.second, byte(p.used >> 8), byte(p.used)})
}

// sockets opens sockets of a kind, each at an address of its own. They never
// block.
func (p *place) sockets(kind, count int) (fds []int, err error) {
	err = p.host.Do(func() error {
		for range count {
			fd, err := openSocket(kind, netip.AddrPortFrom(p.next(), 0))
			if err != nil {
				return fmt.Errorf("open socket %d: %w", len(fds), err)
			}
			fds = append(fds, fd)
		}
		return nil
	})
	if err != nil {
		closeAll(fds)
		return nil, err
	}
	return fds, nil
}

// connect connects a socket, and makes a datagram socket hear that address only.
func connect(fd int, to netip.AddrPort) error {
	if err := unix.SetNonblock(fd, false); err != nil {
		return err
	}
	if err := unix.Connect(fd, &unix.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()}); err != nil {
		return fmt.Errorf("connect to %v: %w", to, err)
	}
	return unix.SetNonblock(fd, true)
}

// openSocket opens one in the namespace that the thread is in. To connect it
// takes a second at most.
func openSocket(kind int, at netip.AddrPort) (int, error) {
	fd, err := unix.Socket(unix.AF_INET, kind|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return 0, err
	}
	err = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &unix.Timeval{Sec: 1})
	switch kind {
	case unix.SOCK_DGRAM:
		err = errors.Join(err,
			unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, socketBuffer),
			unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, socketBuffer))
	case unix.SOCK_STREAM:
		err = errors.Join(err, unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1))
	}
	err = errors.Join(err, unix.Bind(fd, &unix.SockaddrInet4{Port: int(at.Port()), Addr: at.Addr().As4()}))
	if err != nil {
		_ = unix.Close(fd)
		return 0, err
	}
	return fd, nil
}

// stampArrivals has the kernel tell when each datagram came.
func stampArrivals(fd int) error {
	return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1)
}

// localAddr is where a socket is bound.
func localAddr(fd int) (netip.AddrPort, error) {
	name, err := unix.Getsockname(fd)
	if err != nil {
		return netip.AddrPort{}, err
	}
	return addrPort(name)
}

// remoteAddr is what it is connected to.
func remoteAddr(fd int) (netip.AddrPort, error) {
	name, err := unix.Getpeername(fd)
	if err != nil {
		return netip.AddrPort{}, err
	}
	return addrPort(name)
}

func addrPort(name unix.Sockaddr) (netip.AddrPort, error) {
	at, ok := name.(*unix.SockaddrInet4)
	if !ok {
		return netip.AddrPort{}, errors.New("not a socket of IPv4")
	}
	return netip.AddrPortFrom(netip.AddrFrom4(at.Addr), uint16(at.Port)), nil
}

func closeAll(fds []int) {
	for _, fd := range fds {
		_ = unix.Close(fd)
	}
}
