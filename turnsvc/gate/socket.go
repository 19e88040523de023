package gate

import (
	"net"
	"net/netip"
)

// socketBufferBytes is asked for the buffers of sockets that many clients share:
// with the usual 208 kB datagrams are lost from 60,000 a second on.
const socketBufferBytes = 4 << 20

// socket is a UDP socket of a machine that may have several addresses: a client
// takes an answer only from the address that it asked, but a socket that listens
// on all of them would answer from the one that the kernel thinks best. Where
// the system has no routes, it does.
type socket struct {
	*net.UDPConn
	routes  *routes // nil: the socket has one address, or the system no routes
	control [64]byte
}

// newSocket wraps conn.
func newSocket(conn *net.UDPConn) *socket {
	enlarge(conn)
	s := &socket{UDPConn: conn}
	if local := AddrPort(conn.LocalAddr()).Addr(); local.IsUnspecified() {
		s.routes = newRoutes(conn, local)
	}
	return s
}

// read receives a datagram, and tells the address of ours it was sent to if that
// makes a difference. One goroutine reads.
func (s *socket) read(p []byte) (n int, from netip.AddrPort, local netip.Addr, err error) {
	if s.routes == nil {
		n, from, err = s.ReadFromUDPAddrPort(p)
		return n, unmapped(from), netip.Addr{}, err
	}
	n, c, _, from, err := s.ReadMsgUDPAddrPort(p, s.control[:])
	if err != nil {
		return n, from, netip.Addr{}, err
	}
	return n, unmapped(from), s.routes.local(s.control[:c]), nil
}

// write sends a datagram from an address of ours; if that is invalid the kernel
// chooses one.
func (s *socket) write(p []byte, to netip.AddrPort, local netip.Addr) (int, error) {
	if s.routes == nil || !local.IsValid() {
		return s.WriteToUDPAddrPort(p, to)
	}
	control := s.routes.from(local)
	defer s.routes.done(control)
	n, _, err := s.WriteMsgUDPAddrPort(p, *control, to)
	return n, err
}

// unmapped is addr with IPv4 in its plain form.
func unmapped(addr netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port())
}
