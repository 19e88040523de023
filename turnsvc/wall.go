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
	filter    *filter
	public    netip.Addr             // the address of our relayed transport addresses
	own       map[netip.Addr]bool    // every address of this machine
	listening map[uint16]bool        // where we listen for clients
	live      func(port uint16) bool // is port that of a live allocation?
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
	switch {
	case ip.Is4() != w.public.Is4():
		return false
	case ip == w.public:
		return !contains(w.filter.deny, ip)
	case w.isOwn(ip) && !w.filter.lifts(ip):
		return false
	}
	return w.filter.allows(ip)
}

// lets reports whether a datagram may go to peer, or come from it.
func (w *wall) lets(peer netip.AddrPort) bool {
	ip := peer.Addr()
	switch {
	case !w.grants(ip):
		return false
	case !w.isOwn(ip):
		return true
	case ip == w.public && w.live(peer.Port()):
		return true
	}
	return w.filter.lifts(ip) && !w.listening[peer.Port()]
}

func (w *wall) isOwn(ip netip.Addr) bool {
	return w.own[ip] || ip.IsLoopback() || ip.IsUnspecified()
}
