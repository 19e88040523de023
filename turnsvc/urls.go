package turnsvc

import (
	"net"
	"net/netip"
	"strconv"

	"github.com/wasmp2pchat/wasmp2pchat/turnsvc/gate"
)

// URLs are what clients are told (RFC 7064, RFC 7065): every socket that listens
// with every public address that it can serve, first "stun:H:P", then
// "turn:H:P?transport=udp", then "turn:H:P?transport=tcp". The port is always
// written, and IPv6 stands in brackets.
func (s *Server) URLs() []string {
	var urls []string
	if s.udp != nil {
		urls = s.appendURLs(urls, s.udp.LocalAddr(), "stun:", "")
		urls = s.appendURLs(urls, s.udp.LocalAddr(), "turn:", "?transport=udp")
	}
	if s.tcp != nil {
		urls = s.appendURLs(urls, s.tcp.Addr(), "turn:", "?transport=tcp")
	}
	return urls
}

func (s *Server) appendURLs(urls []string, local net.Addr, scheme, query string) []string {
	addr := gate.AddrPort(local)
	port := strconv.Itoa(int(addr.Port()))
	for _, ip := range s.cfg.PublicIPs {
		if reaches(addr.Addr(), ip) {
			urls = append(urls, scheme+net.JoinHostPort(ip.String(), port)+query)
		}
	}
	return urls
}

// reaches reports whether a socket bound to local can be what clients reach at
// public. Go makes [::] a socket for both families.
func reaches(local, public netip.Addr) bool {
	return local.Is4() == public.Is4() || local == netip.IPv6Unspecified()
}

// ports are those of the sockets that listen.
func (s *Server) ports() map[uint16]bool {
	ports := map[uint16]bool{}
	if s.udp != nil {
		ports[gate.AddrPort(s.udp.LocalAddr()).Port()] = true
	}
	if s.tcp != nil {
		ports[gate.AddrPort(s.tcp.Addr()).Port()] = true
	}
	return ports
}
