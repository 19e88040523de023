package turnsvc

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/turnsvc/gate"
)

// Allocation is one as the one who runs the server sees it.
type Allocation struct {
	Number    uint64         // unique; later ones have higher numbers
	Room      string         // in which its user is now; empty: he is a plain user
	Side      string         // of the room
	User      string         // the claims of his credential, without tags
	Client    netip.AddrPort // where he comes from
	Transport string         // by which: udp, tcp, tls or dtls
	Relayed   netip.AddrPort // the relayed transport address
	Since     time.Time
}

// Allocations lists those that live, in the order in which they were made: at most
// limit of those with a number above after. More says that there are others then.
func (s *Server) Allocations(after uint64, limit int) (list []Allocation, more bool) {
	grants := s.rooms.grants(func(g *grant) bool { return g.number > after })
	slices.SortFunc(grants, func(a, b *grant) int { return cmp.Compare(a.number, b.number) })
	for _, g := range grants {
		if len(list) == limit {
			return list, true
		}
		if r := g.relay.Load(); r != nil {
			list = append(list, g.overview(r))
		}
	}
	return list, false
}

// InRooms is how many allocations live in each of the rooms that are asked for.
func (s *Server) InRooms(rooms []string) map[string]int {
	s.rooms.mu.RLock()
	defer s.rooms.mu.RUnlock()
	count := make(map[string]int, len(rooms))
	for _, room := range rooms {
		count[room] = len(s.rooms.members[room])
	}
	return count
}

func (g *grant) overview(r *relay) Allocation {
	a := Allocation{
		Number: g.number, Side: g.side, User: g.owner, Client: g.client, Transport: "udp", Relayed: r.relayed(), Since: g.made,
	}
	if g.room != "" {
		a.Room = g.household()
	}
	if stream, ok := g.door.PacketConn.(*gate.Stream); ok {
		a.Transport = stream.Transport()
	}
	return a
}

// EndAllocation ends one, and tells whether it was there. Its user may make another
// one, with the same credential; EndUser and EndRoom end that, too.
func (s *Server) EndAllocation(number uint64) (found bool) {
	for _, g := range s.rooms.grants(func(g *grant) bool { return g.number == number }) {
		g.close()
		found = true
	}
	return found
}

// EndFrom is Server.EndFrom in this process.
func (s here) EndFrom(network netip.Prefix) { s.endFrom(network) }

func (s here) endFrom(network netip.Prefix) (ended int) {
	grants := s.rooms.grants(func(g *grant) bool { return g.source().Overlaps(network) })
	for _, g := range grants {
		s.EndUser(g.owner)
	}
	return len(grants)
}

// EndYoungest ends the latest allocations of a user or, without a name, of the clients
// of a source: at most so many, and none that is older than that. It returns how many
// that were.
func (s *Server) EndYoungest(user string, source netip.Prefix, most int, age time.Duration) (ended int) {
	since := s.cfg.now().Add(-age)
	grants := s.rooms.grants(func(g *grant) bool {
		return g.made.After(since) && (user == "" && g.source() == source || user != "" && g.owner == user)
	})
	slices.SortFunc(grants, func(a, b *grant) int { return cmp.Compare(b.number, a.number) })
	for _, g := range grants[:min(most, len(grants))] {
		g.close()
		ended++
	}
	return ended
}

// grants lists those that live for which which is true; it looks only at what does
// not change.
func (r *rooms) grants(which func(*grant) bool) (list []*grant) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for _, household := range r.members {
		for g := range household {
			if which(g) {
				list = append(list, g)
			}
		}
	}
	return list
}
