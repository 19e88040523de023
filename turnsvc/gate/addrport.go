package gate

import (
	"net"
	"net/netip"
)

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
