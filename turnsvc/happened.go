package turnsvc

import (
	"errors"
	"net/netip"

	"github.com/wasmp2pchat/wasmp2pchat/turnsvc/gate"
)

// EventKind is what happened to somebody who wants a relay.
type EventKind uint8

// The kinds of events.
const (
	EventAllocated   EventKind = iota + 1 // with Transport, IPv6 and Client
	EventDeallocated                      //
	EventExpired                          // 401 (RFC 8489 §9.2.4)
	EventWrong                            // 401: not the password of the user name, which is then anybody's word
	EventQuota                            // 486 (RFC 8656 §7.2)
	EventPorts                            // 508
	EventBudget                           // 508: MonthlyBudget is spent
	EventBounds                           // 403 (RFC 8656 §9): an address that no stranger may be relayed to
	EventStranger                         // 403: an address that is not the partner's
)

// Transport is how a client comes.
type Transport uint8

// The transports.
const (
	TransportUDP Transport = iota
	TransportTCP
	TransportTLS
	TransportDTLS
)

// Event is told to Config.Happened.
type Event struct {
	Kind   EventKind
	Side   string     // of the room, as in Claims
	Joined bool       // the room is not the one of the claims, but that which it was joined to (Join)
	Client netip.Addr // where he came from

	Transport Transport
	IPv6      bool // the relayed address is one
}

// happened tells Config.Happened what happened to a member of a room.
func (d *door) happened(kind EventKind, m *member, room string, e Event) {
	if d.srv.cfg.Happened == nil || room == "" {
		return
	}
	e.Kind, e.Side, e.Joined = kind, m.side, room != m.room
	d.srv.cfg.Happened(room, e)
}

// refused tells why a member was given no allocation.
func (d *door) refused(kind EventKind, r *request, m *member) {
	if d.srv.cfg.Happened != nil && m.room != "" {
		d.happened(kind, m, d.srv.rooms.householdOf(m, d.srv.cfg.asOf()), Event{Client: r.client.Addr()})
	}
}

// rejected tells of a credential that was not good. Of one that was revoked
// nothing is told: its room has ended.
func (d *door) rejected(r *request, username string, why error) {
	kind := EventWrong
	switch {
	case d.srv.cfg.Happened == nil:
		return
	case errors.Is(why, ErrExpired):
		kind = EventExpired
	case !errors.Is(why, errPassword):
		return
	}
	_, claims, _ := parseUsername(username) // it was parsed before
	m := readMember(claims, "")
	d.refused(kind, r, &m)
}

// transport is how the clients of a door come.
func (d *door) transport() Transport {
	stream, ok := d.PacketConn.(*gate.Stream)
	if !ok {
		return TransportUDP
	}
	switch tls, dtls := stream.Secured(); {
	case dtls:
		return TransportDTLS
	case tls:
		return TransportTLS
	default:
		return TransportTCP
	}
}

// allocated tells of an allocation that was made.
func (d *door) allocated(g *grant) {
	d.happened(EventAllocated, &g.member, g.householdRoom(), Event{
		Client: g.client.Addr(), Transport: d.transport(), IPv6: g.relays.family() == family6,
	})
}

// householdRoom is the room in which an allocation is; empty: in none.
func (g *grant) householdRoom() string {
	if g.room == "" {
		return ""
	}
	return g.household()
}

// moved tells Config.Moved that the members of a room hold other addresses.
func (d *door) moved(g *grant) {
	if room := g.householdRoom(); room != "" {
		d.srv.cfg.Moved(room)
	}
}

// forbid tells of a peer that a holder may not send to.
func (d *door) forbid(g *grant, peer netip.Addr) {
	kind := EventBounds
	if !peer.Is4In6() && g.relays.wall.grants(peer) {
		kind = EventStranger
	}
	d.happened(kind, &g.member, g.householdRoom(), Event{Client: g.client.Addr()})
}
