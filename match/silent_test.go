package match

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// TestAHalfOpenWaiterIsNotMatched has a client that answers nothing although
// its TCP lives, as a phone in a pocket does: nobody is matched with it, and
// when it answers again it is the next.
func TestAHalfOpenWaiterIsNotMatched(t *testing.T) {
	t.Parallel()
	const silent = time.Second
	cfg := numberedRooms()
	cfg.Avoid = time.Hour
	pool := &watched{Pool: NewMemory(cfg)}
	s := openRealSite(t, Config{Pool: pool, pingEvery: silent / 5, silentAfter: silent})
	here := s.from("127.0.0.1")
	s.haveMet(t, "asleep", "third")
	asleep := here.connect(t, asks("asleep"))
	asleep.must(wire.MatchWaiting)
	ticket := pool.last.Load()
	wake := asleep.fallAsleep()
	here.await(t, func(Stats) bool { return ticket.Visitor.Presence() == Silent })

	second := here.connect(t, asks("second"))
	second.must(wire.MatchWaiting)
	first := here.connect(t, asks("first"))
	if forSecond, forFirst := second.must(wire.MatchFound), first.must(wire.MatchFound); forSecond.RoomID != forFirst.RoomID {
		t.Errorf("rooms %q and %q, want those who are here to meet", forSecond.RoomID, forFirst.RoomID)
	}
	third := here.connect(t, asks("third")) // avoids who is asleep
	third.must(wire.MatchWaiting)
	wake()
	here.await(t, func(s Stats) bool { return s.Waiting == 2 })
	last := here.connect(t, asks("last"))
	if forAsleep, forLast := asleep.must(wire.MatchFound), last.must(wire.MatchFound); forAsleep.RoomID != forLast.RoomID {
		t.Errorf("rooms %q and %q, want who woke up to be the next", forAsleep.RoomID, forLast.RoomID)
	}
	s.stop()
}

// fallAsleep makes a client read no more from its next message on, until wake
// is called.
func (c *client) fallAsleep() (wake func()) {
	awake := make(chan struct{})
	answer := c.ws.PingHandler()
	c.ws.SetPingHandler(func(data string) error { // its reader calls it
		<-awake
		return answer(data)
	})
	return func() { close(awake) }
}

// watched is a pool that remembers who was offered last.
type watched struct {
	Pool
	last atomic.Pointer[Ticket]
}

// Offer implements Pool.
func (p *watched) Offer(t *Ticket) {
	p.last.Store(t)
	p.Pool.Offer(t)
}
