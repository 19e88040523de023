package turnsvc

import (
	"maps"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/mmsg"
)

// routes are where datagrams may go from a relay, and where from they may come: its
// permissions and channels (RFC 8656 §9, §12), as pion has them. They are asked for
// every datagram before anything is counted; else a stranger who sends to the port
// would use up what the partner may send, and the budget of everybody.
//
// One goroutine changes them, any number ask; times are by the clock of the meter.
// The zero value lets nobody through.
type routes struct{ list atomic.Pointer[routeList] }

// routeList is never changed, but replaced.
type routeList struct {
	leaves   map[netip.Addr]leave
	byNumber map[uint16]*route
	byPeer   map[netip.AddrPort]*route
}

// leave is until when an address may send: by a permission, and by a channel, which
// in pion outlives the permission that it brings.
type leave struct{ permission, channel time.Duration }

// A route is a channel.
type route struct {
	number uint16
	peer   netip.AddrPort
	until  time.Duration

	out verdict // of the goroutine that reads for the client
	in  verdict // of the worker
}

// A verdict is what the wall says, remembered until anything changes that its
// answers depend on. The zero value is none.
type verdict struct {
	epoch uint64 // of homes, plus one
	lets  bool
	to    mmsg.Name // where a datagram to the peer goes
	near  bool      // which is another relay of this server
	other *relay    // that one, if it can be handed datagrams; else nil

	outlet *outlet // of a channel, to a peer elsewhere; else nil
}

// permit lets addresses through until then, and forgets what is over at now.
func (r *routes) permit(peers []netip.AddrPort, now, until time.Duration) {
	next := r.after(now)
	for _, peer := range peers {
		next.leaves[peer.Addr()] = leave{permission: until, channel: next.leaves[peer.Addr()].channel}
	}
	r.list.Store(next)
}

// bind adds a channel, or gives it more time.
func (r *routes) bind(number uint16, peer netip.AddrPort, now, until time.Duration) {
	next := r.after(now)
	c := &route{number: number, peer: peer, until: until}
	next.byNumber[number], next.byPeer[peer] = c, c
	next.leaves[peer.Addr()] = leave{permission: next.leaves[peer.Addr()].permission, channel: until}
	r.list.Store(next)
}

// after is a copy of the list without what is over at now.
func (r *routes) after(now time.Duration) *routeList {
	next := &routeList{leaves: map[netip.Addr]leave{}, byNumber: map[uint16]*route{}, byPeer: map[netip.AddrPort]*route{}}
	if old := r.list.Load(); old != nil {
		next = &routeList{leaves: maps.Clone(old.leaves), byNumber: maps.Clone(old.byNumber), byPeer: maps.Clone(old.byPeer)}
	}
	maps.DeleteFunc(next.leaves, func(_ netip.Addr, l leave) bool { return max(l.permission, l.channel) < now })
	maps.DeleteFunc(next.byNumber, func(_ uint16, c *route) bool { return c.until < now })
	maps.DeleteFunc(next.byPeer, func(_ netip.AddrPort, c *route) bool { return c.until < now })
	return next
}

// lets reports whether addr may send now, by a permission or a channel: pion has
// the last word.
func (r *routes) lets(addr netip.Addr, now time.Duration) bool {
	list := r.list.Load()
	if list == nil {
		return false
	}
	l, known := list.leaves[addr]
	return known && now <= max(l.permission, l.channel)
}

// permits reports whether addr has a permission now.
func (r *routes) permits(addr netip.Addr, now time.Duration) bool {
	list := r.list.Load()
	if list == nil {
		return false
	}
	l, known := list.leaves[addr]
	return known && now <= l.permission
}

// channel is that of a number now, or nil.
func (r *routes) channel(number uint16, now time.Duration) *route {
	list := r.list.Load()
	if list == nil {
		return nil
	}
	return list.byNumber[number].at(now)
}

// toward is the channel to a peer now, or nil.
func (r *routes) toward(peer netip.AddrPort, now time.Duration) *route {
	list := r.list.Load()
	if list == nil {
		return nil
	}
	return list.byPeer[peer].at(now)
}

// at is c while its time is not over.
func (c *route) at(now time.Duration) *route {
	if c == nil || now > c.until {
		return nil
	}
	return c
}
