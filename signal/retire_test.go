package signal

import (
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// stopAll stops processes, the youngest first.
func stopAll(processes ...*relative) {
	for _, p := range processes {
		p.stop()
	}
}

// TestAProcessThatIsAlone asks nobody anything, and looks at ids once.
func TestAProcessThatIsAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var admits atomic.Int64
		f, only := newFamily(t, func(c *Config) {
			admit := c.Admit
			c.Admit = func(id string) (time.Time, error) { admits.Add(1); return admit(id) }
		})
		a, b := only.connect(t, false), only.connect(t, false)
		a.register("room1")
		b.register("room1")
		talk(t, a, b)
		<-time.After(time.Minute)
		if n := admits.Load(); n != 2 || f.told() != 0 {
			t.Errorf("%d ids were looked at and %d messages told, want 2 and none", n, f.told())
		}
		only.stop()
	})
}

// TestBothStayInTheOldProcess, and notice nothing of a new one: clients that cannot
// come back.
func TestBothStayInTheOldProcess(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, old := newFamily(t)
		a, b := old.connect(t, false), old.connect(t, false)
		a.register("room1")
		b.register("room1")
		talk(t, a, b)
		heir := f.upgrade()
		<-time.After(time.Hour)
		talk(t, a, b)
		if sockets, rooms := old.rooms.Left(); sockets != 2 || rooms != 1 {
			t.Errorf("Left() = %d, %d; want 2 sockets and a room", sockets, rooms)
		}
		a.leave()
		b.mustBye()
		synctest.Wait()
		if sockets, rooms := old.rooms.Left(); sockets+rooms != 0 {
			t.Errorf("Left() = %d, %d; want nothing", sockets, rooms)
		}
		if <-old.ended != "room1" || f.told() != 0 {
			t.Errorf("%d messages went between the processes, want none", f.told())
		}
		old.stop() // as a retired process ends
		c, d := heir.connect(t, false), heir.connect(t, false)
		c.register("room2")
		d.register("room2")
		talk(t, c, d)
		heir.stop()
	})
}

// TestTheSecondComesToTheNewProcess meets the first, who waits in the old one.
func TestTheSecondComesToTheNewProcess(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, old := newFamily(t)
		a := old.connect(t, false)
		a.register("room1")
		heir := f.upgrade()
		b := heir.connect(t, false)
		if !b.register("room1").IsExistClient {
			t.Error("the second was told that nobody is there")
		}
		talk(t, a, b)
		old.mustKeep(1, 0, 1)
		heir.mustKeep(0, 1, 0)
		b.leave()
		a.mustBye()
		c := heir.connect(t, false)
		c.send(`{"type":"register","roomId":"room1"}`)
		c.mustReject(wire.RejectFull) // the old one remembers it
		stopAll(heir, old)
	})
}

// TestWhoStandsByInTheOldProcess registers there, as those do who were waiting for a
// partner; their room is the new process's all the same.
func TestWhoStandsByInTheOldProcess(t *testing.T) {
	t.Parallel()
	for name, both := range map[string]bool{"one of two": false, "both": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f, old := newFamily(t)
				a := old.connect(t, false)
				a.send(`{"type":"standby"}`)
				b := old.connect(t, false)
				b.send(`{"type":"standby"}`)
				synctest.Wait()
				heir := f.upgrade()
				if !both {
					b = heir.connect(t, false)
				}
				a.register("room1")
				b.register("room1")
				talk(t, a, b)
				sockets := 1
				if both {
					sockets++
				}
				heir.mustKeep(1, 0, sockets)
				old.mustKeep(0, sockets, 0)
				<-time.After(2 * linkSilence)
				talk(t, a, b)
				b.leave()
				a.mustBye()
				if <-heir.ended != "room1" || len(old.ended) != 0 {
					t.Error("the end of the room was not told by its home")
				}
				stopAll(heir, old)
			})
		})
	}
}

// TestWhoComesBackToTheNewProcess finds its seat in the old one, and what was said
// meanwhile.
func TestWhoComesBackToTheNewProcess(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, old := newFamily(t)
		a, b, _, token := meet(t, old.world, old.world, "room1")
		heir := f.upgrade()
		b.lose()
		synctest.Wait()
		a.send(`{"type":"candidate","n":1}`)
		b = heir.back(t, "room1", "bob", token, false)
		b.mustGet(`{"type":"candidate","n":1}`)
		talk(t, a, b)
		old.mustKeep(1, 0, 1)
		heir.mustKeep(0, 1, 0)
		a.leave()
		b.mustBye()
		stopAll(heir, old)
	})
}

// TestTwoUpgrades: rooms of three processes, whose members come back to the newest.
func TestTwoUpgrades(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, first := newFamily(t)
		waits := first.connect(t, false)
		waits.send(`{"type":"standby"}`)
		a1, b1, _, token1 := meet(t, first.world, first.world, "room1")
		second := f.upgrade()
		a2, b2, _, token2 := meet(t, second.world, second.world, "room2")
		c := second.connect(t, false) // before the next one, for the room of the first
		b1.lose()
		c.comeBack("room1", "bob", token1)
		token1 = c.accept().ResumeToken
		third := f.upgrade()
		talk(t, a1, c)
		c.lose()
		b2.lose()
		b1, b2 = third.back(t, "room1", "bob", token1, false), third.back(t, "room2", "bob", token2, false)
		talk(t, a1, b1)
		talk(t, a2, b2)
		waits.register("room3") // the first process has to learn who decides by now
		d := third.connect(t, false)
		d.register("room3")
		talk(t, waits, d)
		third.mustKeep(1, 2, 1)
		second.mustKeep(1, 0, 1)
		first.mustKeep(1, 1, 1)
		a2.leave()
		b2.mustBye()
		second.stop() // nobody is left there
		talk(t, a1, b1)
		talk(t, waits, d)
		stopAll(third, first)
	})
}

// TestTheOldProcessIsKilled: its rooms are built anew in the one that serves, at
// once.
func TestTheOldProcessIsKilled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, old := newFamily(t)
		a, b, tokenA, tokenB := meet(t, old.world, old.world, "room1")
		heir := f.upgrade()
		b.lose()
		b = heir.connect(t, false)
		b.comeBack("room1", "bob", tokenB)
		tokenB = b.accept().ResumeToken
		talk(t, a, b)
		start := time.Now()
		old.kill(a)
		b.mustClose(wire.CloseGoingAway, wire.ReasonMoved)
		b = heir.back(t, "room1", "bob", tokenB, true)
		b.send(`{"type":"offer","late":1}`)
		a = heir.back(t, "room1", "alice", tokenA, true)
		a.mustGet(`{"type":"offer","late":1}`)
		talk(t, a, b)
		if took := time.Since(start); took > tickEvery {
			t.Errorf("it took %v", took)
		}
		heir.mustKeep(1, 0, 0)
		if !heir.kin.Alone() {
			t.Error("the process is not alone when the other one is dead")
		}
		stopAll(heir, old)
	})
}

// TestTheOldProcessEndsBeforeItsRooms do, because its time is over: who can come
// back finds the other one in the new process, and nobody is told that the chat is
// over.
func TestTheOldProcessEndsBeforeItsRooms(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, old := newFamily(t)
		a, b, tokenA, tokenB := meet(t, old.world, old.world, "room1")
		heir := f.upgrade()
		go old.stop()
		a.mustClose(wire.CloseGoingAway, wire.ReasonShutdown)
		b.mustClose(wire.CloseGoingAway, wire.ReasonShutdown)
		a = heir.back(t, "room1", "alice", tokenA, true)
		b = heir.back(t, "room1", "bob", tokenB, true)
		talk(t, a, b)
		if len(old.ended)+len(heir.ended) != 0 {
			t.Error("somebody was told that the chat is over")
		}
		heir.stop()
	})
}

// TestAnHeirThatFails leaves all as it was; who registers meanwhile waits.
func TestAnHeirThatFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, old := newFamily(t)
		a, b := old.connect(t, false), old.connect(t, false)
		old2, heir := f.handOver()
		a.send(`{"type":"register","roomId":"room1"}`)
		<-time.After(2 * claimWithin) // longer than a fleet may take to answer
		if len(a.got) != 0 {
			t.Error("somebody was let in while nobody decides about rooms")
		}
		heir.stop()
		old2.kin.Resume()
		a.accept()
		b.register("room1")
		talk(t, a, b)
		old.mustKeep(1, 0, 0)

		next := f.upgrade() // the next one does not
		c := next.connect(t, false)
		c.send(`{"type":"register","roomId":"room1"}`)
		c.mustReject(wire.RejectFull)
		stopAll(next, old)
	})
}

// TestWhoRegistersWhileAnHeirTakesOver is in the same room as who comes to that one
// just afterwards.
func TestWhoRegistersWhileAnHeirTakesOver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var during atomic.Pointer[func()]
		f, old := newFamily(t, func(c *Config) {
			admit := c.Admit
			c.Admit = func(id string) (time.Time, error) { // between the question whose the room is, and its first seat
				if now := during.Swap(nil); now != nil {
					(*now)()
				}
				return admit(id)
			}
		})
		a, b := old.connect(t, false), old.connect(t, false)
		var heir *relative
		upgrade := func() { heir = f.upgrade() }
		during.Store(&upgrade)
		a.register("room1")
		b.register("room1")
		talk(t, a, b)
		heir.mustKeep(1, 0, 2)
		old.mustKeep(0, 2, 0)
		stopAll(heir, old)
	})
}

// TestWhoIsAskedAboutWhileAnHeirTakesOver is asked about once, and its room is where
// it was asked.
func TestWhoIsAskedAboutWhileAnHeirTakesOver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		app := newApplication()
		f, old := newFamily(t, app.hook)
		app.reach(old.world)
		allowed := make(chan struct{})
		answer := app.answer
		app.answer = func(w http.ResponseWriter, r *http.Request) {
			<-allowed
			answer(w, r)
		}
		a := old.connect(t, false)
		a.send(`{"type":"register","roomId":"room1","clientId":"me"}`)
		<-app.asked
		heir := f.upgrade()
		app.reach(heir.world)
		b := heir.connect(t, false)
		b.send(`{"type":"register","roomId":"room1","clientId":"you"}`)
		<-app.asked
		close(allowed)
		a.accept()
		b.accept()
		old.mustKeep(1, 0, 1)
		heir.mustKeep(0, 1, 0)
		b.leave()
		<-time.After(time.Minute)
		if len(app.asked) != 0 || len(app.gone) != 2 {
			t.Errorf("the webhook was asked %d times more, and told of %d stays; want none, and 2", len(app.asked), len(app.gone))
		}
		stopAll(heir, old)
	})
}
