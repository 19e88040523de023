//go:build redis

package redisrooms_test

import (
	"testing"

	"github.com/wasmp2pchat/wasmp2pchat/internal/redisdb/redistest"
	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// TestANodeIsCutOff from Redis while the other one is not: its room is taken over
// by who comes back, and it gives it up when it hears of that.
func TestANodeIsCutOff(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	wire1 := redistest.Forward(t, redis)
	one, two := start(t, "one", wire1.URL), start(t, "two", redis.URL)
	a, b, tokenA, tokenB := meet(t, one, two, "room1")
	wire1.Silence()
	b.mustClose(wire.CloseGoingAway)
	b = two.dial(t)
	if accept := b.register("room1", "bob", tokenB); !accept.Rebuilt {
		t.Errorf("accept = %+v, want a room that was taken over", accept)
	}
	wire1.Resume()
	a.mustClose(wire.CloseGoingAway)
	a = one.dial(t)
	if accept := a.register("room1", "alice", tokenA); !accept.Rebuilt {
		t.Errorf("accept = %+v, want the room of the other node", accept)
	}
	talk(t, a, b)
	if n := one.rooms.Stats().Rooms + two.rooms.Stats().Rooms; n != 1 {
		t.Errorf("there are %d rooms, want 1", n)
	}
}

// TestOnACluster has rooms of all slots.
func TestOnACluster(t *testing.T) {
	t.Parallel()
	url, _ := redistest.StartCluster(t)
	one, two := start(t, "one", url), start(t, "two", url)
	for _, room := range []string{"room1", "room2", "room3", "room4", "a}b{c", "{x}"} {
		a, b, _, _ := meet(t, one, two, room)
		talk(t, a, b)
	}
}

// TestAPrimaryIsReplaced by its replica while two talk over it: nothing is lost,
// and nobody has to come back.
func TestAPrimaryIsReplaced(t *testing.T) {
	t.Parallel()
	redis := redistest.StartSentinels(t)
	one, two := start(t, "one", redis.URL), start(t, "two", redis.URL)
	a, b, _, _ := meet(t, one, two, "room1")
	redis.Primary.Kill()
	b.send(`{"type":"offer"}`)
	a.mustGet(`{"type":"offer"}`)
	a.send(`{"type":"answer"}`)
	b.mustGet(`{"type":"answer"}`)
	if s := one.rooms.Stats(); s.Lost != 0 || s.Moved != 0 || s.Rooms != 1 {
		t.Errorf("Stats() = %+v, want the room as it was", s)
	}
}
