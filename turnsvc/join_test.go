package turnsvc

import (
	"net/netip"
	"testing"
	"time"

	"github.com/pion/stun/v3"
)

// TestTwoRoomsBecomeOne lets two who have each prepared a room be matched: what
// they hold already carries their chat, and that of a third one nothing. It ends
// with the room in which they meet.
func TestTwoRoomsBecomeOne(t *testing.T) {
	t.Parallel()
	s := inRooms(t)
	a, b, c := s.member(t, "room", "ma"), s.member(t, "annex", "ma"), s.member(t, "moor", "ma")
	atA, atB := a.mustAllocate(), b.mustAllocate()
	c.mustAllocate()
	for _, m := range []struct {
		who *client
		to  netip.AddrPort
	}{{a, atB}, {b, atA}, {c, atA}} {
		if !m.who.permit(m.to) { // at first whosever it is: the relay sees whose it is
			t.Fatalf("a permission for %v was refused", m.to)
		}
	}
	a.sendTo(atB, "too early")
	c.sendTo(atA, "from another room")
	for _, who := range []*client{a, c} {
		who.raw(stun.MethodBinding) // answered, so all before it was handled
	}
	s.Join("annex", "room")
	a.sendTo(atB, "in time")
	if from, data := b.data(); from != atA || data != "in time" {
		t.Errorf("b got %q from %v first, want what came after the match", data, from)
	}
	b.sendTo(atA, "and back")
	if from, data := a.data(); from != atB || data != "and back" {
		t.Errorf("a got %q from %v first, want what b has sent", data, from)
	}
	later := s.member(t, "annex", "ma")
	atLater := later.mustAllocate()
	if !a.permit(atLater) {
		t.Fatal("a permission for the second relay of b was refused")
	}
	refused := s.Stats().RefusedPeer
	a.sendTo(atLater, "too early again") // there is no permission yet
	s.within(t, "what has no permission is not refused", func() bool { return s.Stats().RefusedPeer > refused })
	if !later.permit(atA) {
		t.Fatal("a permission for a was refused")
	}
	a.sendTo(atLater, "here, too")
	if _, data := later.data(); data != "here, too" {
		t.Errorf("the second relay of b got %q", data)
	}

	s.EndRoom("room")
	if n := s.Stats().Allocations; n != 1 {
		t.Errorf("%d allocations live after the room, want that of the other one", n)
	}
	if _, code := s.member(t, "annex", "ma").allocate(); code != stun.CodeUnauthorized {
		t.Errorf("Allocate with a credential of the annex after the room = %d, want 401", code)
	}
}

// TestWhoeverWasInvitedIsKnownByHisAllocation holds that the address of somebody
// who has prepared a room of his own is known in the one to which it was joined,
// also when he is ended by his old name.
func TestWhoeverWasInvitedIsKnownByHisAllocation(t *testing.T) {
	t.Parallel()
	s := inRooms(t)
	a := s.member(t, "room", "ma")
	a.mustAllocate()
	elsewhere := netip.MustParseAddrPort("127.0.0.9:5000")
	g := newGrant(&door{srv: s.Server}, &request{Message: new(stun.Message), client: elsewhere}, readMember("annex.ma", "new"), 99)
	s.rooms.enter(g, s.cfg.asOf())
	if a.permit(elsewhere) {
		t.Error("a permission for where somebody of another room was seen was granted")
	}
	s.Join("annex", "room")
	if !a.permit(elsewhere) {
		t.Error("a permission for where the partner was seen was refused")
	}
	s.rooms.leave(g)
	s.rooms.mu.RLock() // b, who comes next, would race
	if n := len(s.rooms.members["room"]); n != 1 || len(s.rooms.members) != 1 {
		t.Errorf("%d allocations in %d rooms, want that of a alone", n, len(s.rooms.members))
	}
	s.rooms.mu.RUnlock()

	b := s.member(t, "annex", "ma")
	b.mustAllocate()
	s.EndUser("annex.ma")
	if n := s.Stats().Allocations; n != 1 {
		t.Errorf("%d allocations live after the end of one user, want that of the other", n)
	}
}

// TestWhatCannotBeJoined holds that rooms that have ended stay so, that a room is
// joined once, and that there are no chains of them.
func TestWhatCannotBeJoined(t *testing.T) {
	t.Parallel()
	s := inRooms(t)
	s.EndRoom("over")
	for _, pair := range [][2]string{{"over", "a"}, {"b", "over"}, {"c", "c"}} {
		s.Join(pair[0], pair[1])
	}
	if n := len(s.rooms.joined.entries); n != 0 {
		t.Errorf("%d rooms are joined, want none", n)
	}
	for _, pair := range [][2]string{{"d", "e"}, {"d", "f"}, {"g", "d"}} {
		s.Join(pair[0], pair[1])
	}
	if to, _ := s.rooms.joined.find("d", s.cfg.now()); to != "e" || len(s.rooms.joined.entries) != 1 {
		t.Errorf("d is joined to %q, and %d rooms are; want e, and only that", to, len(s.rooms.joined.entries))
	}
	s.clock.advance(s.cfg.CredentialTTL + time.Second)
	s.Join("h", "i")
	if n := len(s.rooms.joined.entries); n != 1 {
		t.Errorf("after its time %d rooms are remembered, want 1", n)
	}
}
