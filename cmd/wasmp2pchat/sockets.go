package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/wasmp2pchat/wasmp2pchat/internal/succession"
)

// sockets opens what the settings say. A service manager may have opened some of
// it before and passed it on (sd_listen_fds(3)): then connections wait while the
// server starts again, and it needs no rights for ports below 1024. Which socket
// is whose is told by its address, so the settings stay the truth; the relay's
// ports are never passed. So does the older process of this server, if there is one;
// what belongs to UDP the relay hands over itself.
type sockets struct {
	mu        sync.Mutex // guards the fields below
	listeners []net.Listener
	packets   []net.PacketConn
	inherited []*entrance // those of the older process that nobody has taken yet
	opened    []*entrance // those of this one
}

// inheritSockets takes the descriptors that were passed, and the sockets of the older
// process; the next one is bequeathed those of this one.
func inheritSockets(passed []*os.File, line *succession.Line) (*sockets, error) {
	s := new(sockets)
	if bequest, there := line.Inherited("sockets"); there {
		if err := s.inherit(bequest); err != nil {
			return nil, err
		}
	}
	line.Bequeath("sockets", succession.Part{
		Estate: s.bequeath,
		Pause:  func() { s.each((*entrance).pause) },
		Resume: func() { s.each((*entrance).resume) },
		Retire: func() { s.each((*entrance).retire) },
	})
	for _, file := range passed {
		listener, notListener := net.FileListener(file)
		packet, notPacket := net.FilePacketConn(file)
		name := file.Name()
		_ = file.Close() // both were duplicates
		switch {
		case notListener == nil && isTCP(listener):
			s.listeners = append(s.listeners, listener)
		case notPacket == nil:
			s.packets = append(s.packets, packet)
		case notListener == nil:
			_ = listener.Close() // nobody has used it
			notListener = errors.New("it is of another network")
			fallthrough
		default:
			s.close()
			return nil, fmt.Errorf("the passed descriptor %s is no socket that listens: %w", name, notListener)
		}
	}
	return s, nil
}

// Listen is that of a net.ListenConfig for TCP, or a listener that was passed.
func (s *sockets) Listen(ctx context.Context, network, address string) (net.Listener, error) {
	e := s.taken(network, address)
	if e == nil {
		l, err := new(net.ListenConfig).Listen(ctx, network, address)
		if err != nil {
			return nil, err
		}
		e = newEntrance(l.(*net.TCPListener), address) // as Listen promises for "tcp"
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.opened = append(s.opened, e)
	return e, nil
}

// taken is a listener that was passed for an address, nil if none was. One of the
// older process goes by its setting first: that may have had no port.
func (s *sockets) taken(network, address string) *entrance {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.inherited, func(e *entrance) bool { return e.setting == address })
	if i < 0 {
		i = slices.IndexFunc(s.inherited, func(e *entrance) bool { return isFor(e.Addr(), network, address) })
	}
	if i >= 0 {
		e := s.inherited[i]
		s.inherited = slices.Delete(s.inherited, i, i+1)
		e.setting = address
		return e
	}
	i = slices.IndexFunc(s.listeners, func(l net.Listener) bool { return isFor(l.Addr(), network, address) })
	if i < 0 {
		return nil
	}
	passed := s.listeners[i]
	s.listeners = slices.Delete(s.listeners, i, i+1)
	return newEntrance(passed.(*net.TCPListener), address) // inheritSockets has looked
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
	for _, e := range s.inherited { // of a setting that has changed: the older process's own is its
		_ = e.Close()
	}
	s.listeners, s.packets, s.inherited = nil, nil, nil
}

// inherit takes the sockets of the older process.
func (s *sockets) inherit(b succession.Bequest) error {
	var settings []string
	if err := json.Unmarshal(b.Body, &settings); err != nil || len(settings) != len(b.Files) {
		return errors.New("the older process has bequeathed no sockets that this version knows")
	}
	for i, file := range b.Files {
		l, err := net.FileListener(file)
		_ = file.Close() // l is a duplicate
		listener, ok := l.(*net.TCPListener)
		if err != nil || !ok {
			return fmt.Errorf("take over the socket of %s: %w", settings[i], err)
		}
		s.inherited = append(s.inherited, newEntrance(listener, settings[i]))
	}
	return nil
}

// bequeath gives duplicates of the sockets to the next process, with the settings that
// they are for.
func (s *sockets) bequeath() (succession.Bequest, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b succession.Bequest
	settings := []string{}
	for _, e := range s.opened {
		file, err := e.File()
		if errors.Is(err, net.ErrClosed) {
			continue // its part does without it
		}
		if err != nil {
			return b, err
		}
		b.Files, settings = append(b.Files, file), append(settings, e.setting)
	}
	var err error
	b.Body, err = json.Marshal(settings)
	return b, err
}

func (s *sockets) each(do func(*entrance)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.opened {
		do(e)
	}
}

func isTCP(l net.Listener) bool {
	_, is := l.(*net.TCPListener)
	return is
}
