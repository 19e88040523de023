//go:build redis

package relays_test

import (
	"testing"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/redisdb/redistest"
	"github.com/wasmp2pchat/wasmp2pchat/internal/turnclient"
	"github.com/wasmp2pchat/wasmp2pchat/turnsvc"
	"github.com/wasmp2pchat/wasmp2pchat/turnsvc/relays"
)

// TestANodeThatWasCutOffCatchesUp holds that a room that ends while a relay of it does
// not reach Redis ends there when that is reached again.
func TestANodeThatWasCutOffCatchesUp(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	way := redistest.Forward(t, redis)
	n1, n2 := open(t, redis.URL, "n1", nil), open(t, way.URL, "n2", nil)
	redistest.Until(t, func() bool { return n1.knows(n2) && n2.knows(n1) })
	n1.drains.Store(true) // so the room goes to n2
	relay := n1.relays.Relay("room")
	at, _ := n1.relays.Place(relays.Seat{Room: "room", Home: true, Relay: relay})
	if at.ID != "n2" {
		t.Fatalf("the room is sent to %q, want n2", at.ID)
	}
	a := n1.comes(t, turnsvc.Claims{Room: "room", Side: "ma"}, at)
	atA := allocate(t, a)

	way.Silence()
	redistest.Until(t, func() bool { return !n2.db.Up() })
	n1.relays.EndRoom("room")
	began := time.Now()
	redistest.Until(t, func() bool { return n1.relays.Stats().Waiting == 0 })
	if err := a.Permit(t.Context(), atA); err != nil {
		t.Errorf("the room has ended at n2 while it was cut off: %v", err)
	}
	redistest.Until(t, func() bool { return time.Since(began) > 2*time.Second })
	way.Resume()
	back := time.Now()
	redistest.Until(t, func() bool { return refusal(a.Permit(t.Context(), atA)) != 0 })
	t.Logf("the room has ended at n2 %v after it was back", time.Since(back).Round(time.Millisecond))
	if _, err := n1.comes(t, turnsvc.Claims{Room: "room", Side: "ma"}, at).Allocate(t.Context(), 0); refusal(err) != turnclient.Unauthorized {
		t.Errorf("Allocate after the room = %v, want 401", err)
	}
}
