package signal

import (
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

const byeAbsent = `{"type":"bye","reason":"partner-absent"}` + "\n"

func TestWhoMeetsNobodyIsToldWithin10Seconds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		absent := make(chan string, 1)
		var w *world
		w = onPipes(t, func(c *Config) {
			c.Absent = func(room, clientID string, addr netip.Addr) {
				w.rooms.occupied() // would not return if a lock were held
				absent <- fmt.Sprint(room, " ", clientID, " ", addr)
			}
		})
		start := time.Now()
		a := w.connect(t, false)
		a.register("room1")
		a.mustGet(byeAbsent)
		a.mustClose(wire.CloseNormal, wire.ReasonAbsent)
		if took := time.Since(start); took < 9500*time.Millisecond || took > 10*time.Second-tickEvery {
			t.Errorf("told after %v, want 9.5s to 9.75s", took)
		}
		if got, want := <-absent, "room1 me "+pipeAddr(1).String(); got != want {
			t.Errorf("Absent(%s), want %s", got, want)
		}
		if room := <-w.ended; room != "room1" {
			t.Errorf("Ended(%s), want room1", room)
		}
		b := w.connect(t, false)
		b.send(`{"type":"register","roomId":"room1"}`)
		b.mustReject(wire.RejectNotFound)
		if s := w.rooms.Stats(); s.Absent != 1 || s.Rooms != 0 {
			t.Errorf("Stats() = %+v, want 1 absent and no rooms", s)
		}
		w.stop()
		if len(w.ended) != 0 {
			t.Error("the room has ended twice")
		}
	})
}

func TestAMatchThatIsCommittedStays(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := onPipes(t)
		a, b := w.connect(t, false), w.connect(t, false)
		a.register("room1")
		<-time.After(4900 * time.Millisecond) // b has 5 s for its first message
		b.register("room1")
		c := w.connect(t, false)
		c.register("room2")
		<-time.After(9400 * time.Millisecond)
		d := w.connect(t, false)
		d.register("room2")
		<-time.After(time.Hour)
		for _, m := range []*client{a, b, c, d} {
			if len(m.got) != 0 {
				t.Errorf("after an hour came %s", <-m.got)
			}
		}
		w.stop()
	})
}

func TestWhoWasAwayWhenNobodyCameIsTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := onPipes(t)
		a := w.connect(t, false)
		token := a.registerExt("room1", "alice").ResumeToken
		a.lose()
		<-time.After(11 * time.Second)
		if w.rooms.Stats().Absent != 1 {
			t.Error("the room was not called off while its member was away")
		}
		again := w.connect(t, false)
		again.comeBack("room1", "alice", token)
		again.mustGet(byeAbsent)
		again.mustClose(wire.CloseNormal, wire.ReasonAbsent)
		w.stop()
	})
}
