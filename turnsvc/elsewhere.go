package turnsvc

import (
	"maps"
	"net/netip"
	"slices"
	"time"
)

// In a fleet the two of a room may hold allocations at different servers: who
// prepared a connection while he waited did so before it was known where his partner
// relays. Then the servers tell one another what the members of that room hold, and
// each lets its own members reach exactly that:
//
//	A ── server 1 ══ relay to relay ══ server 2 ── B
//	        ▲   RelayedIn ─▶ … ─▶ Elsewhere   ▲
//	        └── Elsewhere ◀─ … ◀─ RelayedIn ──┘
//
// Permissions are by address (RFC 8656 §9), so the first wall asks whether a partner
// may relay at that server at all; the second one sees ports, and lets pass what a
// partner is known to hold there. Of the other servers nothing else is reached, not
// where they listen and not what other rooms relay by.

const (
	// maxElsewhere bounds of how many rooms it is known what their members hold at
	// other servers; with more, those of the oldest reach one another there no more.
	maxElsewhere = 1 << 16
	// maxServersOfRoom bounds at how many other servers the members of one room are
	// known to be.
	maxServersOfRoom = 4
	// MaxRelayed bounds how many relayed transport addresses the members of one room
	// are known to have at one server: a browser makes one for each URL and interface.
	MaxRelayed = 24
	// ElsewhereTTL is for how long it is believed what was said of another server. Who
	// tells repeats it in time.
	ElsewhereTTL = 15 * time.Minute
	// expectTTL is for how long something is expected at another server.
	expectTTL = time.Minute
)

// Relayed is a relayed transport address of somebody in a room.
type Relayed struct {
	Room   string         // that of his credential, which may be another one: Join
	Side   string         // there
	At     netip.AddrPort // the relayed transport address
	Client netip.Addr     // where he comes from; not valid if he hides
}

// neighbours are the other servers of a fleet, and the addresses that they relay at.
// It is never changed, but replaced; nil are none.
type neighbours struct {
	at    map[string][]netip.Addr
	addrs map[netip.Addr]bool
	kin   bool // they are processes of this server, at the addresses of this machine
}

// has reports whether a neighbour relays at ip.
func (n *neighbours) has(ip netip.Addr) bool { return n != nil && n.addrs[ip] }

// is reports whether ip is one that a certain neighbour relays at.
func (n *neighbours) is(server string, ip netip.Addr) bool {
	return n != nil && slices.Contains(n.at[server], ip)
}

// SetNeighbours tells the relay which other servers there are in its fleet, by
// Config.Node, and at which addresses they relay: RelayedAt. Members of rooms reach
// at those addresses what Elsewhere has told, as long as that server is one of them,
// and nothing else. With other policies than PeersRoom it does nothing: to them the
// addresses are like any others.
func (s *Server) SetNeighbours(at map[string][]netip.Addr) { s.setNeighbours(at, false) }

// SetKin is SetNeighbours for other processes of this server, by name, which relay at
// the addresses of this machine as it does.
func (s *Server) SetKin(at map[string][]netip.Addr) { s.setNeighbours(at, true) }

func (s *Server) setNeighbours(at map[string][]netip.Addr, kin bool) {
	if s.cfg.Peers != PeersRoom {
		return
	}
	if old := s.homes.neighbours.Load(); old != nil && maps.EqualFunc(old.at, at, slices.Equal) || old == nil && len(at) == 0 {
		return
	}
	next := &neighbours{at: map[string][]netip.Addr{}, addrs: map[netip.Addr]bool{}, kin: kin}
	for server, ips := range at {
		next.at[server] = slices.Clone(ips)
		for _, ip := range ips {
			next.addrs[ip] = true
		}
	}
	if len(at) == 0 {
		next = nil
	}
	s.homes.neighbours.Store(next)
	s.homes.epoch.Add(1)
	s.kernel.refresh()
}

// isKin reports whether another process of this server relays at ip.
func (n *neighbours) isKin(ip netip.Addr) bool { return n != nil && n.kin && n.addrs[ip] }

// RelayedRooms are the rooms of which somebody holds something here.
func (s *Server) RelayedRooms() (rooms []string) {
	s.rooms.mu.RLock()
	defer s.rooms.mu.RUnlock()
	for room, members := range s.rooms.members {
		for g := range members {
			if g.room != "" {
				rooms = append(rooms, room)
			}
			break
		}
	}
	return rooms
}

// RelayedAt are the addresses of the relayed transport addresses of this server.
func (s *Server) RelayedAt() (list []netip.Addr) {
	for _, home := range s.homes.view.Load().all {
		if !slices.Contains(list, home.public) {
			list = append(list, home.public)
		}
	}
	return list
}

// RelayedIn is what the members of a room hold here, MaxRelayed at most.
func (s *Server) RelayedIn(room string) (list []Relayed) {
	s.rooms.mu.RLock()
	defer s.rooms.mu.RUnlock()
	for g := range s.rooms.members[room] {
		r := g.relay.Load()
		if r == nil || g.room == "" || r.gone.Load() || len(list) == MaxRelayed {
			continue
		}
		at := Relayed{Room: g.room, Side: g.side, At: r.relayed()}
		if !g.hidden {
			at.Client = g.client.Addr()
		}
		list = append(list, at)
	}
	return list
}

// Expect tells the relay that members of a room may hold something at a neighbour soon:
// the others may have permissions for its addresses for a minute, and no datagram passes
// until Elsewhere has told of more.
func (s *Server) Expect(server, room string) {
	_, _ = s.rooms.setElsewhere(server, room, nil, false, s.cfg.now(), s.cfg.asOf())
}

// Elsewhere tells the relay all that the members of a room hold at a neighbour. What
// was told before of that room at that server is over, and this after ElsewhereTTL. It
// is false if the room has ended here.
func (s *Server) Elsewhere(server, room string, list []Relayed) bool {
	list = slices.Clone(list[:min(len(list), MaxRelayed)])
	gone, ok := s.rooms.setElsewhere(server, room, list, true, s.cfg.now(), s.cfg.asOf())
	s.homes.epoch.Add(1)
	s.kernel.reconsider(gone)
	return ok
}

// setElsewhere returns the addresses that are no longer reached.
func (r *rooms) setElsewhere(server, room string, list []Relayed, replace bool, now, asOf time.Time) (gone []netip.AddrPort, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.hasEnded(&member{room: room}, asOf) {
		return nil, false
	}
	known, _ := r.elsewhere.Find(room, now)
	fresh := known == nil
	if fresh {
		known = map[string][]Relayed{}
	}
	old, again := known[server]
	if !again && len(known) == maxServersOfRoom || again && !replace {
		return nil, true
	}
	for _, o := range old {
		if !slices.ContainsFunc(list, func(l Relayed) bool { return l.At == o.At }) {
			gone = append(gone, o.At)
		}
	}
	known[server] = list
	ttl := ElsewhereTTL
	if fresh && !replace {
		ttl = expectTTL
	}
	r.elsewhere.Keep(room, known, now, now.Add(ttl))
	return gone, true
}

// forgetElsewhere is of a room that has ended. r.mu is held.
func (r *rooms) forgetElsewhere(room string) {
	if r.elsewhere.Len() > 0 {
		r.elsewhere.Drop(room)
	}
}

// at is what is known of the room of g at neighbours that relay at ip, server by
// server. r.mu is held.
func (r *rooms) at(g *grant, n *neighbours, ip netip.Addr, now time.Time) (lists [][]Relayed) {
	if r.elsewhere.Len() == 0 {
		return nil
	}
	known, _ := r.elsewhere.Find(g.household(), now)
	for server, list := range known {
		if n.is(server, ip) {
			lists = append(lists, list)
		}
	}
	return lists
}

// expects reports whether the partner of g may relay at ip.
func (r *rooms) expects(g *grant, n *neighbours, ip netip.Addr, now time.Time) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return len(r.at(g, n, ip, now)) > 0
}

// relaysElsewhere reports whether the partner of g is known to relay at addr.
func (r *rooms) relaysElsewhere(g *grant, n *neighbours, addr netip.AddrPort, now time.Time) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for _, list := range r.at(g, n, addr.Addr(), now) {
		if slices.ContainsFunc(list, func(l Relayed) bool { return l.At == addr && g.meetsMember(l) }) {
			return true
		}
	}
	return false
}

// sawElsewhere reports whether the partner of g, if he does not hide, has come to
// another server from addr. r.mu is held.
func (r *rooms) sawElsewhere(g *grant, addr netip.Addr, now time.Time) bool {
	if r.elsewhere.Len() == 0 {
		return false
	}
	known, _ := r.elsewhere.Find(g.household(), now)
	for _, list := range known {
		if slices.ContainsFunc(list, func(l Relayed) bool { return l.Client == addr && g.meetsMember(l) }) {
			return true
		}
	}
	return false
}

// meetsMember is partners for somebody at another server, in the same room.
func (g *grant) meetsMember(l Relayed) bool {
	return g.room != "" && (g.side != l.Side || g.room != l.Room)
}
