package signal

import (
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// TestARoomThatIsOverKeepsNoConnections has an id admit for two hours, as it does where
// the clock was set back: nobody enters the room again, and who was in it is let go of.
func TestARoomThatIsOverKeepsNoConnections(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := onPipes(t, func(cfg *Config) {
			cfg.Admit = func(string) (time.Time, error) { return time.Now().Add(2 * time.Hour), nil }
		})
		defer w.stop()
		a, b := w.connect(t, false), w.connect(t, false)
		a.register("room1")
		b.register("room1")
		freed := new(atomic.Int32)
		w.rooms.mu.Lock()
		for i := range 2 {
			runtime.AddCleanup(w.rooms.rooms["room1"].seats[i].owner, func(n *atomic.Int32) { n.Add(1) }, freed)
		}
		w.rooms.mu.Unlock()
		a.leave()
		b.mustBye()
		<-time.After(holdFor + time.Second)
		for range 1000 {
			if freed.Load() == 2 {
				break
			}
			runtime.GC()
			runtime.Gosched()
		}
		if n := freed.Load(); n != 2 {
			t.Errorf("%d of the two members are let go of", n)
		}
		late := w.connect(t, false)
		late.send(`{"type":"register","roomId":"room1","clientId":"me"}`)
		late.mustReject(wire.RejectFull)
		<-time.After(2 * time.Hour)
		w.rooms.mu.Lock()
		if n := len(w.rooms.rooms); n != 0 {
			t.Errorf("%d rooms are remembered when the id admits no more", n)
		}
		w.rooms.mu.Unlock()
	})
}
