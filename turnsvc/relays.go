package turnsvc

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"

	"github.com/wasmp2pchat/wasmp2pchat/internal/mmsg"
)

const (
	// socketBufferBytes is asked for the receive buffers: with the usual 208 kB
	// packets are lost from 60,000 a second on. The kernel gives what
	// net.core.rmem_max permits.
	socketBufferBytes = 4 << 20
	// maxBindTries bounds how many ports of the range are tried that somebody
	// else on this machine holds.
	maxBindTries = 64
)

var errNoPort = errors.New("no relay port left")

// relays are the relayed transport addresses at one public address.
type relays struct {
	homes  *homes
	public netip.Addr // what clients are told
	bound  netip.Addr // what the sockets are bound to: public, or with 1:1 NAT unspecified
	ports  PortRange
	wall   *wall
	byRoom bool // only the two sides of a room may reach each other
	count  *counters
	meter  *meter
	taken  atomic.Int32 // ports that are bound, for allocations and reservations

	mu     sync.RWMutex      // guards byPort
	byPort map[uint16]*relay // those of allocations
}

// newRelays are those at public, which may be the address of an interface.
func (h *homes) newRelays(public netip.Addr, onInterface bool) *relays {
	cfg := h.cfg
	r := &relays{
		homes: h, public: public, bound: public, ports: cfg.RelayPorts, count: h.meter.count, meter: h.meter,
		byRoom: cfg.Peers == PeersRoom, byPort: map[uint16]*relay{},
		wall: &wall{family: familyOf(public), homes: h, listening: h.listening},
	}
	switch {
	case onInterface:
	case public.Is4():
		r.bound = netip.IPv4Unspecified()
	default:
		r.bound = netip.IPv6Unspecified()
	}
	return r
}

func (h *relays) family() byte { return familyOf(h.public) }

// place opens the relay of a grant, and the one whose port comes next if that
// was asked for: the token is for who comes to take it.
func (s *Server) place(g *grant) (r *relay, token []byte, err error) {
	switch {
	case g.place.taken != nil:
		return g.place.taken, nil, nil
	case !g.place.reserve:
		r, err = g.relays.open(g.place.even)
		return r, nil, err
	}
	r, next, err := g.relays.openPair()
	if err != nil {
		return nil, nil, err
	}
	if token = s.reserved.keep(next); token == nil { // one too many
		return nil, nil, errors.Join(errNoPort, next.Close(), r.Close())
	}
	return r, token, nil
}

// open binds a relay to a random port of the range, or to an even one
// (RFC 8656 §7.2, RFC 6056); ports that follow it are tried in turn.
func (h *relays) open(even bool) (*relay, error) {
	err := errNoPort
	for p := range h.free(even) {
		r, taken := h.bind(p)
		if taken == nil {
			return r, nil
		}
		err = fmt.Errorf("%w: %w", errNoPort, taken)
	}
	return nil, err
}

// openPair binds two relays, the first one to an even port and the second one to
// the port after it.
func (h *relays) openPair() (first, second *relay, err error) {
	for p := range h.free(true) {
		if !h.ports.Contains(p + 1) {
			continue
		}
		if first, err = h.bind(p); err != nil {
			continue
		}
		if second, err = h.bind(p + 1); err == nil {
			return first, second, nil
		}
		_ = first.Close() // the one after it is taken
	}
	return nil, nil, errNoPort
}

// free are the ports of the range which no allocation has, from a random one on:
// all of a small range, and maxBindTries of a large one.
func (h *relays) free(even bool) iter.Seq[uint16] {
	return func(yield func(uint16) bool) {
		first, tries := random(h.ports.size()), 0
		for i := range h.ports.size() {
			p := h.ports.Min + uint16((first+i)%h.ports.size())
			if even && p%2 == 1 || h.live(p) {
				continue
			}
			if tries++; !yield(p) || tries == maxBindTries {
				return
			}
		}
	}
}

func (h *relays) bind(port uint16) (*relay, error) {
	if h.homes.batch != nil {
		sock, err := mmsg.Listen(netip.AddrPortFrom(h.bound, port), socketBufferBytes)
		if err != nil {
			return nil, fmt.Errorf("open relay port %d: %w", port, err)
		}
		return h.newRelay(nil, sock, port), nil
	}
	network := "udp4"
	if h.bound.Is6() {
		network = "udp6"
	}
	conn, err := net.ListenUDP(network, net.UDPAddrFromAddrPort(netip.AddrPortFrom(h.bound, port)))
	if err != nil {
		return nil, fmt.Errorf("open relay port %d: %w", port, err)
	}
	_ = conn.SetReadBuffer(socketBufferBytes) // with a smaller one it works as well
	return h.newRelay(conn, nil, port), nil
}

// random is a number below n, which is at most 65536; nobody can foresee it.
func random(n int) int {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails: it ends the process instead
	return int(binary.BigEndian.Uint32(b[:]) % uint32(n))
}

// addr is what a client is told about r.
func (h *relays) addr(r *relay) net.Addr {
	return net.UDPAddrFromAddrPort(netip.AddrPortFrom(h.public, r.port))
}

// inner is where a relay of ours is reached from within this machine.
func (h *relays) inner() netip.Addr {
	switch {
	case !h.bound.IsUnspecified():
		return h.bound
	case h.bound.Is4():
		return netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	return netip.IPv6Loopback()
}

// live reports whether port is that of an allocation.
func (h *relays) live(port uint16) bool { return h.on(port) != nil }

// on is the relay of an allocation that has port, or nil.
func (h *relays) on(port uint16) *relay {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.byPort[port]
}

func (h *relays) add(r *relay) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.byPort[r.port] = r
}

func (h *relays) remove(r *relay) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.byPort, r.port)
}

// empty reports whether no allocation has a relay here.
func (h *relays) empty() bool {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return len(h.byPort) == 0
}

// closeAll closes the relays of all allocations.
func (h *relays) closeAll() {
	h.mu.RLock()
	all := make([]*relay, 0, len(h.byPort))
	for _, r := range h.byPort {
		all = append(all, r)
	}
	h.mu.RUnlock()
	for _, r := range all {
		_ = r.Close() // the end of a socket that nobody needs any more
	}
}
