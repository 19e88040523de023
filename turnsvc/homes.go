package turnsvc

import (
	"errors"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
)

// homes are all relays of this server, by the public address under which they
// were made. The address may change while the server serves: new relays are made
// under the new one, and those that live keep theirs, for a client cannot be told
// another.
//
//	SetPublicIPs ─▶ home at B   where new relays are made
//	                home at A   until its last relay is closed
//
// Whatever their age and their home, two relays reach each other.
type homes struct {
	cfg       Config
	meter     *meter
	batch     *batch          // reads for the relays; nil: pion does
	listening map[uint16]bool // where we listen for clients

	rooms      *rooms
	filter     atomic.Pointer[filter]
	neighbours atomic.Pointer[neighbours] // nil: there are none
	epoch      atomic.Uint64              // grows with everything that the wall's answers depend on

	mu   sync.Mutex           // held while view is replaced
	view atomic.Pointer[view] // what packets see
}

// A view is what homes are at one moment. It is never changed, but replaced.
type view struct {
	public     []netip.Addr        // what clients are told
	interfaces map[netip.Addr]bool // the addresses of this machine
	home       map[byte]*relays    // where new relays are made, by family
	all        []*relays           // those, and the older ones that have relays
}

// newHomes has a home for each address family that has a public address.
func newHomes(cfg Config, interfaces map[netip.Addr]bool, listening map[uint16]bool, m *meter) *homes {
	h := &homes{cfg: cfg, meter: m, listening: listening}
	h.view.Store(new(view))
	h.filter.Store(newFilter(cfg.Peers, cfg.AllowPeers, cfg.DenyPeers))
	h.move(cfg.PublicIPs, interfaces)
	return h
}

// move makes new relays under the first public address of each family. A home
// that stays where it was goes on.
func (h *homes) move(public []netip.Addr, interfaces map[netip.Addr]bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	old := h.view.Load()
	next := &view{public: slices.Clone(public), interfaces: interfaces, home: map[byte]*relays{}}
	for _, ip := range public {
		if family := familyOf(ip); next.home[family] == nil {
			next.home[family] = old.same(h.newRelays(ip, interfaces[ip]))
			next.all = append(next.all, next.home[family])
		}
	}
	for _, home := range old.all {
		if !slices.Contains(next.all, home) && !home.empty() {
			next.all = append(next.all, home)
		}
	}
	h.view.Store(next)
	h.epoch.Add(1)
}

// same is a home that there is already in the place of r, or r.
func (v *view) same(r *relays) *relays {
	for _, home := range v.all {
		if home.public == r.public && home.bound == r.bound {
			return home
		}
	}
	return r
}

// join makes r one that other relays can reach. Its home may have moved away
// since its port was bound.
func (h *homes) join(r *relay) {
	h.mu.Lock()
	defer h.mu.Unlock()
	r.home.add(r)
	defer h.epoch.Add(1)
	if old := h.view.Load(); !slices.Contains(old.all, r.home) {
		h.view.Store(old.with(append(slices.Clone(old.all), r.home)))
	}
}

// leave undoes join. An old home ends with its last relay: then its address is
// like any other, for somebody else may have it by now.
func (h *homes) leave(r *relay) {
	h.mu.Lock()
	defer h.mu.Unlock()
	r.home.remove(r)
	defer h.epoch.Add(1)
	old := h.view.Load()
	if old.home[r.home.family()] == r.home || !r.home.empty() {
		return
	}
	h.view.Store(old.with(slices.DeleteFunc(slices.Clone(old.all), func(home *relays) bool { return home == r.home })))
}

// with is v with other homes.
func (v *view) with(all []*relays) *view {
	next := *v
	next.all = all
	return &next
}

// of is where relays of a family are made; nil if it has no public address.
func (h *homes) of(family byte) *relays { return h.view.Load().home[family] }

// standard is the family of who asks for none: IPv4 (RFC 8656 §7.2) or, of a
// server that has none, IPv6: browsers never ask, and 440 would be all they get.
func (h *homes) standard() byte {
	if h.of(family4) == nil {
		return family6
	}
	return family4
}

// at is the relay whose relayed transport address is addr, or nil.
func (h *homes) at(addr netip.AddrPort) *relay {
	for _, home := range h.view.Load().all {
		if home.public == addr.Addr() {
			if r := home.on(addr.Port()); r != nil {
				return r
			}
		}
	}
	return nil
}

// inward is where a datagram for peer is sent in truth.
func (h *homes) inward(peer netip.AddrPort) netip.AddrPort {
	if r := h.at(peer); r != nil {
		return netip.AddrPortFrom(r.home.inner(), peer.Port())
	}
	if h.neighbours.Load().isKin(peer.Addr()) {
		return h.inwardKin(peer)
	}
	return peer
}

// inwardKin is inward for a relay of another process of this server.
func (h *homes) inwardKin(peer netip.AddrPort) netip.AddrPort {
	for _, home := range h.view.Load().all {
		if home.public == peer.Addr() {
			return netip.AddrPortFrom(home.inner(), peer.Port())
		}
	}
	return peer
}

// outwardKin is outward for one: whether there is one at that port the wall asks.
func (h *homes) outwardKin(v *view, from netip.AddrPort) netip.AddrPort {
	n := h.neighbours.Load()
	for _, home := range v.all {
		if home.inner() == from.Addr() && home.ports.Contains(from.Port()) && n.isKin(home.public) {
			return netip.AddrPortFrom(home.public, from.Port())
		}
	}
	return from
}

// outward undoes inward for the sender of a datagram. The kernel sends from the
// address that is sent to, if the sender is bound to none: so a relay of one home
// may come from the inner address of another one. Their ports are not the same.
func (h *homes) outward(from netip.AddrPort) netip.AddrPort {
	v := h.view.Load()
	if !v.isInner(from.Addr()) {
		return from
	}
	for _, home := range v.all {
		may := home.bound == from.Addr() || home.bound.IsUnspecified() && home.family() == familyOf(from.Addr())
		if may && home.live(from.Port()) {
			return netip.AddrPortFrom(home.public, from.Port())
		}
	}
	return h.outwardKin(v, from)
}

func (v *view) isInner(ip netip.Addr) bool {
	for _, home := range v.all {
		if home.inner() == ip {
			return true
		}
	}
	return false
}

// relayed reports whether relayed transport addresses have this one.
func (v *view) relayed(ip netip.Addr) bool {
	for _, home := range v.all {
		if home.public == ip {
			return true
		}
	}
	return false
}

// own reports whether ip is this machine.
func (v *view) own(ip netip.Addr) bool {
	return v.interfaces[ip] || v.relayed(ip) || slices.Contains(v.public, ip) || ip.IsLoopback() || ip.IsUnspecified()
}

// ports are those of a family: how many there are, and how many are taken.
func (h *homes) ports(family byte) (use PortUse) {
	v := h.view.Load()
	if v.home[family] == nil {
		return use
	}
	use.Size = h.cfg.RelayPorts.size()
	for _, home := range v.all {
		if home.family() == family {
			use.Taken += int(home.taken.Load())
		}
	}
	return use
}

// closeAll closes the relays of all allocations.
func (h *homes) closeAll() {
	for _, home := range h.view.Load().all {
		home.closeAll()
	}
}

// SetPublicIPs changes Config.PublicIPs while the server serves, each family for
// itself. New allocations have the new addresses, and URLs has them as soon as
// they were found to be reached; allocations that live keep their addresses, and
// reach the new ones. It is an error to have no address, or one that cannot be
// public; then nothing changes.
func (s *Server) SetPublicIPs(ips []netip.Addr) error {
	ips = unmapped(ips)
	if err := errors.Join(faultyIPs(ips)...); err != nil {
		return err
	}
	interfaces, err := interfaceAddrs() // they have changed, perhaps
	if err != nil {
		return err
	}
	if old := s.PublicIPs(); !slices.Equal(old, ips) {
		s.log.Info("turn has other public addresses", "before", old, "now", ips)
	}
	s.homes.move(ips, interfaces)
	s.kernel.refresh()
	s.Recheck()
	return nil
}

// PublicIPs are the addresses that clients reach at present.
func (s *Server) PublicIPs() []netip.Addr { return slices.Clone(s.homes.view.Load().public) }
