package turnsvc

import (
	"fmt"
	"testing"
	"time"

	"github.com/pion/stun/v3"
)

// TestAChatOutlivesItsCredential lets two members of a room talk for 15 minutes
// of the credentials' clock with a credential that is good for 5 seconds. They
// refresh what RFC 8656 says must be refreshed, lose nothing, and are cut when
// the room ends.
func TestAChatOutlivesItsCredential(t *testing.T) {
	t.Parallel()
	s := inRooms(t)
	short := func(side string) *client {
		c := s.member(t, "room", side)
		c.username, c.password, _ = Issuer{Secret: "new", Now: s.clock.now, TTL: 5 * time.Second}.RoomCredential(Claims{Room: "room", Side: side})
		return c
	}
	a, b := short("a"), short("b")
	atA, atB := a.mustAllocate(), b.mustAllocate()
	for second := range 15 * 60 {
		if second%120 == 0 && (!a.permit(atB) || !b.permit(atA)) {
			t.Fatalf("after %d s a permission was refused", second)
		}
		if second%300 == 0 && (code(a.do(stun.MethodRefresh)) != 0 || code(b.do(stun.MethodRefresh)) != 0) {
			t.Fatalf("after %d s Refresh was refused", second)
		}
		text := fmt.Sprint(second)
		a.sendTo(atB, text)
		if from, data := b.data(); from != atA || data != text {
			t.Fatalf("after %d s b got %q from %v, want %q from %v", second, data, from, text, atA)
		}
		s.clock.advance(time.Second)
	}
	if _, got := short("c").allocate(); got != 0 {
		t.Errorf("Allocate with a fresh credential = %d, want success", got)
	}
	ended := time.Now()
	s.EndRoom("room")
	if took := time.Since(ended); took > time.Second || s.Stats().Allocations != 0 {
		t.Errorf("%v after the end of the room %d allocations live, want none", took, s.Stats().Allocations)
	}
}

// TestNoChatOutlivesTheCap holds that an expired credential keeps an allocation
// alive for a day, and no longer.
func TestNoChatOutlivesTheCap(t *testing.T) {
	t.Parallel()
	s := inRooms(t)
	a := s.member(t, "room", "a")
	a.mustAllocate()
	s.clock.advance(maxOverstay - time.Minute)
	if got := code(a.do(stun.MethodRefresh)); got != 0 {
		t.Errorf("Refresh a minute before the cap = %d, want success", got)
	}
	s.clock.advance(2 * time.Minute)
	if got := code(a.do(stun.MethodRefresh)); got != stun.CodeUnauthorized {
		t.Errorf("Refresh after the cap = %d, want 401", got)
	}
}
