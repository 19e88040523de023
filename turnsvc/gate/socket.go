package gate

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
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
	flows   bool    // it is that of Flows
	clients clients // that this process serves

	heir   atomic.Pointer[feed]   // where to read while another process reads the socket; nil: the socket
	fed    *feed                  // where the reader does; nobody else touches it
	elders atomic.Pointer[elders] // who keep clients of theirs; nil: nobody does
	tally  tally
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

// read receives a datagram, from the socket or as another process hands it on. One
// goroutine reads.
func (s *socket) read(p []byte) (n int, from netip.AddrPort, local netip.Addr, err error) {
	for {
		if s.fed == nil {
			if n, from, local, err = s.receive(p); !errors.Is(err, os.ErrDeadlineExceeded) {
				return n, from, local, err
			}
			s.turn()
			continue
		}
		n, e, ok, err := s.readFed(p)
		if ok || err != nil {
			return n, e.client, e.local, err
		}
	}
}

// receive receives a datagram from the socket, and tells the address of ours it was
// sent to if that makes a difference.
func (s *socket) receive(p []byte) (n int, from netip.AddrPort, local netip.Addr, err error) {
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

// shut closes the socket, upon which who reads it ends.
func (s *socket) shut() error {
	err := s.Close()
	if f := s.heir.Load(); f != nil {
		closeEnds(f.near, f.far)
	}
	s.elders.Load().close()
	return err
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
