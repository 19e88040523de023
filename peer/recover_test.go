//go:build !js

package peer

import (
	"sync/atomic"
	"testing"
	"time"
)

// lag has what is told take that long. What is on its way to a seat that is
// hurried is lost, as on a socket that nobody reads any more.
func (r *room) lag(d time.Duration) {
	const redialled = 300 * time.Millisecond
	var sockets [2]atomic.Int32 // how many of them seat i has given up
	r.set(func(from int, text string) int {
		to := 1 - from
		socket := sockets[to].Load()
		time.AfterFunc(d, func() {
			if sockets[to].Load() == socket {
				r.hear(to, text)
			}
		})
		return 0
	})
	for i, s := range r.seats {
		go func() { // ends with the seat
			for {
				select {
				case <-s.done:
					return
				case <-s.haste:
					sockets[i].Add(1)
					s.note(true)
					time.AfterFunc(redialled, func() {
						s.note(false)
						s.back <- returned{}
					})
				}
			}
		}()
	}
}

// hear has seat i hear what the other one told.
func (r *room) hear(i int, text string) {
	select {
	case r.seats[i].in <- text:
	case <-r.seats[i].done:
	}
}

// TestASlowWayThroughTheServer finds another path though an answer takes longer
// than a seat whose socket may be dead is trusted.
func TestASlowWayThroughTheServer(t *testing.T) {
	noLeaks(t)
	r := newRoom(t)
	chats, links := linkedChats(t, r, [2]*prepared{})
	chatter(t, chats, "before ")
	r.lag(1500 * time.Millisecond)
	for _, l := range links {
		deafen(l, true)
	}
	start := time.Now()
	for _, l := range links {
		l.suspect()
	}
	awaitEvent(t, chats[0], EventRestored)
	if took := time.Since(start); took > 15*time.Second {
		t.Errorf("the chat was back after %v, want at most 15 s", took)
	}
	chatter(t, chats, "after ")
	part(chats)
}

// TestTroubleWhileTheServerIsAway holds that nothing is kept for the server each
// time that the path is doubted: the seat would be lost for it.
func TestTroubleWhileTheServerIsAway(t *testing.T) {
	l := &link{
		live: &connection{}, news: make(chan news, 1),
		seat: &seat{lost: true, wake: make(chan struct{}, 1)},
	}
	for range maxKept + 1 {
		l.worry(0)
		l.calm()
	}
	if texts, ok := l.seat.take(true); !ok || len(texts) > 0 {
		t.Errorf("%d messages are kept, too many: %t; want none", len(texts), !ok)
	}
}
