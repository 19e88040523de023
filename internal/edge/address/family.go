package address

import "net/netip"

// Family is IPv4 or IPv6.
type Family string

// The two families.
const (
	IPv4 Family = "IPv4"
	IPv6 Family = "IPv6"
)

func families() [2]Family { return [2]Family{IPv4, IPv6} }

func (f Family) has(addr netip.Addr) bool { return addr.IsValid() && addr.Is4() == (f == IPv4) }

// network is the name of a network of this family, for package net.
func (f Family) network(transport string) string {
	if f == IPv4 {
		return transport + "4"
	}
	return transport + "6"
}

// record is the type of the DNS record that has such an address.
func (f Family) record() string {
	if f == IPv4 {
		return "A"
	}
	return "AAAA"
}

// only keeps the addresses of the family, each once.
func (f Family) only(addrs []netip.Addr) []netip.Addr {
	var list []netip.Addr
	seen := map[netip.Addr]bool{}
	for _, addr := range addrs {
		if f.has(addr) && !seen[addr] {
			seen[addr] = true
			list = append(list, addr)
		}
	}
	return list
}

// first is the first address of the family.
func first(addrs []netip.Addr, f Family) (netip.Addr, bool) {
	for _, addr := range addrs {
		if f.has(addr) {
			return addr, true
		}
	}
	return netip.Addr{}, false
}
