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
