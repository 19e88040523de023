package lab

import "github.com/wasmp2pchat/wasmp2pchat/internal/natlab"

// Kind is a network that somebody is in.
type Kind string

// The kinds, in the words of RFC 3489 §5 that everybody still uses where there is
// one NAT.
const (
	None       Kind = "none"       // a public address, no NAT
	FullCone   Kind = "fullcone"   // everybody may send to the port that a socket has outside
	Restricted Kind = "restricted" // every address that was sent to may
	PRCone     Kind = "prcone"     // every port that was sent to may: most homes
	Symmetric  Kind = "symmetric"  // each target sees another port
	Double     Kind = "double"     // prcone behind prcone: a provider that has few addresses
	CGNAT      Kind = "cgnat"      // prcone behind symmetric: one that has very few
	UDPBlocked Kind = "udpblocked" // TCP alone passes
	TCP443     Kind = "tcp443"     // TCP to port 443 alone passes
	IPv6       Kind = "ipv6"       // IPv6 alone, behind a firewall that lets answers in
	Dual       Kind = "dual"       // such IPv6 beside IPv4 behind symmetric: mobile networks
)

// Kinds lists all kinds.
func Kinds() []Kind {
	return []Kind{None, FullCone, Restricted, PRCone, Symmetric, Double, CGNAT, UDPBlocked, TCP443, IPv6, Dual}
}

// routers are what a client is behind.
type routers struct {
	home    natlab.NAT
	carrier natlab.NAT // empty: there is none
	family  natlab.Family
}

func (k Kind) routers() routers {
	switch k {
	case Double:
		return routers{home: natlab.PortRestrictedCone, carrier: natlab.PortRestrictedCone}
	case CGNAT:
		return routers{home: natlab.PortRestrictedCone, carrier: natlab.Symmetric}
	case IPv6:
		return routers{home: natlab.PortRestrictedCone, family: natlab.IPv6}
	case Dual:
		return routers{home: natlab.Symmetric, family: natlab.DualStack}
	default:
		return routers{home: natlab.NAT(k)} // the same word
	}
}
