package turnsvc

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pion/stun/v3"
)

// inRooms is a service with the default policy. Loopback is allowed, for the
// partners are there.
func inRooms(t *testing.T) *service {
	t.Helper()
	return serve(t, func(c *Config) {
		c.Peers = PeersRoom
		c.AllowPeers = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	})
}

// member dials a client with a credential for one side of a room.
func (s *service) member(t *testing.T, room, side string, partner ...netip.Addr) *client {
	t.Helper()
	return s.dial(t, "udp", string(Claims{Room: room, Side: side, Partner: partner}.appendTo(nil, tagMAC("new"))))
}

func TestOnlyThePartnerCanBeReached(t *testing.T) {
	t.Parallel()
	s := inRooms(t)
	home := netip.MustParseAddr("8.8.4.4")
	a, b, c := s.member(t, "room", "a", home), s.member(t, "room", "b"), s.member(t, "other", "a")
	atA, atB, atC := a.mustAllocate(), b.mustAllocate(), c.mustAllocate()
	for name, c := range map[string]struct {
		peer netip.Addr
		ok   bool
	}{
		"the partner's home, by its tag":               {home, true},
		"the relayed address, at first whosever it is": {atB.Addr(), true},
		"somebody else": {netip.MustParseAddr("8.8.8.8"), false},
		"somebody else, next door to the partner":            {netip.MustParseAddr("8.8.4.5"), false},
		"a private address":                                  {netip.MustParseAddr("10.0.0.1"), false},
		"the partner's home, written as IPv4-mapped":         {netip.AddrFrom16(home.As16()), false},
		"where the server runs, on another loopback address": {netip.MustParseAddr("127.0.0.2"), false},
	} {
		if got := a.permit(netip.AddrPortFrom(c.peer, 5000)); got != c.ok {
			t.Errorf("a permission for %s (%v) = %v, want %v", name, c.peer, got, c.ok)
		}
	}
	for _, m := range []struct {
		who *client
		to  netip.AddrPort
	}{{a, atB}, {b, atA}, {b, atC}, {c, atA}, {c, atB}} {
		if !m.who.permit(m.to) {
			t.Fatalf("a permission for %v was refused", m.to)
		}
	}
	c.sendTo(atB, "from another room")
	b.sendTo(atC, "into another room")
	c.raw(stun.MethodBinding) // answered, so all before it was handled
	a.sendTo(atB, "from the partner")
	if from, data := b.data(); from != atA || data != "from the partner" {
		t.Errorf("b got %q from %v first, want what the partner sent", data, from)
	}
	b.sendTo(atA, "to the partner")
	if from, data := a.data(); from != atB || data != "to the partner" {
		t.Errorf("a got %q from %v first, want what the partner sent", data, from)
	}
}

// TestThePartnerIsKnownByHisAllocation holds that an address from which the
// partner made an allocation may be reached, without a tag, and from no other
// room.
func TestThePartnerIsKnownByHisAllocation(t *testing.T) {
	t.Parallel()
	s := inRooms(t)
	a, c := s.member(t, "room", "a"), s.member(t, "other", "a")
	a.mustAllocate()
	c.mustAllocate()
	elsewhere := netip.MustParseAddr("127.0.0.9")
	if a.permit(netip.AddrPortFrom(elsewhere, 5000)) {
		t.Error("a permission for an address where nobody was seen was granted")
	}
	g := newGrant(&door{srv: s.Server}, &request{Message: new(stun.Message), client: netip.AddrPortFrom(elsewhere, 7)}, readMember("room.b", "new"), 99)
	s.rooms.enter(g, s.cfg.asOf())
	if !a.permit(netip.AddrPortFrom(elsewhere, 5000)) {
		t.Error("a permission for where the partner was seen was refused")
	}
	if c.permit(netip.AddrPortFrom(elsewhere, 5000)) {
		t.Error("a permission for where somebody of another room was seen was granted")
	}
	s.rooms.leave(g)
	if a.permit(netip.AddrPortFrom(elsewhere, 5001)) {
		t.Error("a permission for where the partner is no longer was granted")
	}
}

// TestWhoHidesIsNotGuessed holds that his partner cannot tell an address from which
// a member who hides has made an allocation from any other; that his relayed
// address may be reached; and that he reaches whom his own tags stand for.
func TestWhoHidesIsNotGuessed(t *testing.T) {
	t.Parallel()
	s := inRooms(t)
	home, elsewhere := netip.MustParseAddr("8.8.4.4"), netip.MustParseAddr("127.0.0.9")
	claims := string(Claims{Room: "room", Side: "b", Hidden: true, Partner: []netip.Addr{home}}.appendTo(nil, tagMAC("new")))
	a, b := s.member(t, "room", "a"), s.dial(t, "udp", claims)
	a.mustAllocate()
	relayed := b.mustAllocate()
	g := newGrant(&door{srv: s.Server}, &request{Message: new(stun.Message), client: netip.AddrPortFrom(elsewhere, 7)}, readMember(claims, "new"), 99)
	s.rooms.enter(g, s.cfg.asOf())
	defer s.rooms.leave(g)
	if a.permit(netip.AddrPortFrom(elsewhere, 5000)) {
		t.Error("a permission for where he is was granted")
	}
	if !a.permit(relayed) {
		t.Error("a permission for his relayed address was refused")
	}
	if !b.permit(netip.AddrPortFrom(home, 5000)) {
		t.Error("he was refused a permission for his partner's home")
	}
}

func TestARoomNeedsACredentialOfItsOwn(t *testing.T) {
	t.Parallel()
	s := inRooms(t)
	for _, claims := range []string{"", "ann", "room.", ".a", "room..tag"} {
		if _, code := s.dial(t, "udp", claims).allocate(); code != stun.CodeUnauthorized {
			t.Errorf("Allocate with claims %q = %d, want 401", claims, code)
		}
	}
}

// TestARoomEnds holds that EndRoom ends the allocations of that room at once,
// and that its credentials open nothing any more.
func TestARoomEnds(t *testing.T) {
	t.Parallel()
	s := inRooms(t)
	a, b, other := s.member(t, "room", "a"), s.member(t, "room", "b"), s.member(t, "other", "a")
	a.mustAllocate()
	b.mustAllocate()
	other.mustAllocate()
	s.EndRoom("room")
	if n := s.Stats().Allocations; n != 1 {
		t.Errorf("when EndRoom returns %d allocations live, want 1", n)
	}
	for _, c := range []*client{a, b, s.member(t, "room", "a"), s.member(t, "room", "c")} {
		if _, code := c.allocate(); code != stun.CodeUnauthorized {
			t.Errorf("Allocate after the end of the room = %d, want 401", code)
		}
	}
	if got := code(other.do(stun.MethodRefresh)); got != 0 {
		t.Errorf("Refresh in another room = %d, want success", got)
	}
	s.EndUser("other.a")
	if got := code(other.do(stun.MethodRefresh)); got != stun.CodeUnauthorized {
		t.Errorf("Refresh of a user who was ended = %d, want 401", got)
	}
	if n := s.Stats().Allocations; n != 0 {
		t.Errorf("%d allocations live, want 0", n)
	}
}

// TestRevocationIsBounded holds that what is remembered of rooms that have
// ended ends with their credentials, and never grows beyond its bound.
func TestRevocationIsBounded(t *testing.T) {
	t.Parallel()
	r, now := newRooms(), time.Unix(1_800_000_000, 0)
	for i := range maxRevoked + 1000 {
		name := fmt.Sprintf("room-%d", i)
		r.revoke(name, name, now, now.Add(time.Minute))
	}
	if len(r.revoked.entries) > maxRevoked || len(r.revoked.order) > maxRevoked {
		t.Errorf("%d rooms are remembered, want at most %d", len(r.revoked.entries), maxRevoked)
	}
	last := readMember(fmt.Sprintf("room-%d.a", maxRevoked+999), "")
	if !r.isRevoked(&last, now) || r.isRevoked(&last, now.Add(2*time.Minute)) {
		t.Error("the newest room is not revoked for as long as its credentials live")
	}
	r.revoke("next", "next", now.Add(2*time.Minute), now.Add(3*time.Minute))
	if len(r.revoked.entries) != 1 || len(r.revoked.order) != 1 {
		t.Errorf("after their time %d rooms are remembered, want 1", len(r.revoked.entries))
	}
}

func TestClaims(t *testing.T) {
	t.Parallel()
	home, elsewhere := netip.MustParseAddr("51.51.51.101"), netip.MustParseAddr("51.51.51.102")
	claims := string(Claims{Room: "room", Side: "a", Partner: []netip.Addr{{}, home, netip.MustParseAddr("2a0a:5151::7")}}.appendTo(nil, tagMAC("secret")))
	m := readMember(claims, "secret")
	if m.owner != "room.a" || m.room != "room" || m.side != "a" || len(m.tags) != 2 {
		t.Errorf("readMember(%q) = %+v", claims, m)
	}
	if !m.knows(home) || !m.knows(netip.AddrFrom16(home.As16())) || m.knows(elsewhere) {
		t.Error("the tags do not stand for the partner's addresses, or for others too")
	}
	if strings.Contains(claims, "51.51") {
		t.Errorf("%q tells the partner's address", claims)
	}
	if other := readMember(claims, "another secret"); other.knows(home) {
		t.Error("a tag fits another secret")
	}
	moved := readMember(strings.Replace(claims, "room", "moor", 1), "secret")
	if moved.knows(home) {
		t.Error("a tag fits another room")
	}
}

// FuzzMember holds that what is read of claims is what they say: the owner, that he
// hides, the servers and the tags, put together again.
func FuzzMember(f *testing.F) {
	f.Add("room.a.tag")
	f.Add("ann")
	f.Add("..")
	f.Fuzz(func(t *testing.T, claims string) {
		m := readMember(claims, "secret")
		parts := []string{m.owner}
		if m.hidden {
			parts = append(parts, hiddenClaim)
		}
		again := strings.Join(slices.Concat(parts, m.nodes, m.tags), ".")
		if again != claims || m.room != "" && m.owner != m.room+"."+m.side {
			t.Fatalf("readMember(%q) = %+v", claims, m)
		}
	})
}
