package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
)

// sockets opens what the settings say. A service manager may have opened some of
// it before and passed it on (sd_listen_fds(3)): then connections wait while the
// server starts again, and it needs no rights for ports below 1024. Which socket
// is whose is told by its address, so the settings stay the truth; the relay's
// ports are never passed.
type sockets struct {
	mu        sync.Mutex // guards the fields below
	listeners []net.Listener
	packets   []net.PacketConn
}

// inheritSockets takes the descriptors that were passed.
func inheritSockets(passed []*os.File) (*sockets, error) {
	s := new(sockets)
	for _, file := range passed {
		listener, notListener := net.FileListener(file)
		packet, notPacket := net.FilePacketConn(file)
		name := file.Name()
		_ = file.Close() // both were duplicates
		switch {
		case notListener == nil:
			s.listeners = append(s.listeners, listener)
		case notPacket == nil:
			s.packets = append(s.packets, packet)
		default:
			s.close()
			return nil, fmt.Errorf("the passed descriptor %s is no socket that listens: %w", name, notListener)
		}
	}
	return s, nil
}

// Listen is that of a net.ListenConfig, or a listener that was passed.
func (s *sockets) Listen(ctx context.Context, network, address string) (net.Listener, error) {
	s.mu.Lock()
	i := slices.IndexFunc(s.listeners, func(l net.Listener) bool { return isFor(l.Addr(), network, address) })
	if i < 0 {
		s.mu.Unlock()
		return new(net.ListenConfig).Listen(ctx, network, address)
	}
	defer s.mu.Unlock()
	passed := s.listeners[i]
	s.listeners = slices.Delete(s.listeners, i, i+1)
	return passed, nil
}

// ListenPacket is that of a net.ListenConfig, or a socket that was passed.
func (s *sockets) ListenPacket(ctx context.Context, network, address string) (net.PacketConn, error) {
	s.mu.Lock()
	i := slices.IndexFunc(s.packets, func(p net.PacketConn) bool { return isFor(p.LocalAddr(), network, address) })
	if i < 0 {
		s.mu.Unlock()
		return new(net.ListenConfig).ListenPacket(ctx, network, address)
	}
	defer s.mu.Unlock()
	passed := s.packets[i]
	s.packets = slices.Delete(s.packets, i, i+1)
	return passed, nil
}

// isFor tells whether a passed socket is at the address of a setting.
func isFor(at net.Addr, network, address string) bool {
	bound, err := netip.ParseAddrPort(at.String())
	host, port, wrong := net.SplitHostPort(address)
	if err != nil || wrong != nil || at.Network() != network || port != fmt.Sprint(bound.Port()) {
		return false
	}
	switch asked, err := netip.ParseAddr(host); {
	case host == "localhost":
		return bound.Addr().Unmap().IsLoopback()
	case err != nil || asked.IsUnspecified():
		return bound.Addr().IsUnspecified()
	default:
		return asked.Unmap() == bound.Addr().Unmap()
	}
}

// allTaken is an error if a socket was passed that no setting asked for: clients
// would wait in it for nobody.
func (s *sockets) allTaken() error {
	s.mu.Lock()
	var left []string
	for _, l := range s.listeners {
		left = append(left, "tcp "+l.Addr().String())
	}
	for _, p := range s.packets {
		left = append(left, "udp "+p.LocalAddr().String())
	}
	s.mu.Unlock()
	s.close()
	if len(left) == 0 {
		return nil
	}
	return &hinted{
		err:  errors.New("passed sockets that no setting listens on: " + strings.Join(left, ", ")),
		hint: "take them out of the .socket unit, or set " + prefix + "ADDR, REDIRECT_ADDR, ADMIN_ADDR, TURN_UDP_ADDR, TURN_TCP_ADDR or TURN_TLS_ADDR to them",
	}
}

// close closes what nobody has taken.
func (s *sockets) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.listeners {
		_ = l.Close() // nobody has used it
	}
	for _, p := range s.packets {
		_ = p.Close() // nobody has used it
	}
	s.listeners, s.packets = nil, nil
}
