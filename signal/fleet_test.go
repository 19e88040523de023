package signal

import (
	"fmt"
	"math/rand/v2"
	"strings"
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

// TestALateOpen is of a link that has ended: it takes no seat.
func TestALateOpen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBus()
		var opens [][]byte
		b.lose = func(_, _ string, frame []byte) bool {
			if f, err := parseFrame(frame); err == nil && f.kind == frameOpen {
				opens = append(opens, frame)
			}
			return false
		}
		home, proxy := onNode(t, b, "home.1"), onNode(t, b, "proxy.1")
		alice := home.connect(t, false)
		alice.registerExt("room1", "alice")
		bob := proxy.connect(t, false)
		bob.send(`{"type":"register","roomId":"room1","resumeToken":"none"}`)
		bob.mustReject(wire.RejectNotFound)
		<-time.After(time.Second)
		before := home.rooms.Stats()
		b.set(func() { b.lose = nil })
		for _, open := range opens {
			home.rooms.Receive(open)
		}
		<-time.After(time.Second)
		if s := home.rooms.Stats(); len(opens) != 1 || s.Rejected != before.Rejected || s.Hosted != 0 {
			t.Errorf("Stats() = %+v after %d late opens, want nobody who registers", s, len(opens))
		}
		<-time.After(linkSilence + rollCallEvery)
		if n := len(home.rooms.trunks.ended); n != 0 {
			t.Errorf("%d links that have ended are remembered for ever", n)
		}
		proxy.stop()
		home.stop()
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

// TestTooManyLinks are refused; nobody takes a room over for that.
func TestTooManyLinks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBus()
		home, proxy := onNode(t, b, "home.1"), onNode(t, b, "proxy.1")
		alice := home.connect(t, false)
		alice.registerExt("room1", "alice")
		tr := home.rooms.trunks
		tr.mu.Lock()
		for n := range uint64(maxLinks) {
			tr.links[linkKey{"elsewhere.1", n}] = nil
		}
		tr.mu.Unlock()
		bob := proxy.connect(t, false)
		bob.send(`{"type":"register","roomId":"room1"}`)
		bob.mustClose(wire.CloseTryLater, wire.ReasonMoved)
		tr.mu.Lock()
		clear(tr.links)
		tr.mu.Unlock()
		bob = proxy.connect(t, false)
		bob.registerExt("room1", "bob")
		talk(t, alice, bob)
		if s := proxy.rooms.Stats(); s.TakenOver != 0 || s.Rooms != 0 {
			t.Errorf("Stats() = %+v, want no room", s)
		}
		proxy.stop()
		home.stop()
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

// TestALossyBus loses, for each of many seeds, a third of all frames: everything
// that is said arrives, once and in order.
func TestALossyBus(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			b := newBus()
			home, proxy := onNode(t, b, "home.1"), onNode(t, b, "proxy.1")
			alice, bob, _, _ := meet(t, home, proxy, "room1")
			dice := rand.New(rand.NewPCG(seed, 0))
			b.set(func() { b.lose = func(string, string, []byte) bool { return dice.IntN(3) == 0 } })
			const many = 60
			for n := range many {
				alice.send(fmt.Sprintf(`{"type":"candidate","a":%d}`, n))
				bob.send(fmt.Sprintf(`{"type":"candidate","b":%d}`, n))
				<-time.After(60 * time.Millisecond)
			}
			for n := range many {
				bob.mustGet(fmt.Sprintf(`{"type":"candidate","a":%d}`, n))
				alice.mustGet(fmt.Sprintf(`{"type":"candidate","b":%d}`, n))
			}
			b.set(func() { b.lose = nil })
			bob.leave()
			alice.mustBye()
			if s := home.rooms.Stats(); s.Resent == 0 || s.Lost != 0 {
				t.Errorf("seed %d: Stats() = %+v, want frames that were sent again, and no link lost", seed, s)
			}
			proxy.stop()
			home.stop()
		})
	}
}

// TestABusThatIsAwayForAMoment costs nobody anything.
func TestABusThatIsAwayForAMoment(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBus()
		home, proxy := onNode(t, b, "home.1"), onNode(t, b, "proxy.1")
		alice, bob, _, _ := meet(t, home, proxy, "room1")
		b.set(func() { b.down = true })
		bob.send(`{"type":"offer"}`)
		<-time.After(nodeSilence - beatEvery - resendAfter)
		b.set(func() { b.down = false })
		alice.mustGet(`{"type":"offer"}`)
		alice.send(`{"type":"answer"}`)
		bob.mustGet(`{"type":"answer"}`)
		proxy.stop()
		home.stop()
	})
}

// TestWithoutABus two who are on one node do not notice, and two who are not meet
// nobody, until it is back.
func TestWithoutABus(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBus()
		one, two := onNode(t, b, "one.1"), onNode(t, b, "two.1")
		b.set(func() { b.down = true })
		alice, bob, tokenA, tokenB := meet(t, one, one, "room1")
		talk(t, alice, bob)
		alice.lose()
		bob.lose()
		alice, bob = one.back(t, "room1", "alice", tokenA, false), one.back(t, "room1", "bob", tokenB, false)
		talk(t, alice, bob)

		ann, ben, _, _ := meet(t, one, two, "room2")
		ann.mustGet(`{"type":"bye","reason":"partner-absent"}` + "\n")
		ben.mustGet(`{"type":"bye","reason":"partner-absent"}` + "\n")
		b.set(func() { b.down = false })
		carl, cleo, _, _ := meet(t, one, two, "room3")
		talk(t, carl, cleo)
		two.stop()
		one.stop()
	})
}

// TestWhoConnectsToTheHomeNeedsNoBus holds that no frame travels when both members
// connect where the room is kept, as NODE_URL has it.
func TestWhoConnectsToTheHomeNeedsNoBus(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBus()
		home, other := onNode(t, b, "home.1"), onNode(t, b, "other.1")
		alice, bob, tokenA, _ := meet(t, home, home, "room1")
		talk(t, alice, bob)
		alice.lose()
		alice = home.back(t, "room1", "alice", tokenA, false)
		talk(t, alice, bob)
		<-time.After(time.Minute)
		bob.leave()
		alice.mustBye()
		b.set(func() {
			if b.frames != 0 {
				t.Errorf("%d frames have travelled, want none", b.frames)
			}
		})
		other.stop()
		home.stop()
	})
}

// TestOneThatReadsNothingElsewhere costs only itself: its link is bounded, and
// ends.
func TestOneThatReadsNothingElsewhere(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBus()
		home, proxy := onNode(t, b, "home.1"), onNode(t, b, "proxy.1")
		deaf := proxy.deaf(t, "room1")
		talker := home.connect(t, false)
		talker.register("room1")
		carl, cleo, _, _ := meet(t, home, proxy, "room2")
		long := `{"type":"offer","sdp":"` + strings.Repeat("x", 50_000) + `"}`
		for range 5 {
			talker.send(long)
		}
		start := time.Now()
		talk(t, carl, cleo)
		if took := time.Since(start); took != 0 {
			t.Errorf("the others have waited for %v", took)
		}
		talker.mustBye()
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("the one that reads nothing was cut after %v", took)
		}
		<-time.After(time.Second)
		if n := home.rooms.trunks.bytes.Load() + proxy.rooms.trunks.bytes.Load(); n != 0 {
			t.Errorf("links keep %d bytes of what is done", n)
		}
		_ = deaf.Close()
		proxy.stop()
		home.stop()
	})
}

// TestNothingIsLeftOfLinks when their clients have gone.
func TestNothingIsLeftOfLinks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBus()
		home, proxy := onNode(t, b, "home.1"), onNode(t, b, "proxy.1")
		for n := range 20 {
			room := fmt.Sprintf("room%d", n)
			alice, bob, _, _ := meet(t, home, proxy, room)
			talk(t, alice, bob)
			bob.leave()
			alice.mustBye()
		}
		<-time.After(10 * time.Second)
		for _, w := range []*world{home, proxy} {
			tr := w.rooms.trunks
			if len(tr.links) != 0 || len(tr.nodes) != 0 || tr.bytes.Load() != 0 {
				t.Errorf("%d links, %d nodes and %d bytes are left", len(tr.links), len(tr.nodes), tr.bytes.Load())
			}
		}
		before := 0
		b.set(func() { before = b.frames })
		<-time.After(time.Minute)
		b.set(func() {
			if b.frames != before {
				t.Errorf("%d frames travel for nobody", b.frames-before)
			}
		})
		proxy.stop()
		home.stop()
	})
}
