package turnsvc

import (
	"cmp"
	"net"
	"net/netip"
	"slices"
	"strconv"

	"github.com/wasmp2pchat/wasmp2pchat/turnsvc/gate"
)

// URLs are what clients are told (RFC 7064, RFC 7065): where this server was
// found to be reached, see Reach. Before Serve has looked there are none. The
// port is always written, and IPv6 stands in brackets.
//
//	stun:IP:3478                 one of each family
//	turn:IP:3478?transport=udp   one of each family
//	turn:IP:443?transport=udp    the further UDP addresses, one each
//	turn:IP:3478?transport=tcp   one of each family
//	turn:IP:80?transport=tcp     the further ones, one each
//	turns:NAME:443?transport=tcp one, on 443 if there is one
//
// The order is that in which a path is good: browsers gather from all at once,
// whatever the order is, but rank UDP before TCP before TLS, and Chromium of two
// URLs with the same transport the first one. The list is short because of the
// same: every turn: URL costs the browser an allocation, of MaxPerUser, on each of
// its interfaces, and every one but the best is thrown away. So a second address
// of a family is told only where the first was not reached; further ports, which
// are for networks that let little out, have one address; and who can reach TLS
// on another port can reach 443. With both families, 3478, 443 and 80 there are
// nine URLs, and seven allocations.
//
// DTLS is for clients that are set up by hand: no browser speaks it, and Chromium
// takes "turns:D:P?transport=udp" for another allocation over TLS.
func (s *Server) URLs() []string { return slices.Clone(*s.offer.urls.Load()) }

// An entrance is a socket of ours as clients may be told of it.
type entrance struct {
	transport string         // "udp", "tcp" or "tls"
	local     netip.AddrPort // where it listens
	port      uint16         // where clients find it
	forwarded bool           // there somebody else listens, who passes it on
}

// entrances are in the order in which clients are told: UDP, TCP, TLS; as they
// were configured, but TLS on 443 first.
func (s *Server) entrances() []entrance {
	var udp, tcp, secure []entrance
	for _, sock := range s.udp {
		udp = append(udp, entranceAt("udp", sock.LocalAddr(), 0))
	}
	if s.tcp != nil {
		tcp = append(tcp, entranceAt("tcp", s.tcp.Addr(), 0))
	}
	if s.tls != nil {
		secure = append(secure, entranceAt("tls", s.tls.Addr(), 0))
	}
	for _, stream := range s.cfg.Streams {
		if stream.Secure {
			secure = append(secure, entranceAt("tls", stream.Listener.Addr(), stream.Port))
		} else {
			tcp = append(tcp, entranceAt("tcp", stream.Listener.Addr(), stream.Port))
		}
	}
	slices.SortStableFunc(secure, func(a, b entrance) int { return cmp.Compare(not443(a), not443(b)) })
	return slices.Concat(udp, tcp, secure)
}

// entranceAt is a socket at addr; port 0 is its own.
func entranceAt(transport string, addr net.Addr, port uint16) entrance {
	local := gate.AddrPort(addr)
	return entrance{transport, local, or(port, local.Port()), port != 0}
}

func not443(e entrance) int {
	if e.port == httpsPort {
		return 0
	}
	return 1
}

// httpsPort is what every network lets out that lets anything out.
const httpsPort = 443

// A way is one URL by which clients might come.
type way struct {
	entrance
	url    string
	stun   string         // the URL of STUN beside it; empty: none
	family byte           // of the address in the URL; 0: a name
	asked  netip.AddrPort // where it is asked whether clients can come
	inside bool           // that is not the address in the URL
}

// ways are all that there could be, in the order of entrances.
func (s *Server) ways() (list []way) {
	here := s.homes.view.Load()
	for _, e := range s.entrances() {
		for i, ip := range e.reached(here.public) {
			w := way{entrance: e, family: familyOf(ip)}
			w.asked, w.inside = e.asked(ip, here.interfaces[ip])
			switch e.transport {
			case "tls":
				if i > 0 || s.cfg.Domain == "" { // one name stands for all addresses
					continue
				}
				w.url, w.family = url("turns:", s.cfg.Domain, e.port, "?transport=tcp"), 0
			case "udp":
				w.stun = url("stun:", ip.String(), e.port, "")
				w.url = url("turn:", ip.String(), e.port, "?transport=udp")
			default:
				w.url = url("turn:", ip.String(), e.port, "?transport=tcp")
			}
			list = append(list, w)
		}
	}
	return list
}

// reached are the public addresses at which clients find an entrance: what
// somebody passes on, at all.
func (e entrance) reached(public []netip.Addr) []netip.Addr {
	if e.forwarded {
		return public
	}
	return reached(e.local.Addr(), public)
}

// asked is where an entrance is asked whether it is there for clients that come
// to ip. If somebody passes it on to loopback, he is on this machine, and asked
// too; where another one is, he only knows.
func (e entrance) asked(ip netip.Addr, onInterface bool) (at netip.AddrPort, other bool) {
	if e.forwarded && onInterface && e.local.Addr().IsLoopback() {
		return netip.AddrPortFrom(ip, e.port), false
	}
	return inside(e.local, ip, onInterface && !e.forwarded)
}

// inside is where a socket that is bound to local is asked from here whether it
// is there for clients that come to ip: at ip itself if that is on an interface,
// else at the socket's own address. What a NAT does with a datagram from the
// inside to its outer address says nothing about those from the outside.
func inside(local netip.AddrPort, ip netip.Addr, onInterface bool) (at netip.AddrPort, other bool) {
	switch {
	case onInterface:
		return netip.AddrPortFrom(ip, local.Port()), false
	case !local.Addr().IsUnspecified():
		return local, true
	case ip.Is4():
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), local.Port()), true
	}
	return netip.AddrPortFrom(netip.IPv6Loopback(), local.Port()), true
}

// choose picks from the ways by which clients can come those that they are told.
func choose(ways []way) []string {
	var stun, turn []string
	has := map[string]bool{} // transports of which there is an entrance
	for len(ways) > 0 {
		at := ways[0].entrance
		next := slices.IndexFunc(ways, func(w way) bool { return w.entrance != at })
		if next < 0 {
			next = len(ways)
		}
		its := oneOfEachFamily(ways[:next])
		ways = ways[next:]
		further := has[at.transport]
		switch {
		case further && at.transport == "tls":
			continue
		case further:
			its = its[:1]
		}
		has[at.transport] = true
		for _, w := range its {
			if turn = append(turn, w.url); w.stun != "" && !further {
				stun = append(stun, w.stun)
			}
		}
	}
	return append(stun, turn...)
}

// oneOfEachFamily are the first ways of the families that there are.
func oneOfEachFamily(ways []way) (list []way) {
	for _, w := range ways {
		if !slices.ContainsFunc(list, func(l way) bool { return l.family == w.family }) {
			list = append(list, w)
		}
	}
	return list
}

func url(scheme, host string, port uint16, query string) string {
	return scheme + net.JoinHostPort(host, strconv.Itoa(int(port))) + query
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
