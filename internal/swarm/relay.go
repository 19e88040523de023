package swarm

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// What servers take of one client: the first messages at once, the rest at
// this pace (ours: 20 a second, in bursts of 100).
const (
	atOnceMessages = 80
	pace           = time.Second / 18
)

// relay is the scenario relay: in every room at the same time, candidates go to
// and fro, some of them under way at a time, until each side has sent its
// messages.
func (c *crowd) relay(ctx context.Context) {
	t := newTemplate(c.mask, "candidate", iceText)
	var playing sync.WaitGroup
	rooms := c.gather(ctx, func(r *room) {
		r.served = make(chan struct{})
		for _, s := range []*seat{r.first, r.second} {
			s.sentAt = make([]atomic.Int64, min(c.cfg.UnderWay, c.cfg.Messages))
			playing.Go(func() { c.rally(ctx, t, r, s) })
		}
	})
	c.enter("relaying")
	c.measure(func() {
		for _, r := range rooms {
			for seq := range r.atOnce() {
				c.hit(ctx, t, r, r.first, seq)
			}
			close(r.served)
		}
		playing.Wait()
	})
	c.leaveAll(ctx, rooms)
}

// idle is the scenario idle: the rooms stay until the time is up.
func (c *crowd) idle(ctx context.Context) {
	var held sync.WaitGroup
	rooms := c.gather(ctx, func(r *room) {
		for _, s := range []*seat{r.first, r.second} {
			held.Go(func() { c.hold(ctx, s) })
		}
	})
	c.enter("holding")
	c.done.Store(int64(2 * len(rooms)))
	c.holding.Store(true)
	c.measure(func() { <-ctx.Done() })
	held.Wait()
}

// hold answers pings.
func (c *crowd) hold(ctx context.Context, s *seat) {
	for {
		if _, err := s.ws.next(); err != nil {
			c.fault(ctx, "cut while it was idle", err)
			return
		}
	}
}

// rally is one side of the game in a room: who receives a message sends the
// next of his own.
func (c *crowd) rally(ctx context.Context, t *template, r *room, s *seat) {
	ahead, other := uint32(0), r.first
	if s == r.first {
		ahead, other = r.atOnce(), r.second // which it has served
		select {
		case <-r.served:
		case <-ctx.Done():
		}
	}
	for seq := range uint32(c.cfg.Messages) {
		message, err := s.ws.next()
		if err != nil {
			c.missing(ctx, "cut while it relayed", err)
			return
		}
		if !c.check(t, s, seq, message) {
			c.fault(ctx, "a message that was lost, changed, or not for this room", nil)
			return
		}
		c.latency.Observe(s.ws.arrived.Sub(c.born) - time.Duration(other.sentAt[seq%r.atOnce()].Load()))
		c.done.Add(1)
		if next := seq + ahead; next < uint32(c.cfg.Messages) {
			c.hit(ctx, t, r, s, next)
		}
	}
}

// hit sends a message, in time with what servers take of one client.
func (c *crowd) hit(ctx context.Context, t *template, r *room, s *seat, seq uint32) {
	if s.began.IsZero() {
		s.began = time.Now()
	}
	if extra := s.sent - atOnceMessages; extra >= 0 {
		select {
		case <-time.After(time.Until(s.began.Add(time.Duration(extra) * pace))):
		case <-ctx.Done():
		}
	}
	s.sent++
	s.frame = t.stamp(s.frame[:0], s.number, seq)
	s.sentAt[seq%r.atOnce()].Store(int64(time.Since(c.born)))
	_ = s.ws.send(s.frame) // its reader learns of an end by itself
}

// leaveAll ends the rooms.
func (c *crowd) leaveAll(ctx context.Context, rooms []*room) {
	c.enter("leaving")
	anything := func([]byte) bool { return false }
	c.inParallel(ctx, connectors, len(rooms), func(i int) bool {
		rooms[i].second.ws.leave(anything)
		rooms[i].first.ws.leave(anything)
		return true
	})
}
