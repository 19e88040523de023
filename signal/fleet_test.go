package signal

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// meet seats alice on one node and bob on another; both can come back.
func meet(t *testing.T, one, two *world, room string) (a, b *client, tokenA, tokenB string) {
	t.Helper()
	a, b = one.connect(t, false), two.connect(t, false)
	tokenA = a.registerExt(room, "alice").ResumeToken
	tokenB = b.registerExt(room, "bob").ResumeToken
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

// back comes back, and holds that the room was rebuilt or not.
func (w *world) back(t *testing.T, room, id, token string, rebuilt bool) *client {
	t.Helper()
	c := w.connect(t, false)
	c.comeBack(room, id, token)
	if a := c.accept(); !a.Resumed || a.Rebuilt != rebuilt {
		t.Errorf("accept = %+v, want resumed, rebuilt %v", a, rebuilt)
	}
	return c
}

// TestAProxyThatDies loses nothing that was said to a client whose node has died,
// whatever had been sent to that node.
func TestAProxyThatDies(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBus()
		home, proxy, third := onNode(t, b, "home.1"), onNode(t, b, "proxy.1"), onNode(t, b, "third.1")
		alice, bob, _, token := meet(t, home, proxy, "room7")
		talk(t, alice, bob)
		<-time.After(2 * tickEvery) // else the answer might come again
		b.set(func() { b.nodes["proxy.1"].mute = true })
		start := time.Now()
		alice.send(`{"type":"candidate","n":1}`)
		alice.send(`{"type":"candidate","n":2}`)
		bob.mustClose(wire.CloseGoingAway, wire.ReasonMoved)
		if took := time.Since(start); took > nodeSilence+beatEvery+tickEvery {
			t.Errorf("the proxy has noticed after %v", took)
		}
		synctest.Wait()
		if !home.isAway("room7") {
			<-time.After(tickEvery) // their ticks are not at the same time
			synctest.Wait()
		}
		if !home.isAway("room7") {
			t.Error("the home has not noticed")
		}
		alice.send(`{"type":"candidate","n":3}`)
		again := third.back(t, "room7", "bob", token, false)
		for n := range 3 {
			again.mustGet(fmt.Sprintf(`{"type":"candidate","n":%d}`, n+1))
		}
		talk(t, alice, again)
		for _, w := range []*world{third, proxy, home} {
			w.stop()
		}
	})
}

// TestANodeThatIsNotThere is noticed sooner than one that says nothing.
func TestANodeThatIsNotThere(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBus()
		home, proxy := onNode(t, b, "home.1"), onNode(t, b, "proxy.1")
		_, bob, _, token := meet(t, home, proxy, "room1")
		var dead *station
		b.set(func() {
			dead = b.nodes["home.1"]
			dead.mute = true
			delete(b.nodes, "home.1")
		})
		start := time.Now()
		bob.mustClose(wire.CloseGoingAway, wire.ReasonMoved)
		if took := time.Since(start); took < nodeAbsence || took > nodeAbsence+beatEvery+2*tickEvery {
			t.Errorf("it was noticed after %v", took)
		}
		start = time.Now()
		proxy.back(t, "room1", "bob", token, true)
		if took := time.Since(start); took > 2*resendAfter {
			t.Errorf("the room was taken over after %v", took)
		}
		b.set(func() { b.nodes["home.1"] = dead })
		home.stop()
		proxy.stop()
	})
}

// TestWhoComesBackBeforeItsProxyIsMissed gets what its old proxy has not passed on,
// before all that is said from now on.
func TestWhoComesBackBeforeItsProxyIsMissed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBus()
		home, proxy, third := onNode(t, b, "home.1"), onNode(t, b, "proxy.1"), onNode(t, b, "third.1")
		alice, bob, _, token := meet(t, home, proxy, "room1")
		talk(t, alice, bob)
		<-time.After(2 * tickEvery)
		b.set(func() { b.nodes["proxy.1"].mute = true })
		alice.send(`{"type":"candidate","n":1}`)
		alice.send(`{"type":"candidate","n":2}`)
		synctest.Wait()
		again := third.back(t, "room1", "bob", token, false)
		alice.send(`{"type":"candidate","n":3}`)
		for n := range 3 {
			again.mustGet(fmt.Sprintf(`{"type":"candidate","n":%d}`, n+1))
		}
		<-time.After(2 * linkSilence)
		talk(t, alice, again) // nothing comes twice
		for _, w := range []*world{third, proxy, home} {
			w.stop()
		}
	})
}

// TestAHomeThatDies takes its room with it; it is built anew by who comes back
// first, wherever that is.
func TestAHomeThatDies(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBus()
		home, proxy, third := onNode(t, b, "home.1"), onNode(t, b, "proxy.1"), onNode(t, b, "third.1")
		alice, bob, tokenA, tokenB := meet(t, home, proxy, "room1")
		b.set(func() { b.nodes["home.1"].mute = true })
		bob.mustClose(wire.CloseGoingAway, wire.ReasonMoved)
		start := time.Now()
		bob = proxy.back(t, "room1", "bob", tokenB, true)
		if took := time.Since(start); took > openWithin {
			t.Errorf("the room was taken over after %v", took)
		}
		bob.send(`{"type":"offer"}`)
		alice.lose()
		alice = third.back(t, "room1", "alice", tokenA, true)
		alice.mustGet(`{"type":"offer"}`)
		alice.send(`{"type":"answer"}`)
		bob.mustGet(`{"type":"answer"}`)
		if s := proxy.rooms.Stats(); s.TakenOver != 1 || s.Hosted != 1 || s.Rooms != 1 || s.Lost != 1 {
			t.Errorf("Stats() of the new home = %+v", s)
		}
		if s := third.rooms.Stats(); s.Proxied != 1 || s.Rooms != 0 || s.TakenOver != 0 {
			t.Errorf("Stats() of the new proxy = %+v", s)
		}
		for _, w := range []*world{third, proxy, home} {
			w.stop()
		}
	})
}

// TestBothComeBackAtOnce to two nodes, and end in one room.
func TestBothComeBackAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBus()
		home, two, three := onNode(t, b, "home.1"), onNode(t, b, "two.1"), onNode(t, b, "three.1")
		_, _, tokenA, tokenB := meet(t, home, home, "room1")
		b.set(func() { b.nodes["home.1"].mute = true })
		alice, bob := two.connect(t, false), three.connect(t, false)
		alice.comeBack("room1", "alice", tokenA)
		bob.comeBack("room1", "bob", tokenB)
		alice.accept()
		bob.accept()
		talk(t, alice, bob)
		if n := two.rooms.Stats().Rooms + three.rooms.Stats().Rooms; n != 1 {
			t.Errorf("there are %d rooms, want 1", n)
		}
		for _, w := range []*world{three, two, home} {
			w.stop()
		}
	})
}

// TestAHomeThatSlept sends its members away when it wakes, for their room is
// another node's: they meet there, and nobody is told that the chat is over.
func TestAHomeThatSlept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBus()
		home, proxy := onNode(t, b, "home.1"), onNode(t, b, "proxy.1")
		alice, bob, tokenA, tokenB := meet(t, home, proxy, "room1")
		b.set(func() { b.nodes["home.1"].mute = true })
		bob.mustClose(wire.CloseGoingAway, wire.ReasonMoved)
		bob = proxy.back(t, "room1", "bob", tokenB, true)
		b.set(func() { b.nodes["home.1"].mute = false })
		home.rooms.Moved("room1") // as it learns from the claim
		alice.mustClose(wire.CloseGoingAway, wire.ReasonMoved)
		if s := home.rooms.Stats(); s.Rooms != 0 || s.Moved != 1 || len(home.rooms.Keeps()) != 0 {
			t.Errorf("Stats() = %+v, want no room any more", s)
		}
		alice = home.back(t, "room1", "alice", tokenA, true) // with a token that this very node has sealed
		talk(t, alice, bob)
		if s := home.rooms.Stats(); s.Rooms != 0 || s.Proxied != 1 {
			t.Errorf("Stats() = %+v, want to be a proxy now", s)
		}
		home.stop()
		proxy.stop()
		if len(home.ended)+len(proxy.ended) != 0 {
			t.Error("somebody was told that the chat is over")
		}
	})
}

// TestAClaimThatIsOld leads to a node that does not keep the room any more: it is
// asked for again, but not for ever.
func TestAClaimThatIsOld(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBus()
		home, other, proxy := onNode(t, b, "home.1"), onNode(t, b, "other.1"), onNode(t, b, "proxy.1")
		alice := home.connect(t, false)
		alice.registerExt("room1", "alice")
		b.set(func() { b.nodes["proxy.1"].stale = []string{"other.1", "other.1"} })
		bob := proxy.connect(t, false)
		bob.registerExt("room1", "bob")
		talk(t, alice, bob)

		b.set(func() { b.nodes["proxy.1"].stale = []string{"other.1", "other.1", "other.1"} })
		carl := proxy.connect(t, false)
		carl.send(`{"type":"register","roomId":"room1"}`)
		carl.mustClose(wire.CloseTryLater, wire.ReasonMoved)
		<-time.After(time.Second)
		if s := other.rooms.Stats(); s.Rooms != 0 || s.Hosted != 0 || s.TakenOver != 0 {
			t.Errorf("Stats() = %+v of a node that keeps nothing", s)
		}
		for _, w := range []*world{proxy, other, home} {
			w.stop()
		}
	})
}

// TestAMoveAndTheWebhooks: who comes back to another home is not asked about again,
// and each stay is reported once, by the node that kept the room.
func TestAMoveAndTheWebhooks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBus()
		app := newApplication()
		home, proxy := onNode(t, b, "home.1", app.hook), onNode(t, b, "proxy.1", app.hook)
		app.reach(home)
		app.reach(proxy)
		_, bob, tokenA, tokenB := meet(t, home, proxy, "room1")
		b.set(func() { b.nodes["home.1"].mute = true })
		bob.mustClose(wire.CloseGoingAway, wire.ReasonMoved)
		bob = proxy.back(t, "room1", "bob", tokenB, true)
		b.set(func() { b.nodes["home.1"].mute = false })
		home.rooms.Moved("room1")
		alice := home.back(t, "room1", "alice", tokenA, true)
		talk(t, alice, bob)
		<-time.After(time.Minute)
		if len(app.asked) != 2 || len(app.gone) != 2 {
			t.Errorf("the webhooks were asked %d times and told %d times, want 2 registrations and 2 stays that have ended", len(app.asked), len(app.gone))
		}
		bob.leave()
		alice.mustBye()
		<-time.After(time.Minute)
		seen := map[string]bool{}
		for range len(app.gone) {
			seen[<-app.gone] = true
		}
		if len(seen) != 4 || len(app.asked) != 2 {
			t.Errorf("told of %d stays in all, want 4, each once: %v", len(seen), seen)
		}
		proxy.stop()
		home.stop()
	})
}

// TestAHomeThatGoes is replaced at once.
func TestAHomeThatGoes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBus()
		home, proxy := onNode(t, b, "home.1"), onNode(t, b, "proxy.1")
		alice, bob, tokenA, tokenB := meet(t, home, proxy, "room1")
		start := time.Now()
		go home.stop()
		alice.mustClose(wire.CloseGoingAway, wire.ReasonShutdown)
		bob.mustClose(wire.CloseGoingAway, wire.ReasonShutdown)
		bob = proxy.back(t, "room1", "bob", tokenB, true)
		alice = proxy.back(t, "room1", "alice", tokenA, true)
		talk(t, alice, bob)
		if took := time.Since(start); took > openWithin {
			t.Errorf("it has taken %v", took)
		}
		if len(home.ended)+len(proxy.ended) != 0 {
			t.Error("somebody was told that the chat is over")
		}
		proxy.stop()
	})
}

// TestTheSecondComesAfterTheHomeHasDied, for the first time, and the first comes
// back: they are introduced all the same.
func TestTheSecondComesAfterTheHomeHasDied(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBus()
		home, two, three := onNode(t, b, "home.1"), onNode(t, b, "two.1"), onNode(t, b, "three.1")
		alice := home.connect(t, false)
		token := alice.registerExt("room1", "alice").ResumeToken
		b.set(func() { b.nodes["home.1"].mute = true })
		bob := two.connect(t, false)
		bob.registerExt("room1", "bob")
		alice.lose()
		three.back(t, "room1", "alice", token, true)
		alice = three.back(t, "room1", "alice", token, true) // its accept was lost
		talk(t, alice, bob)
		stranger := three.connect(t, false)
		stranger.send(`{"type":"register","roomId":"room1"}`)
		stranger.mustReject(wire.RejectFull)
		for _, w := range []*world{three, two, home} {
			w.stop()
		}
	})
}
