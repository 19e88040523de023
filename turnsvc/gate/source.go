package gate

import (
	"net"
	"net/netip"
)

// Source is whom a limit per address counts: an IPv4 address, or the /64 of an
// IPv6 address, because one customer is given that many.
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

// AddrPort is the address of a UDP or TCP client or peer, with IPv4 in its plain
// form and without a zone. It is invalid for every other kind of net.Addr.
func AddrPort(addr net.Addr) netip.AddrPort {
	var ip net.IP
	var port int
	switch a := addr.(type) {
	case *net.UDPAddr:
		ip, port = a.IP, a.Port
	case *net.TCPAddr:
		ip, port = a.IP, a.Port
	}
	plain, _ := netip.AddrFromSlice(ip)
	return netip.AddrPortFrom(plain.Unmap(), uint16(port))
}
