package turnsvc

import (
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/kept"
)

// maxRevoked bounds how many rooms and users are remembered as revoked; with
// more, the oldest may use their credentials until those expire.
const maxRevoked = 1 << 18

// rooms knows which side of which room holds what on this server, who was
// introduced to whom, and which rooms have ended.
type rooms struct {
	mu      sync.RWMutex // guards the fields below; never held while closing
	members map[string]map[*grant]struct{}
	// These three last as long as credentials may be good, and go by the clocks of those:
	// until Config.latest and their life, as of Config.asOf.
	revoked    remembered[struct{}]           // rooms and owners
	introduced remembered[introductions]      // by room
	joined     remembered[string]             // rooms that were joined to others
	elsewhere  kept.Map[map[string][]Relayed] // by room and server
}

func newRooms() *rooms {
	return &rooms{
		members: map[string]map[*grant]struct{}{},
		revoked: newRemembered[struct{}](maxRevoked), introduced: newRemembered[introductions](maxIntroduced),
		joined: newRemembered[string](maxIntroduced), elsewhere: kept.New[map[string][]Relayed](maxElsewhere),
	}
}

// household is where the allocations of a member are kept: those of a room
// together, those of a plain user by himself.
func (m *member) household() string {
	if m.room != "" {
		return m.room
	}
	return m.owner
}

// household of an allocation is that of its holder, or the room that his was
// joined to.
func (g *grant) household() string {
	if joined := g.joined.Load(); joined != nil {
		return *joined
	}
	return g.member.household()
}

// enter notes an allocation. If its holder was introduced before, it reaches his
// partner.
func (r *rooms) enter(g *grant, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if room, found := r.joined.find(g.room, now); found {
		g.joined.Store(&room)
	}
	r.house(g)
	if known, found := r.introduced.find(g.room, now); found {
		if partner, met := known[g.side]; met {
			g.partner.Store(&partner)
		}
	}
}

// householdOf is where the allocations of a member are kept now.
func (r *rooms) householdOf(m *member, now time.Time) string {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if room, found := r.joined.find(m.room, now); found {
		return room
	}
	return m.household()
}

// house keeps an allocation where it belongs. r.mu is held.
func (r *rooms) house(g *grant) {
	key := g.household()
	if r.members[key] == nil {
		r.members[key] = map[*grant]struct{}{}
	}
	r.members[key][g] = struct{}{}
}

func (r *rooms) leave(g *grant) {
	r.mu.Lock()
	defer r.mu.Unlock()
	key := g.household()
	delete(r.members[key], g)
	if len(r.members[key]) == 0 {
		delete(r.members, key)
	}
}

// sawPartner reports whether the other side of the room of g, if it does not hide,
// holds an allocation that a client at addr has made, here or elsewhere.
func (r *rooms) sawPartner(g *grant, addr netip.Addr, now time.Time) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for other := range r.members[g.household()] {
		if partners(g, other) && !other.hidden && other.client.Addr() == addr {
			return true
		}
	}
	return r.sawElsewhere(g, addr, now)
}

// partners reports whether two allocations belong to the two sides of a room:
// by what their credentials say, or because a room was joined to the other one.
func partners(a, b *grant) bool {
	return a.room != "" && a.household() == b.household() && (a.side != b.side || a.room != b.room)
}

// revoke refuses new allocations to a room or an owner for as long as its
// credentials may be good, and returns the live ones of that household.
func (r *rooms) revoke(name, household string, now, until time.Time) []*grant {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.revoked.note(name, struct{}{}, now, until)
	r.introduced.drop(name)
	r.forgetElsewhere(name)
	return slices.Collect(maps.Keys(r.members[household]))
}

// isRevoked reports whether a member's room or the member was revoked.
func (r *rooms) isRevoked(m *member, now time.Time) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.hasEnded(m, now)
}

// hasEnded is isRevoked with r.mu held.
func (r *rooms) hasEnded(m *member, now time.Time) bool {
	_, room := r.revoked.find(m.room, now)
	_, owner := r.revoked.find(m.owner, now)
	if joined, found := r.joined.find(m.room, now); found && !room {
		_, room = r.revoked.find(joined, now)
	}
	return room || owner
}

// expired is when no credential is good any more that was minted until now.
func (s here) expired() time.Time { return s.cfg.latest().Add(s.cfg.CredentialTTL) }

// EndRoom is Server.EndRoom in this process.
func (s here) EndRoom(room string) {
	for _, g := range s.rooms.revoke(room, room, s.cfg.asOf(), s.expired()) {
		g.close()
	}
}

// EndUser is Server.EndUser in this process.
func (s here) EndUser(owner string) {
	now, m := s.cfg.asOf(), readMember(owner, "")
	for _, g := range s.rooms.revoke(owner, s.rooms.householdOf(&m, now), now, s.expired()) {
		if g.owner == owner {
			g.close()
		}
	}
}

// roomsWill is what a newer process has to know of rooms, beside what it is told of
// those that go on: for as long as credentials may be good there, too.
type roomsWill struct {
	Revoked    []legacyEntry[struct{}]      `json:",omitempty"`
	Introduced []legacyEntry[introductions] `json:",omitempty"`
	Joined     []legacyEntry[string]        `json:",omitempty"`
}

// maxBequeathed bounds how much of each kind is told, for clients wait meanwhile.
const maxBequeathed = 1 << 16

func (r *rooms) bequeath(now time.Time) roomsWill {
	r.mu.RLock()
	defer r.mu.RUnlock()
	will := roomsWill{
		Revoked: r.revoked.bequeath(maxBequeathed, now), Introduced: r.introduced.bequeath(maxBequeathed, now),
		Joined: r.joined.bequeath(maxBequeathed, now),
	}
	for i := range will.Introduced { // to which introduce adds
		will.Introduced[i].Value = maps.Clone(will.Introduced[i].Value)
	}
	return will
}

func (r *rooms) inherit(will roomsWill, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.revoked.inherit(will.Revoked, now)
	r.introduced.inherit(will.Introduced, now)
	r.joined.inherit(will.Joined, now)
}
