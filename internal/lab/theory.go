package lab

import (
	"fmt"

	"github.com/wasmp2pchat/wasmp2pchat/internal/natlab"
)

// filtering says who may send to a port that a socket has outside (RFC 4787 §5).
type filtering int

const (
	anybody    filtering = iota // endpoint-independent
	sameAddr                    // address-dependent
	sameSocket                  // address-and-port-dependent
)

// behaviour is what the routers of a client do to its packets together. It is the
// same for both families, but that nothing translates IPv6.
type behaviour struct {
	udp       bool // passes
	tcpAny    bool // TCP passes to other ports than 443
	perTarget bool // each target sees another port: address-and-port-dependent mapping (RFC 4787 §4.1)
	filter    filtering
	ipv4      bool
	ipv6      bool
}

// behaviourOf is what theory says of one NAT; internal/natlab proves that it does so.
func behaviourOf(nat natlab.NAT) behaviour {
	b := behaviour{udp: true, tcpAny: true, filter: sameSocket}
	switch nat {
	case natlab.NoNAT, natlab.FullCone:
		b.filter = anybody
	case natlab.RestrictedCone:
		b.filter = sameAddr
	case natlab.Symmetric:
		b.perTarget = true
	case natlab.UDPBlocked:
		b.udp = false
	case natlab.TCP443Only, natlab.TCP80Only:
		b.udp, b.tcpAny = false, false
	}
	return b
}

// behaviour is that of all routers of a kind: what one of them spoils is spoilt.
func (k Kind) behaviour() behaviour {
	r := k.routers()
	b := behaviourOf(r.home)
	if r.carrier != "" {
		carrier := behaviourOf(r.carrier)
		b.udp = b.udp && carrier.udp
		b.tcpAny = b.tcpAny && carrier.tcpAny
		b.perTarget = b.perTarget || carrier.perTarget
		b.filter = max(b.filter, carrier.filter)
	}
	b.ipv4, b.ipv6 = r.family != natlab.IPv6, r.family != natlab.IPv4
	return b
}

// Way is how two people are connected.
type Way struct {
	Relays int    // between them; 0: they are connected directly
	Legs   [2]Leg // how each of the two goes: A, B
}

// Direct tells whether no server is between the two.
func (w Way) Direct() bool { return w.Relays == 0 }

// Leg is the way of one of the two: to the other one, or to a relay, whose ever it is.
type Leg struct {
	By     string // udp, tcp or tls
	Family int    // 4 or 6; 0: either will do, or it is not known
}

// String is what people read: direct, or how many relays and how they are reached.
func (w Way) String() string {
	switch {
	case w == Way{}:
		return "none"
	case w.Direct():
		return "direct " + w.families()
	case w.Relays == 1:
		return fmt.Sprintf("relay %s %s", w.transports(), w.families())
	default:
		return fmt.Sprintf("%d relays %s %s", w.Relays, w.transports(), w.families())
	}
}

// transports are those of both legs, once if they are the same.
func (w Way) transports() string {
	if w.Legs[0].By == w.Legs[1].By {
		return w.Legs[0].By
	}
	return w.Legs[0].By + "–" + w.Legs[1].By
}

// families are those of both legs.
func (w Way) families() string {
	name := func(family int) string {
		if family == 0 {
			return "IPv4/6"
		}
		return fmt.Sprintf("IPv%d", family)
	}
	if w.Legs[0].Family == w.Legs[1].Family {
		return name(w.Legs[0].Family)
	}
	return name(w.Legs[0].Family) + "–" + name(w.Legs[1].Family)
}

// Best is the best way that there can be for a pair: directly, else by one relay,
// else by two, each reached by the best transport that passes. It is a function of
// the networks alone; RFC 8445 finds it, if nothing is wrong.
//
// It takes for granted what our server does: it has both families, TURN by UDP and
// TCP, and by TLS on port 443, and relayed addresses are of IPv4, as clients ask
// for it (RFC 8656 §7.1).
func Best(p Pair) Way {
	a, b := p.A.behaviour(), p.B.behaviour()
	if family, ok := direct(a, b, p.OneNAT); ok && !p.RelayOnly {
		leg := Leg{By: "udp", Family: family}
		return Way{Legs: [2]Leg{leg, leg}}
	}
	w := Way{Relays: 2, Legs: [2]Leg{a.toRelay(), b.toRelay()}}
	if !p.RelayOnly && (a.reachesRelayed() || b.reachesRelayed()) {
		w.Relays = 1 // the other one's
	}
	return w
}

// direct tells whether two reach one another, and by which family.
func direct(a, b behaviour, oneNAT bool) (family int, ok bool) {
	switch {
	case oneNAT:
		return 4, true // their packets do not come to the router
	case !a.udp || !b.udp:
		return 0, false
	case a.ipv6 && b.ipv6:
		return 6, true // each has sent to the very socket that answers
	case !a.ipv4 || !b.ipv4:
		return 0, false
	default:
		return 4, punches(a, b) && punches(b, a)
	}
}

// punches tells whether packets of one come in at the other, who has sent to the
// port at which a third sees the one: not if that is another port than the one that
// he is sent from, and the port counts.
func punches(from, to behaviour) bool { return !from.perTarget || to.filter != sameSocket }

// toRelay is how somebody reaches a relay.
func (b behaviour) toRelay() Leg {
	leg := Leg{By: "tls"}
	switch {
	case b.udp:
		leg.By = "udp"
	case b.tcpAny:
		leg.By = "tcp"
	}
	switch {
	case !b.ipv6:
		leg.Family = 4
	case !b.ipv4:
		leg.Family = 6
	}
	return leg
}

// reachesRelayed tells whether somebody can send to a relayed address of the other
// one: an IPv4 address, by UDP.
func (b behaviour) reachesRelayed() bool { return b.udp && b.ipv4 }
