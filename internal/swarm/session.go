package swarm

import (
	"context"
	"sync"
	"time"
)

// perSide is how many messages each side of a session sends: an offer or an
// answer, and four candidates.
const perSide = 5

// script is the messages of a session.
type script struct{ offer, answer, candidate *template }

func (c *crowd) script() script {
	return script{newTemplate(c.mask, "offer", sdpText), newTemplate(c.mask, "answer", sdpText), newTemplate(c.mask, "candidate", iceText)}
}

// sessions is the scenario session: AtOnce clients at a time find a partner,
// join, exchange their ten messages and leave, until Peers have.
func (c *crowd) sessions(ctx context.Context) {
	c.enter("sessions")
	s := c.script()
	c.measure(func() {
		c.inParallel(ctx, c.cfg.AtOnce, c.cfg.Peers, func(int) bool {
			began := time.Now()
			if room := c.find(ctx); room != "" {
				c.sit(ctx, s, room, began)
			}
			return true
		})
	})
}

// find asks for a partner; it returns the room, or nothing.
func (c *crowd) find(ctx context.Context) string {
	s := c.seeker(ctx, c.targets[0])
	if s == nil {
		return ""
	}
	_ = s.ws.send(s.request) // its reader learns of an end by itself
	c.seek(ctx, s, false)
	if s.room == "" && !cutShort(ctx) {
		c.tally.fault("left over: no partner came")
	}
	if again := s.ws.leave(isMatch); again != nil {
		c.fault(ctx, "matched twice", nil)
	}
	return s.room
}

// signaling is the scenario signaling: wave after wave, rooms are found and
// then AtOnce clients at a time join them, exchange their ten messages and
// leave. Only that is measured.
func (c *crowd) signaling(ctx context.Context) {
	s := c.script()
	sessions := 0
	for left := c.cfg.Peers; left > 0 && ctx.Err() == nil; {
		wave := c.connectWave(ctx, min(left, 2*waveRooms))
		if len(wave) == 0 {
			break
		}
		left -= len(wave)
		rooms := c.burst(ctx, wave, func(f func()) { f() }, false)
		c.done.Store(int64(sessions)) // the matches were only the way
		c.enter("sessions")
		c.measure(func() {
			c.inParallel(ctx, c.cfg.AtOnce/2, len(rooms), func(i int) bool {
				var both sync.WaitGroup
				for range 2 {
					both.Go(func() { c.sit(ctx, s, rooms[i], time.Now()) })
				}
				both.Wait()
				return true
			})
		})
		sessions = int(c.done.Load())
	}
}

// sit is one side of a session, from joining to bye.
func (c *crowd) sit(ctx context.Context, s script, roomID string, began time.Time) {
	seat := c.join(ctx, roomID)
	if seat == nil {
		return
	}
	defer seat.ws.close()
	if !c.exchange(ctx, s, seat) {
		return
	}
	c.latency.Observe(time.Since(began))
	if seat.second {
		seat.ws.leave(func([]byte) bool { return false })
		c.done.Add(1)
		return
	}
	c.awaitBye(ctx, seat)
}

// exchange sends this side's five messages and takes the five of the other.
func (c *crowd) exchange(ctx context.Context, s script, seat *seat) bool {
	mine, theirs := s.answer, s.offer
	if seat.second {
		mine, theirs = s.offer, s.answer
		if seat.say(mine, s.candidate) != nil {
			c.fault(ctx, "cut during a session", nil)
			return false
		}
	}
	for got := range perSide {
		message, err := seat.ws.next()
		if err != nil {
			c.missing(ctx, "cut during a session", err)
			return false
		}
		want := s.candidate
		if got == 0 {
			want = theirs
		}
		if !c.check(want, seat, uint32(got), message) {
			c.fault(ctx, "a message that was lost, changed, or not for this room", nil)
			return false
		}
		if got == 0 && !seat.second && seat.say(mine, s.candidate) != nil {
			c.fault(ctx, "cut during a session", nil)
			return false
		}
	}
	return true
}

// say sends a description and four candidates.
func (s *seat) say(description, candidate *template) error {
	buf := description.stamp(nil, s.number, 0)
	if err := s.ws.send(buf); err != nil {
		return err
	}
	for i := uint32(1); i < perSide; i++ {
		buf = candidate.stamp(buf[:0], s.number, i)
		if err := s.ws.send(buf); err != nil {
			return err
		}
	}
	return nil
}

// awaitBye is told that the other one has left.
func (c *crowd) awaitBye(ctx context.Context, s *seat) {
	message, err := s.ws.next()
	switch {
	case err != nil:
		c.missing(ctx, "cut before bye", err)
	case string(field(message, `"type"`)) != "bye":
		c.fault(ctx, "not told bye", nil)
	default:
		s.ws.leave(func([]byte) bool { return false })
	}
}
