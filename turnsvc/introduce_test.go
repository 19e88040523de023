package turnsvc

import (
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/pion/stun/v3"
)

// firstOf is what comes to a peer first.
func firstOf(t *testing.T, conn *net.UDPConn) string {
	t.Helper()
	p := make([]byte, 1500)
	n, err := conn.Read(p)
	if err != nil {
		t.Fatal(err)
	}
	return string(p[:n])
}

// TestNobodyIsReachedBeforeTheMatch has three who have allocated while they
// wait. When one is matched, he reaches his partner, and nobody else does.
func TestNobodyIsReachedBeforeTheMatch(t *testing.T) {
	t.Parallel()
	s := inRooms(t)
	conn, partner := peerFrom(t, "127.0.0.2")
	_, stranger := peerFrom(t, "127.0.0.3")
	a, otherSide, otherRoom := s.member(t, "room", "ma"), s.member(t, "room", "mb"), s.member(t, "moor", "ma")
	everybody := map[string]*client{"who waits": a, "the other side": otherSide, "another room": otherRoom}
	if all, here := s.InUse(netip.MustParseAddr("127.0.0.1")); all+here != 0 {
		t.Errorf("InUse = %d, %d before anything was allocated", all, here)
	}
	for name, c := range everybody {
		c.mustAllocate()
		if c.permit(partner) || c.bind(partner) || c.permit(stranger) {
			t.Errorf("%s has a permission before there is a match", name)
		}
		c.sendTo(partner, "too early, from "+name)
		c.raw(stun.MethodBinding) // answered, so all before it was handled
	}

	all, here := s.InUse(netip.MustParseAddr("127.0.0.1"))
	if _, there := s.InUse(partner.Addr()); all != 3 || here != 3 || there != 0 {
		t.Errorf("InUse = %d in all, %d from here, %d from the partner's; want 3, 3, 0", all, here, there)
	}
	s.Introduce("room", "ma", netip.AddrFrom16(partner.Addr().As16())) // unmapped, as ICE has it
	if s.Stats().Introduced != 1 {
		t.Errorf("Stats().Introduced = %d, want 1", s.Stats().Introduced)
	}
	for name, c := range everybody {
		if got, want := c.permit(partner), c == a; got != want {
			t.Errorf("a permission of %s for the partner = %v after the match, want %v", name, got, want)
		}
		if c.permit(stranger) {
			t.Errorf("%s has a permission for somebody else after the match", name)
		}
	}
	a.sendTo(partner, "in time")
	if got := firstOf(t, conn); got != "in time" {
		t.Errorf("the partner hears %q first, want what was sent after the match", got)
	}

	s.EndRoom("room")
	if n := s.Stats().Allocations; n != 1 {
		t.Errorf("%d allocations live after the room, want that of the other one", n)
	}
	if got := code(a.do(stun.MethodRefresh)); got != stun.CodeUnauthorized {
		t.Errorf("Refresh after the room = %d, want 401", got)
	}
	a.username, a.password = s.credentials("moor.mb")
	if got := code(a.do(stun.MethodRefresh)); got != stun.CodeAllocMismatch {
		t.Errorf("Refresh after the room with a credential that is good = %d, want 437", got)
	}
}

// TestAnIntroductionCountsForWhatIsAllocatedLater holds that an allocation that
// is made with the old credentials after the match reaches the partner, too, for
// as long as it lives; and that in the end nothing is remembered.
func TestAnIntroductionCountsForWhatIsAllocatedLater(t *testing.T) {
	t.Parallel()
	s := inRooms(t)
	partner := netip.MustParseAddrPort("8.8.4.4:5000")
	s.Introduce("room", "ma", partner.Addr())
	a := s.member(t, "room", "ma")
	a.mustAllocate()
	if !a.permit(partner) {
		t.Error("who allocates after he was introduced may not reach his partner")
	}
	s.Introduce("room", "ma", netip.MustParseAddr("8.8.4.5"))
	if a.permit(partner) {
		t.Error("the address counts from which the partner came before")
	}
	s.Introduce("room", "ma", partner.Addr())
	s.clock.advance(s.cfg.CredentialTTL)
	if !a.permit(partner) {
		t.Error("an allocation that lives has lost its partner")
	}
	late := s.member(t, "room", "ma") // with a credential that is newer than the match, and has no tag
	late.mustAllocate()
	if late.permit(partner) {
		t.Error("an introduction counts after its time")
	}
}

// TestAnIntroductionOpensNoWall holds that a partner who came from an address
// that nobody may reach is not reached.
func TestAnIntroductionOpensNoWall(t *testing.T) {
	t.Parallel()
	s := inRooms(t)
	a := s.member(t, "room", "ma")
	a.mustAllocate()
	for _, ip := range []string{"10.0.0.1", "169.254.169.254", "192.168.1.1"} {
		s.Introduce("room", "ma", netip.MustParseAddr(ip))
		if got := code(a.do(stun.MethodCreatePermission, peerAddr(netip.MustParseAddrPort(ip+":5000")))); got != codeForbidden {
			t.Errorf("CreatePermission for %s = %d, want 403", ip, got)
		}
	}
}

func TestNobodyIsIntroducedInARoomThatHasEnded(t *testing.T) {
	t.Parallel()
	s := inRooms(t)
	s.Introduce("room", "ma", netip.MustParseAddr("8.8.4.4"))
	s.EndRoom("room")
	s.EndUser("other.ma")
	s.Introduce("room", "ma", netip.MustParseAddr("8.8.4.4"))
	s.Introduce("other", "ma", netip.MustParseAddr("8.8.4.4"))
	s.Introduce("third", "ma", netip.Addr{})
	if n := s.Stats().Introduced; n != 1 {
		t.Errorf("Stats().Introduced = %d, want 1", n)
	}
	if n := len(s.rooms.introduced.entries); n != 0 {
		t.Errorf("%d introductions are remembered, want 0", n)
	}
}

// TestIntroductionsAreBounded holds that what is remembered of them grows neither
// with the rooms nor with the sides of one.
func TestIntroductionsAreBounded(t *testing.T) {
	t.Parallel()
	r, now, partner := newRooms(), time.Unix(1_800_000_000, 0), netip.MustParseAddr("8.8.4.4")
	for i := range maxIntroduced + 1000 {
		r.introduce(fmt.Sprintf("room-%d", i), "ma", partner, now, now.Add(time.Minute))
	}
	if n := max(len(r.introduced.entries), len(r.introduced.order)); n > maxIntroduced {
		t.Errorf("%d rooms are remembered, want at most %d", n, maxIntroduced)
	}
	for i := range 100 {
		r.introduce("one", fmt.Sprint(i), partner, now, now.Add(time.Minute))
	}
	if known, _ := r.introduced.find("one", now); len(known) != maxSides {
		t.Errorf("%d sides of a room are remembered, want %d", len(known), maxSides)
	}
	r.introduce("next", "ma", partner, now.Add(2*time.Minute), now.Add(3*time.Minute))
	if len(r.introduced.entries) != 1 || len(r.introduced.order) != 1 {
		t.Errorf("after their time %d rooms are remembered, want 1", len(r.introduced.entries))
	}
}
