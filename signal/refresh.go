package signal

import (
	"net/netip"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/wsconn"
	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// minRefresh is how soon after one Refresh, or accept, the next may come,
// however short the life of credentials is.
const minRefresh = 500 * time.Millisecond

// refreshAt is when the credentials that end at expires are to be replaced:
// after three quarters of their life, one tick of Serve less. The zero time is
// never.
func refreshAt(now, expires time.Time) time.Time {
	if expires.IsZero() {
		return time.Time{}
	}
	life := time.Until(expires)
	return now.Add(max(life*3/4-tickEvery, minRefresh))
}

// renewal is a member whose credentials end soon.
type renewal struct {
	seat    *seat
	conn    socket
	owner   *member
	partner netip.Addr
}

// renewal is that of a seat. registry.mu is held.
func (s *seat) renewal() *renewal {
	return &renewal{seat: s, conn: s.owner.conn, owner: s.owner, partner: s.room.opposite(s).shown()}
}

// catchUp is the renewal of one who was alone when its room was built anew: the
// way to a partner that relays nothing itself is in no credential it has. Else
// nil: in MATCH there was one. registry.mu is held.
func (s *seat) catchUp() *renewal {
	due := s.state == here && s.refresh && s.alarm.place != 0 // which it is when its credentials end
	if !due || !s.room.rebuilt || !s.alone || !s.room.opposite(s).addr.IsValid() {
		return nil
	}
	s.alone = false
	return s.renewal()
}

// renew sends a member fresh credentials, again and again for as long as it
// sits there. They know the address of a partner who came later.
func (r *Rooms) renew(n *renewal) {
	servers, expires := r.iceServers(n.seat, n.partner, nil)
	r.refreshes.Add(1)
	_ = n.conn.Post(wsconn.JSON(wire.Refresh{Type: wire.SignalICEServers, ICEServers: servers, ExpiresAt: expires.UTC()})) // its reader learns of an end by itself
	r.renewAgain(n, refreshAt(time.Now(), expires))
}

// Refresh sends fresh ICE servers now to the members of those rooms, by the name
// that Config.ICEServers knows them by, for which which is true: their relay goes.
// It is for who has announced wire.ExtRefresh, and whose servers are ours. Which
// only looks at the name; it returns how many members were sent something.
func (r *Rooms) Refresh(which func(room string) bool) (sent int) {
	for _, n := range r.renewals(which) {
		r.renew(n)
		sent++
	}
	return sent
}

// renewals are those of the members of some rooms.
func (r *registry) renewals(which func(room string) bool) (all []*renewal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, rm := range r.rooms {
		if !rm.occupied() || !which(rm.alias) {
			continue
		}
		for i := range rm.seats {
			s := &rm.seats[i]
			theirs := s.grant != nil && len(s.grant.iceServers) > 0
			if s.state == here && s.greeted && s.refresh && !theirs {
				all = append(all, s.renewal())
			}
		}
	}
	return all
}

func (r *registry) renewAgain(n *renewal, at time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n.seat.owner == n.owner && n.seat.state == here && !at.IsZero() {
		r.agenda.set(&n.seat.alarm, at)
	}
}
