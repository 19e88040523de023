package edge

import (
	"container/list"
	"context"
	"sync"
	"time"
)

// fairOpening is how long nobody is sent away for want of room: two round trips
// and one lost packet, which is sent again after 1 s (RFC 6298 §2).
const fairOpening = 2 * time.Second

// queue holds the connections that are being opened.
type queue struct {
	most int
	gone chan struct{} // has a token if somebody has left since room looked

	mu     sync.Mutex // guards the fields below, and guest.place
	guests list.List  // the oldest first
	closed bool
}

func newQueue(most int) *queue { return &queue{most: most, gone: make(chan struct{}, 1)} }

func (q *queue) size() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.guests.Len()
}

// room returns true when there is room for one more, and false if ctx ends
// before. It makes room by cutting who has had fairOpening.
func (q *queue) room(ctx context.Context) bool {
	for {
		wait := q.wait()
		if wait == 0 {
			return ctx.Err() == nil
		}
		timer := time.NewTimer(wait)
		select {
		case <-q.gone:
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
		if ctx.Err() != nil {
			return false
		}
	}
}

// wait is how long there may be no room yet; zero: there is.
func (q *queue) wait() time.Duration {
	q.mu.Lock()
	if q.guests.Len() < q.most {
		q.mu.Unlock()
		return 0
	}
	place := q.guests.Front()
	oldest := place.Value.(*guest)
	wait := max(0, time.Until(oldest.opened.Add(fairOpening)))
	if wait == 0 {
		q.drop(place)
	}
	q.mu.Unlock()
	if wait == 0 {
		oldest.cut()
	}
	return wait
}

// drop takes a guest out. q.mu is held.
func (q *queue) drop(place *list.Element) {
	q.guests.Remove(place).(*guest).place = nil
}

// enter puts a guest at the end, or cuts it if the queue was closed.
func (q *queue) enter(g *guest) {
	q.mu.Lock()
	closed := q.closed
	if !closed {
		g.place = q.guests.PushBack(g)
	}
	q.mu.Unlock()
	if closed {
		g.cut()
	}
}

// leave takes a guest out, whom nobody will cut any more. It is false if that
// was done already.
func (q *queue) leave(g *guest) bool {
	q.mu.Lock()
	there := g.place != nil
	if there {
		q.drop(g.place)
	}
	q.mu.Unlock()
	select {
	case q.gone <- struct{}{}:
	default:
	}
	return there
}

// cutAll cuts everybody, and who comes later.
func (q *queue) cutAll() {
	q.mu.Lock()
	q.closed = true
	var all []*guest
	for q.guests.Len() > 0 {
		place := q.guests.Front()
		all = append(all, place.Value.(*guest))
		q.drop(place)
	}
	q.mu.Unlock()
	for _, g := range all {
		g.cut()
	}
}
