package signal

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/signal/kinrooms"
	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// TestARoomThatIsOpenedAnew is the new process's: else one that an application opens
// again and again would keep the old one for ever.
func TestARoomThatIsOpenedAnew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, old := newFamily(t, open())
		a, b, _, _ := meet(t, old.world, old.world, "lounge")
		heir := f.upgrade()
		c := heir.connect(t, false)
		c.send(`{"type":"register","roomId":"lounge"}`)
		c.mustReject(wire.RejectFull)
		a.leave()
		b.mustBye()
		d := heir.connect(t, false)
		if d.register("lounge").IsExistClient {
			t.Error("somebody was there already")
		}
		heir.mustKeep(1, 0, 0)
		old.mustKeep(0, 0, 0)
		stopAll(heir, old)
	})
}

// TestTheNewProcessDoesNotAnswer: who has a socket of the old one is served there.
func TestTheNewProcessDoesNotAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, old := newFamily(t)
		a, b := old.connect(t, false), old.connect(t, false)
		heir := f.upgrade()
		f.mu.Lock()
		f.lose = func(to string) bool { return to == "2" }
		f.mu.Unlock()
		start := time.Now()
		a.register("room1")
		b.register("room1")
		talk(t, a, b)
		if took := time.Since(start); took > claimWithin {
			t.Errorf("it took %v", took)
		}
		old.mustKeep(1, 0, 0)
		stopAll(heir, old)
	})
}

// TestAnOldProcessSleeps while a member of its room comes back by a socket of another
// old one: the room is the newest's from then on, and whom the sleeper had finds the
// other one there when it wakes.
func TestAnOldProcessSleeps(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, first := newFamily(t)
		a, b, tokenA, tokenB := meet(t, first.world, first.world, "room1")
		second := f.upgrade()
		spare := second.connect(t, false)
		spare.send(`{"type":"standby"}`)
		synctest.Wait()
		third := f.upgrade()
		awake := make(chan struct{})
		first.inbox <- func() { <-awake }
		b.lose()
		spare.comeBack("room1", "bob", tokenB)
		if accept := spare.accept(); !accept.Rebuilt {
			t.Errorf("accept = %+v, want a room that was taken over", accept)
		}
		third.mustKeep(1, 0, 1)
		close(awake)
		a.mustClose(wire.CloseGoingAway, wire.ReasonMoved)
		a = third.back(t, "room1", "alice", tokenA, true)
		talk(t, a, spare)
		first.mustKeep(0, 0, 0)
		stopAll(third, second, first)
	})
}

// BenchmarkAlone is what a process that is alone pays for others that there might be,
// with each registration and four times a second: nothing is allocated.
func BenchmarkAlone(b *testing.B) {
	kin := kinrooms.New(new(relative))
	r := New(Config{Admit: func(string) (time.Time, error) { return time.Time{}, errForged }, Fleet: kin})
	reg := registration{Register: wire.Register{RoomID: "room1"}}
	b.Run("register", func(b *testing.B) {
		m := &member{rooms: r}
		b.ReportAllocs()
		for b.Loop() {
			if m.elsewhere(&reg, nil) {
				b.Fatal("somebody else keeps a room")
			}
		}
	})
	b.Run("tick", func(b *testing.B) {
		now := time.Now()
		b.ReportAllocs()
		for b.Loop() {
			now = now.Add(tickEvery)
			r.trunks.tick(now)
		}
	})
}
