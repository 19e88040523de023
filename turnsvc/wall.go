package turnsvc

import (
	"fmt"
	"net"
	"net/netip"
)

// wall is the filter with this machine in it: strangers must not reach through
// the relay what listens here, but two allocations of this server must reach
// each other.
type wall struct {
	family    byte            // of our relayed transport addresses
	homes     *homes          // which addresses are ours, which are relays, and the filter
	listening map[uint16]bool // where we listen for clients
}

// interfaceAddrs are the addresses of this machine at present.
func interfaceAddrs() (map[netip.Addr]bool, error) {
	own := map[netip.Addr]bool{}
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return nil, fmt.Errorf("list the addresses of this machine: %w", err)
	}
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			own[p.Addr().Unmap()] = true
		}
	}
	return own, nil
}

// grants reports whether a permission for ip makes sense: RFC 8656 §9.2 lets the
// server refuse by address. Peers of the other family than our relayed addresses
// are refused, too, since no datagram could reach them.
func (w *wall) grants(ip netip.Addr) bool {
	ip = ip.Unmap()
	here, filter := w.homes.view.Load(), w.homes.filter.Load()
	switch {
	case familyOf(ip) != w.family:
		return false
	case here.relayed(ip):
		return !contains(filter.deny, ip)
	case here.own(ip) && !filter.lifts(ip):
		return w.grantsNeighbour(ip)
	}
	return filter.allows(ip) || w.grantsNeighbour(ip)
}

// grantsNeighbour is grants for where another server of the fleet relays, of which
// mayReach and relay.lets say what.
func (w *wall) grantsNeighbour(ip netip.Addr) bool {
	return w.homes.neighbours.Load().has(ip) && !contains(w.homes.filter.Load().deny, ip)
}

// lets reports whether a datagram may go to peer, or come from it.
func (w *wall) lets(peer netip.AddrPort) bool {
	ip := peer.Addr()
	switch {
	case !w.grants(ip):
		return false
	case !w.homes.view.Load().own(ip):
		return true
	case w.homes.at(peer) != nil:
		return true
	}
	return w.homes.filter.Load().lifts(ip) && !w.listening[peer.Port()]
}
