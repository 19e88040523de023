package redisrooms_test

import (
	"strings"
	"testing"

	"github.com/wasmp2pchat/wasmp2pchat/internal/redisdb"
	"github.com/wasmp2pchat/wasmp2pchat/internal/redisdb/redistest"
	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// meet seats alice at one node and bob at another.
func meet(t *testing.T, one, two *node, room string) (a, b *client, tokenA, tokenB string) {
	t.Helper()
	a, b = one.dial(t), two.dial(t)
	tokenA = a.register(room, "alice", "").ResumeToken
	tokenB = b.register(room, "bob", "").ResumeToken
	return a, b, tokenA, tokenB
}

// talk passes an offer one way and an answer the other way.
func talk(t *testing.T, a, b *client) {
	t.Helper()
	b.send(`{"type":"offer"}`)
	a.mustGet(`{"type":"offer"}`)
	a.send(`{"type":"answer"}`)
	b.mustGet(`{"type":"answer"}`)
}

// TestRedisIsRestartedEmpty while two talk over it: nothing is lost, and the room
// is still its home's.
func TestRedisIsRestartedEmpty(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	one, two := start(t, "one", redis.URL), start(t, "two", redis.URL)
	a, b, _, token := meet(t, one, two, "room1")
	redis.Stop(t)
	b.send(`{"type":"offer"}`)
	redis.Restart(t)
	a.mustGet(`{"type":"offer"}`)
	a.send(`{"type":"answer"}`)
	b.mustGet(`{"type":"answer"}`)
	redistest.Until(t, func() bool { return strings.HasPrefix(redis.Do(t, "GET", "wasmp2pchat:{rm:room1}"), "one.") })
	_ = b.ws.NetConn().Close()
	again := two.dial(t)
	if accept := again.register("room1", "bob", token); !accept.Resumed || accept.Rebuilt {
		t.Errorf("accept = %+v, want resumed, and the room that was", accept)
	}
	talk(t, a, again)
}

// TestANodeGoes, and its members are at another one before a second has passed.
func TestANodeGoes(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	one, two := start(t, "one", redis.URL), start(t, "two", redis.URL)
	a, b, tokenA, tokenB := meet(t, one, two, "room1")
	go one.stop()
	a.mustClose(wire.CloseGoingAway)
	b.mustClose(wire.CloseGoingAway)
	a, b = two.dial(t), two.dial(t)
	a.register("room1", "alice", tokenA)
	b.register("room1", "bob", tokenB)
	talk(t, a, b)
	one.stop()
	if held := redis.Do(t, "GET", "wasmp2pchat:{rm:room1}"); !strings.HasPrefix(held, "two.") {
		t.Errorf("the room is held by %q, want two", held)
	}
}

// TestClaims are written ahead, renewed, and given up with the room's node.
func TestClaims(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	one, two := start(t, "one", redis.URL), start(t, "two", redis.URL)
	one.bus.Own("room1")
	redistest.Until(t, func() bool { return strings.HasPrefix(redis.Do(t, "GET", "wasmp2pchat:{rm:room1}"), "one.") })
	b, a := two.dial(t), one.dial(t)
	if b.register("room1", "bob", "").IsExistClient || !a.register("room1", "alice", "").IsExistClient {
		t.Error("they were not introduced in the order in which they came")
	}
	talk(t, a, b)
	if s := two.rooms.Stats(); s.Rooms != 0 || s.Proxied != 1 {
		t.Errorf("Stats() = %+v, want a proxy: the room is the other node's since before", s)
	}
	sent := one.bus.Stats().Sent + two.bus.Stats().Sent
	if sent == 0 {
		t.Error("no frame was counted")
	}

	c, d := one.dial(t), one.dial(t) // at the home, as NODE_URL has it
	before := one.rooms.Stats()
	claims := one.bus.Stats().Claims
	one.bus.Own("room2")
	redistest.Until(t, func() bool { return one.bus.Stats().Claims > claims })
	claims = one.bus.Stats().Claims
	c.register("room2", "carl", "")
	d.register("room2", "dora", "")
	talk(t, c, d)
	if after := one.bus.Stats(); after.Claims != claims || one.rooms.Stats().Hosted != before.Hosted {
		t.Errorf("%d claims for a room that is known to be ours", after.Claims-claims)
	}
	one.stop()
	if left := redis.Do(t, "EXISTS", "wasmp2pchat:{rm:room2}"); left != "0" {
		t.Error("the claim of a room is left when its node has gone")
	}
}

// TestTheACLIsEnough holds that one pattern lets a node do all this.
func TestTheACLIsEnough(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	redis.Do(t, append([]string{"ACL", "SETUSER", "chat", "on", ">secret"}, strings.Fields(redisdb.ACL)...)...)
	url := strings.Replace(redis.URL, "redis://", "redis://chat:secret@", 1)
	one, two := start(t, "one", url), start(t, "two", url)
	a, b, _, _ := meet(t, one, two, "room1")
	talk(t, a, b)
	one.stop()
	if left := redis.Do(t, "EXISTS", "wasmp2pchat:{rm:room1}"); left != "0" {
		t.Error("the claim could not be given up")
	}
}
