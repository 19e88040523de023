package turnsvc

import (
	"net"
	"net/netip"
	"strconv"

	"github.com/wasmp2pchat/wasmp2pchat/turnsvc/gate"
)

// URLs are what clients are told (RFC 7064, RFC 7065): every socket that listens
// with every public address that it can serve, first "stun:H:P", then
// "turn:H:P?transport=udp", then "turn:H:P?transport=tcp", and at last, if there
// is a Domain, "turns:D:P?transport=tcp". The port is always written, and IPv6
// stands in brackets.
//
// DTLS is for clients that are set up by hand: no browser speaks it, and Chromium
// takes "turns:D:P?transport=udp" for another allocation over TLS.
func (s *Server) URLs() []string {
	var urls []string
	if s.udp != nil {
		at := gate.AddrPort(s.udp.LocalAddr())
		urls = s.appendURLs(urls, at, "stun:", "")
		urls = s.appendURLs(urls, at, "turn:", "?transport=udp")
	}
	if s.tcp != nil {
		urls = s.appendURLs(urls, gate.AddrPort(s.tcp.Addr()), "turn:", "?transport=tcp")
	}
	if s.tls != nil && s.cfg.Domain != "" {
		at := gate.AddrPort(s.tls.Addr())
		if len(reached(at.Addr(), s.cfg.PublicIPs)) > 0 {
			urls = append(urls, url("turns:", s.cfg.Domain, at, "?transport=tcp"))
		}
	}
	return urls
}

func (s *Server) appendURLs(urls []string, at netip.AddrPort, scheme, query string) []string {
	for _, ip := range reached(at.Addr(), s.cfg.PublicIPs) {
		urls = append(urls, url(scheme, ip.String(), at, query))
	}
	return urls
}

func url(scheme, host string, at netip.AddrPort, query string) string {
	return scheme + net.JoinHostPort(host, strconv.Itoa(int(at.Port()))) + query
}

// reached are the public addresses at which a socket that is bound to local can
// be reached:
//
//	all addresses       all of its families; Go makes [::] a socket for both
//	a public address    that one
//	a private address   all of its family: the outer side of a 1:1 NAT
//	loopback and others none
func reached(local netip.Addr, public []netip.Addr) []netip.Addr {
	var list []netip.Addr
	for _, ip := range public {
		switch {
		case ip == local:
			return []netip.Addr{ip}
		case local == netip.IPv6Unspecified(),
			local.Is4() == ip.Is4() && (local.IsUnspecified() || isInner(local)):
			list = append(list, ip)
		}
	}
	return list
}

// isInner reports whether a 1:1 NAT may lead to an address: RFC 1918, RFC 4193,
// RFC 6598.
func isInner(ip netip.Addr) bool {
	return ip.IsPrivate() || netip.PrefixFrom(netip.AddrFrom4([4]byte{100, 64}), 10).Contains(ip)
}
