package arrivals

import "net/netip"

// Source is whom a limit per address counts: an IPv4 address, or the /64 of an
// IPv6 address, because one customer is given that many (RFC 6177 §2).
func Source(addr netip.Addr) netip.Prefix {
	addr = addr.Unmap().WithZone("")
	bits := addr.BitLen()
	if addr.Is6() {
		bits = 64
	}
	p, err := addr.Prefix(bits)
	if err != nil {
		return netip.Prefix{} // an invalid address: all of them count as one
	}
	return p
}
