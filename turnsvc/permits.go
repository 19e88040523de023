package turnsvc

import (
	"maps"
	"net/netip"
	"sync/atomic"
	"time"
)

// permits are the addresses that may send to a relay (RFC 8656 §9). pion knows
// them, too, but asks only after the relay has read: by then a stranger who sends
// to the port would have used up what the partner may send, and the budget of
// everybody.
//
// One goroutine adds, any number ask. The zero value lets nobody through.
type permits struct {
	list atomic.Pointer[map[netip.Addr]time.Duration] // until when, by the clock of the meter; never changed, but replaced
}

// add lets addresses through until then, and forgets those whose time was over
// at now.
func (p *permits) add(peers []netip.AddrPort, now, until time.Duration) {
	list := map[netip.Addr]time.Duration{}
	if old := p.list.Load(); old != nil {
		list = maps.Clone(*old)
	}
	maps.DeleteFunc(list, func(_ netip.Addr, ends time.Duration) bool { return ends < now })
	for _, peer := range peers {
		list[peer.Addr()] = until
	}
	p.list.Store(&list)
}

// lets reports whether addr may send now.
func (p *permits) lets(addr netip.Addr, now time.Duration) bool {
	list := p.list.Load()
	if list == nil {
		return false
	}
	until, known := (*list)[addr]
	return known && now <= until
}
