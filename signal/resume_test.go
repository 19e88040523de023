package signal

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// pair seats alice and bob in a room; both can come back.
func (w *world) pair(t *testing.T, room string) (a, b *client, tokenA, tokenB string) {
	t.Helper()
	a, b = w.connect(t, false), w.connect(t, false)
	tokenA = a.registerExt(room, "alice").ResumeToken
	tokenB = b.registerExt(room, "bob").ResumeToken
	if tokenA == "" || tokenB == "" || tokenA == tokenB {
		t.Fatalf("resume tokens %q and %q, want two", tokenA, tokenB)
	}
	return a, b, tokenA, tokenB
}

// isAway tells whether a member of a room is away.
func (w *world) isAway(room string) bool {
	w.rooms.mu.Lock()
	defer w.rooms.mu.Unlock()
	rm := w.rooms.rooms[room]
	return rm != nil && (rm.seats[0].state == away || rm.seats[1].state == away)
}

func TestALostMemberFindsItsSeatAndItsMessages(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := onPipes(t)
		a, b, _, tokenB := w.pair(t, "room1")
		b.lose()
		<-b.ends
		synctest.Wait()
		for i := range maxKeptMessages {
			a.send(fmt.Sprintf(`{"type":"candidate","n":%d}`, i))
		}
		<-time.After(holdFor - time.Second)
		again := w.connect(t, false)
		again.comeBack("room1", "bob", tokenB)
		accept := again.accept()
		if !accept.Resumed || !accept.IsExistClient || !accept.IsExistUser || accept.ResumeToken == tokenB || accept.ResumeToken == "" {
			t.Errorf("accept = %+v, want resumed, still the one who makes the offer, and a new token", accept)
		}
		if len(accept.ICEServers) != 1 || accept.ICEServers[0].Username != "room1.b" {
			t.Errorf("ICE servers %v, want fresh ones for side b", accept.ICEServers)
		}
		for i := range maxKeptMessages {
			again.mustGet(fmt.Sprintf(`{"type":"candidate","n":%d}`, i))
		}
		a.send(`{"type":"offer"}`)
		again.mustGet(`{"type":"offer"}`)
		again.send(`{"type":"answer"}`)
		a.mustGet(`{"type":"answer"}`) // and nothing before it

		a.lose()
		synctest.Wait()
		if s := w.rooms.Stats(); s.Resumed != 1 || s.Rooms != 1 {
			t.Errorf("Stats() = %+v, want 1 resumed, 1 room", s)
		}
		w.stop()
		if len(w.ended) != 0 {
			t.Errorf("Ended(%s) of a room that was never left", <-w.ended)
		}
	})
}

func TestASeatIsHeldFor30Seconds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := onPipes(t)
		a, b, tokenA, _ := w.pair(t, "room1")
		start := time.Now()
		a.lose()
		b.mustBye()
		if took := time.Since(start); took < holdFor || took > holdFor+tickEvery {
			t.Errorf("the other one was told after %v, want 30s", took)
		}
		again := w.connect(t, false)
		again.comeBack("room1", "alice", tokenA)
		again.mustBye()
		<-time.After(2 * time.Minute)
		if n := len(w.rooms.rooms); n != 0 {
			t.Errorf("%d rooms are remembered after their time", n)
		}
		late := w.connect(t, false)
		late.comeBack("room1", "alice", tokenA)
		late.mustReject(wire.RejectNotFound)
		w.stop()
		if len(w.ended) != 0 {
			t.Errorf("Ended(%s), though nobody has said that the chat is over", <-w.ended)
		}
	})
}

func TestAHalfOpenSocketIsReplacedAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := onPipes(t)
		a, b, tokenA, _ := w.pair(t, "room1")
		again := w.connect(t, false)
		start := time.Now()
		again.comeBack("room1", "alice", tokenA)
		accept := again.accept()
		if took := time.Since(start); took != 0 || !accept.Resumed || accept.IsExistClient {
			t.Errorf("after %v accept = %+v, want resumed at once, and not to make the offer", took, accept)
		}
		a.mustClose(wire.CloseNormal, wire.ReasonReplaced)
		b.send(`{"type":"offer"}`)
		again.mustGet(`{"type":"offer"}`)
		again.send(`{"type":"answer"}`)
		b.mustGet(`{"type":"answer"}`)
		again.leave()
		b.mustBye()
		if room := <-w.ended; room != "room1" {
			t.Errorf("Ended(%s), want room1", room)
		}
		w.stop()
	})
}

func TestOnlyTheTokenOpensASeat(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		admits := new(atomic.Bool)
		admits.Store(true)
		w := onPipes(t, func(c *Config) {
			c.Admit = func(string) (time.Time, error) {
				if !admits.Load() {
					return time.Time{}, errForged
				}
				return time.Now().Add(time.Minute), nil
			}
		})
		a, b, tokenA, tokenB := w.pair(t, "room1")
		alone := w.connect(t, false)
		alone.registerExt("room2", "alice")
		try := func(room, id, token, reason string) {
			t.Helper()
			c := w.connect(t, false)
			c.comeBack(room, id, token)
			c.mustReject(reason)
		}
		try("room1", "alice", "wrong", wire.RejectFull)
		try("room1", "alice", tokenB, wire.RejectFull)
		try("room1", "mallory", tokenA, wire.RejectFull)
		try("room1", "mallory", "", wire.RejectFull)
		try("room2", "alice", tokenA, wire.RejectNotFound)
		try("room3", "alice", tokenA, wire.RejectNotFound)
		admits.Store(false)
		try("room1", "alice", "wrong", wire.RejectNotFound) // no oracle without an id that admits
		again := w.connect(t, false)
		again.comeBack("room1", "alice", tokenA) // which needs no such id
		if !again.accept().Resumed {
			t.Error("a seat was not given back because the id of its room had expired")
		}
		a.mustClose(wire.CloseNormal, wire.ReasonReplaced)
		for _, c := range []*client{b, again} {
			if len(c.got) != 0 {
				t.Errorf("the attempts of strangers were noticed: %s", <-c.got)
			}
		}
		w.stop()
	})
}

// TestAnAcceptThatIsLostCostsNoSeat holds that the token of before counts
// until the client has shown that it has the new one, and no longer.
func TestAnAcceptThatIsLostCostsNoSeat(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := onPipes(t)
		a, _, first, _ := w.pair(t, "room1")
		a.lose()
		for range 3 {
			c := w.connect(t, true)
			c.comeBack("room1", "alice", first)
			c.accept() // as far as we know it never arrived
			c.lose()
			<-c.ends
		}
		c := w.connect(t, false)
		c.comeBack("room1", "alice", first)
		second := c.accept().ResumeToken
		c.send(`{"type":"pong"}`)
		synctest.Wait()
		thief := w.connect(t, false)
		thief.comeBack("room1", "alice", first)
		thief.mustReject(wire.RejectFull)
		again := w.connect(t, false)
		again.comeBack("room1", "alice", second)
		again.accept()
		w.stop()
	})
}

func TestWhoWasAwayWhenTheOtherLeftIsTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := onPipes(t)
		a, b, tokenA, _ := w.pair(t, "room1")
		<-time.After(2 * time.Minute) // the id has expired
		a.lose()
		synctest.Wait()
		b.leave()
		if room := <-w.ended; room != "room1" {
			t.Errorf("Ended(%s), want room1", room)
		}
		<-time.After(holdFor - time.Second)
		again := w.connect(t, false)
		again.comeBack("room1", "alice", tokenA)
		again.mustBye()
		w.stop()
	})
}

func TestTooMuchMailGivesTheSeatUp(t *testing.T) {
	t.Parallel()
	for name, message := range map[string]string{
		"many": `{"type":"candidate"}`,
		"long": `{"type":"answer","sdp":"` + strings.Repeat("x", 60_000) + `"}`,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := onPipes(t)
				a, b, tokenA, _ := w.pair(t, "room1")
				a.lose()
				synctest.Wait()
				fit := min(maxKeptMessages, maxKeptBytes/len(message))
				for range fit {
					b.send(message)
				}
				synctest.Wait()
				if !w.isAway("room1") {
					t.Errorf("the seat was given up after %d messages that fit", fit)
				}
				start := time.Now()
				b.send(message)
				b.mustBye()
				if took := time.Since(start); took != 0 {
					t.Errorf("the seat was given up after %v, want at once", took)
				}
				if kept := w.rooms.kept.bytes.Load(); kept != 0 {
					t.Errorf("%d bytes are kept for nobody", kept)
				}
				again := w.connect(t, false)
				again.comeBack("room1", "alice", tokenA)
				again.mustBye()
				w.stop()
			})
		})
	}
}

func TestTheSecondMayComeWhileTheFirstIsAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := onPipes(t)
		a, b := w.connect(t, false), w.connect(t, false)
		token := a.registerExt("room1", "").ResumeToken
		a.lose()
		synctest.Wait()
		if !b.register("room1").IsExistClient {
			t.Error("the second was not told to make the offer")
		}
		b.send(`{"type":"offer"}`)
		again := w.connect(t, false)
		again.comeBack("room1", "", token)
		if again.accept().IsExistClient {
			t.Error("the first was told to make an offer of its own")
		}
		again.mustGet(`{"type":"offer"}`)
		w.stop()
	})
}

// TestSocketsAreLostAgainAndAgain resets one socket after the other: what is
// sent while nobody is there arrives, once and in order.
func TestSocketsAreLostAgainAndAgain(t *testing.T) {
	t.Parallel()
	w := onLoopback(t)
	a, b, token, _ := w.pair(t, "room1")
	for round := range 20 { // of 4 messages: a burst of 100 is allowed
		a.reset()
		await(t, func() bool { return w.isAway("room1") })
		for i := range 3 {
			b.send(fmt.Sprintf(`{"type":"candidate","n":"%d.%d"}`, round, i))
		}
		b.settle()
		a = w.connect(t, false)
		a.comeBack("room1", "alice", token)
		token = a.accept().ResumeToken
		for i := range 3 {
			a.mustGet(fmt.Sprintf(`{"type":"candidate","n":"%d.%d"}`, round, i))
		}
	}
	if len(b.got) != 0 {
		t.Errorf("the other one has noticed: %s", <-b.got)
	}
	w.stop()
}

func TestWhoHasNotAnnouncedItIsNotHeld(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := onPipes(t)
		a, b := w.connect(t, false), w.connect(t, false)
		if accept := a.register("room1"); accept.ResumeToken != "" || accept.Resumed {
			t.Errorf("accept = %+v, want nothing of resume", accept)
		}
		b.registerExt("room1", "bob")
		start := time.Now()
		a.lose()
		b.mustBye()
		if took := time.Since(start); took != 0 {
			t.Errorf("bye after %v, want at once", took)
		}
		w.stop()
	})
}

// TestWhoIsAtFaultIsNotHeld holds that a seat is kept for who was lost, not
// for who was sent away.
func TestWhoIsAtFaultIsNotHeld(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := onPipes(t)
		a, b, _, _ := w.pair(t, "room1")
		a.ws.SetCloseHandler(func(int, string) error { return nil }) // its own end is not a close frame
		start := time.Now()
		a.send(`{"type":"teapot"}`)
		b.mustBye()
		if took := time.Since(start); took != 0 {
			t.Errorf("bye after %v, want at once", took)
		}
		w.stop()
	})
}

// TestOnlySoManySeatsAreHeld holds that sockets which are gone cannot fill the
// memory: neither their seats nor what is kept for them.
func TestOnlySoManySeatsAreHeld(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := onPipes(t)
		a, b, _, _ := w.pair(t, "room1")
		c, d, _, _ := w.pair(t, "room2")
		c.lose()
		synctest.Wait()
		if held := w.rooms.held; held != 1 {
			t.Errorf("%d seats are held, want 1", held)
		}
		w.rooms.held = maxHeld
		start := time.Now()
		a.lose()
		b.mustBye()
		if took := time.Since(start); took != 0 {
			t.Errorf("one seat too many was held for %v", took)
		}
		w.rooms.held = 1
		w.rooms.kept.bytes.Store(maxKeptInAll)
		d.send(`{"type":"offer"}`)
		d.mustBye()
		if took := time.Since(start); took != 0 || w.rooms.held != 0 || w.rooms.kept.bytes.Load() != maxKeptInAll {
			t.Errorf("one message too many was kept for %v, %d seats are held", took, w.rooms.held)
		}
		w.stop()
	})
}
