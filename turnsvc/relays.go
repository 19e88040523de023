package turnsvc

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"sync"
)

const (
	// socketBufferBytes is asked for the receive buffers: with the usual 208 kB
	// packets are lost from 60,000 a second on. The kernel gives what
	// net.core.rmem_max permits.
	socketBufferBytes = 4 << 20
	// maxBindTries bounds how many ports of the range are tried that somebody
	// else on this machine holds.
	maxBindTries = 64
	// maxPairTries bounds how often two neighbours are looked for.
	maxPairTries = 16
)

var errNoPort = errors.New("no relay port left")

// relays are the relayed transport addresses of this server.
type relays struct {
	public netip.Addr // what clients are told
	bound  netip.Addr // what the sockets are bound to: public, or with 1:1 NAT unspecified
	ports  PortRange
	wall   *wall
	byRoom bool // only the two sides of a room may reach each other
	count  *counters
	meter  *meter

	mu     sync.RWMutex      // guards byPort
	byPort map[uint16]*relay // those of allocations
}

// relaysOf builds the relays of each address family that has a public address.
// The own addresses are those of the interfaces; listening are the ports where
// clients come.
func relaysOf(cfg Config, own map[netip.Addr]bool, listening map[uint16]bool, m *meter) map[byte]*relays {
	all := maps.Clone(own)
	for _, ip := range cfg.PublicIPs {
		all[ip] = true
	}
	list := map[byte]*relays{}
	for _, ip := range cfg.PublicIPs {
		if family := familyOf(ip); list[family] == nil {
			list[family] = newRelays(cfg, ip, own[ip], m)
			list[family].wall = &wall{
				filter: newFilter(cfg.Peers, cfg.AllowPeers, cfg.DenyPeers),
				public: ip, own: all, listening: listening, live: list[family].live,
			}
		}
	}
	return list
}

func newRelays(cfg Config, public netip.Addr, onInterface bool, m *meter) *relays {
	h := &relays{public: public, bound: public, ports: cfg.RelayPorts, count: m.count, meter: m, byRoom: cfg.Peers == PeersRoom, byPort: map[uint16]*relay{}}
	switch {
	case onInterface:
	case public.Is4():
		h.bound = netip.IPv4Unspecified()
	default:
		h.bound = netip.IPv6Unspecified()
	}
	return h
}

func (h *relays) family() byte { return familyOf(h.public) }

// place opens the relay of a grant, and the one whose port comes next if that
// was asked for: the token is for who comes to take it.
func (s *Server) place(g *grant) (r *relay, token []byte, err error) {
	switch {
	case g.place.taken != nil:
		return g.place.taken, nil, nil
	case !g.place.even:
		r, err = g.relays.open(false)
		return r, nil, err
	}
	for range maxPairTries {
		r, err = g.relays.open(true)
		if err != nil || !g.place.reserve {
			return r, nil, err
		}
		if next, err := g.relays.bind(r.port + 1); err == nil {
			if token = s.reserved.keep(next); token != nil {
				return r, token, nil
			}
			_ = next.Close() // one too many
		}
		_ = r.Close() // the one after it is taken
	}
	return nil, nil, errNoPort
}

// open binds a relay to a random port of the range, or to an even one
// (RFC 8656 §7.2, RFC 6056); ports that follow it are tried in turn.
func (h *relays) open(even bool) (*relay, error) {
	first, tries := random(h.ports.size()), 0
	for i := range h.ports.size() {
		p := h.ports.Min + uint16((first+i)%h.ports.size())
		if even && p%2 == 1 || h.live(p) {
			continue
		}
		if r, err := h.bind(p); err == nil {
			return r, nil
		}
		if tries++; tries == maxBindTries {
			break
		}
	}
	return nil, fmt.Errorf("%w in %v", errNoPort, h.ports)
}

func (h *relays) bind(port uint16) (*relay, error) {
	network := "udp4"
	if h.bound.Is6() {
		network = "udp6"
	}
	conn, err := net.ListenUDP(network, net.UDPAddrFromAddrPort(netip.AddrPortFrom(h.bound, port)))
	if err != nil {
		return nil, fmt.Errorf("open relay port %d: %w", port, err)
	}
	_ = conn.SetReadBuffer(socketBufferBytes) // with a smaller one it works as well
	return h.newRelay(conn, port), nil
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

// inward is where a datagram for peer is sent in truth.
func (h *relays) inward(peer netip.AddrPort) netip.AddrPort {
	if peer.Addr() == h.public && h.live(peer.Port()) {
		return netip.AddrPortFrom(h.inner(), peer.Port())
	}
	return peer
}

// outward undoes inward for the sender of a datagram.
func (h *relays) outward(from netip.AddrPort) netip.AddrPort {
	if from.Addr() == h.inner() && h.live(from.Port()) {
		return netip.AddrPortFrom(h.public, from.Port())
	}
	return from
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
