package edge

import (
	"net"
	"net/netip"

	"github.com/wasmp2pchat/wasmp2pchat/internal/arrivals"
)

// source is whom the limit per address counts. All who come from nowhere on the
// Internet count as one.
func source(addr net.Addr) netip.Prefix { return arrivals.Source(address(addr)) }

// address is that of a TCP client, with IPv4 in its plain form and without a
// zone. It is invalid for every other kind of net.Addr.
func address(addr net.Addr) netip.Addr {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	ip, _ := netip.AddrFromSlice(tcp.IP)
	return ip.Unmap()
}

// unmapped are prefixes as address has addresses: ::ffff:10.0.0.0/104 is
// 10.0.0.0/8.
func unmapped(prefixes []netip.Prefix) []netip.Prefix {
	plain := make([]netip.Prefix, len(prefixes))
	for i, p := range prefixes {
		if p.Addr().Is4In6() && p.Bits() >= 96 {
			p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
		}
		plain[i] = p
	}
	return plain
}
