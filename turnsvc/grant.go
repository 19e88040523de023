package turnsvc

import (
	"net/netip"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/pion/stun/v3"

	"github.com/wasmp2pchat/wasmp2pchat/internal/arrivals"
	"github.com/wasmp2pchat/wasmp2pchat/turnsvc/gate"
)

// maxOverstay is how long after it was made an allocation can be kept alive with
// a credential that has expired. The credential was issued before that, so it is
// at least this long good for its live allocation.
const maxOverstay = 24 * time.Hour

// lastMoments is the end of the lifetime of an allocation, in which all that can
// be done with it is to end it. In pion v4.1.4 a permission that is added while
// the timer deletes the allocation can be met before it has a timer of its own:
// a nil pointer, and the end of the process. It took us two seconds to provoke
// with nothing but a credential. So no request may touch an allocation that is
// being deleted, by the timer or by us. Clients refresh a minute before the end.
const lastMoments = 5 * time.Second

// What one allocation may hold. A browser asks for a permission per remote
// candidate address, and for a channel per pair that it uses.
const (
	maxPermissions = 64
	maxChannels    = 64
)

// The lifetimes that RFC 8656 fixes: §9 and §12.
const (
	permissionLifetime = 5 * time.Minute
	channelLifetime    = 10 * time.Minute
)

// A grant is the right to one allocation: taken from the quota when the request
// is admitted, given back when the relay socket is closed.
type grant struct {
	member
	number uint64         // unique
	id     string         // number, and what pion knows as the user name: unique, so that its events say who
	client netip.AddrPort // the other half of the 5-tuple is the door
	door   *door
	made   time.Time // by the clock of the credentials
	relays *relays   // of the family that was asked for
	place  place     // the port that was asked for

	transaction [stun.TransactionIDSize]byte // of the Allocate request: a second one with it is a retransmission
	token       []byte                       // RESERVATION-TOKEN of the answer; nil: none

	ending atomic.Bool           // is being deleted: no request may touch it
	relay  atomic.Pointer[relay] // nil until pion has asked for it
	reply  gate.Reply            // how to send to the client, with PlaneBatch by UDP
	outlet *outlet               // the same while much goes there; nil: never

	partner atomic.Pointer[netip.Addr] // to whom its holder was introduced; nil: to nobody
	joined  atomic.Pointer[string]     // the room that its own was joined to; nil: to none

	// Only the door's reader touches these.
	ends        time.Time // when pion's timer fires
	permissions map[netip.Addr]time.Time
	channels    map[uint16]channel
}

// channel is a binding, and until when it holds.
type channel struct {
	peer netip.AddrPort
	ends time.Time
}

// newGrant is made when a request was admitted; n is unique.
func newGrant(d *door, r *request, m member, n uint64) *grant {
	return &grant{
		member: m, number: n, id: strconv.FormatUint(n, 36), client: r.client, door: d, made: d.srv.cfg.now(), transaction: r.TransactionID,
	}
}

func (g *grant) source() netip.Prefix { return arrivals.Source(g.client.Addr()) }

// shared is the name under which the holder is counted by the servers of a fleet; empty
// if his credential is good at this one only.
func (g *grant) shared() string {
	if len(g.nodes) == 1 {
		return ""
	}
	return g.owner
}

// touchable reports whether a request may change the allocation now.
func (g *grant) touchable() bool {
	return !g.ending.Load() && time.Until(g.ends) >= lastMoments
}

// close ends the allocation. It waits until pion has done what it does for a
// request at the moment, and lets no other one through.
func (g *grant) close() {
	g.door.turn.Lock()
	g.ending.Store(true)
	g.door.turn.Unlock()
	if r := g.relay.Load(); r != nil {
		_ = r.Close() // upon which pion forgets the allocation when the door tells it
	}
}

// permit notes permissions that pion has installed.
func (g *grant) permit(peers []netip.AddrPort, now time.Time) {
	if g.permissions == nil {
		g.permissions = map[netip.Addr]time.Time{}
	}
	for _, peer := range peers {
		g.permissions[peer.Addr()] = now.Add(permissionLifetime)
	}
	if r := g.relay.Load(); r != nil {
		r.permit(peers, now)
	}
}

// hasRoomFor reports whether the permissions for peers stay within the limit;
// those that have lapsed do not count.
func (g *grant) hasRoomFor(peers []netip.AddrPort, now time.Time) bool {
	fresh := map[netip.Addr]bool{}
	for _, peer := range peers {
		fresh[peer.Addr()] = true
	}
	for addr, ends := range g.permissions {
		if now.After(ends) {
			delete(g.permissions, addr)
		} else {
			fresh[addr] = true
		}
	}
	return len(fresh) <= maxPermissions
}

// bind notes a channel that pion has bound; its peer has a permission, too
// (RFC 8656 §12).
func (g *grant) bind(number uint16, peer netip.AddrPort, now time.Time) {
	if g.channels == nil {
		g.channels = map[uint16]channel{}
	}
	g.channels[number] = channel{peer: peer, ends: now.Add(channelLifetime)}
	g.permit([]netip.AddrPort{peer}, now)
	if r := g.relay.Load(); r != nil {
		r.bind(number, peer, now)
	}
}

// bindable reports whether a channel may be bound: the number to no other peer,
// the peer to no other number (RFC 8656 §12.1). full says that there are too
// many.
func (g *grant) bindable(number uint16, peer netip.AddrPort, now time.Time) (ok, full bool) {
	for n, c := range g.channels {
		switch {
		case now.After(c.ends):
			delete(g.channels, n)
		case (n == number) != (c.peer == peer):
			return false, false
		}
	}
	_, again := g.channels[number]
	return true, !again && len(g.channels) >= maxChannels
}
