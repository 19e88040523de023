// Package daytime is what time of day it is, for whoever writes down until when
// something is good and reads it again: a credential, the id of a room.
//
// The wall clock may be set, by an operator or by NTP on a machine that came up with
// a wrong one, by hours and while people talk. What was minted before must be good
// for as long after that, and what is minted meanwhile when the clock is right again.
// So a Clock has two opinions: that of the wall clock, and that which it would have
// had nobody set it since the Clock was made. Who mints takes the later one, who
// verifies the earlier one.
//
// It promises that what was minted by a Clock and has not expired is good for the same
// Clock, however the wall clock is set, and for others while their wall clocks are
// right. It leaves to others how far apart those may be. Something may be good for
// longer than it says, by as much as the wall clock was set since the Clock was made,
// forward or back, and by as long as the machine has slept.
package daytime

import (
	"sync/atomic"
	"time"
)

// Clock tells the time of day. It is safe for concurrent use.
type Clock struct {
	start time.Time
	now   func() time.Time
	since func(start time.Time) time.Duration
	most  atomic.Int64 // in Unix nanoseconds, of Latest
}

// New makes a Clock, whose start is now.
func New() *Clock {
	return &Clock{start: time.Now(), now: time.Now, since: time.Since}
}

// Of makes a Clock for tests, of a wall clock that may be set and a clock that counts
// what has passed.
func Of(now func() time.Time, passed func() time.Duration) *Clock {
	return &Clock{start: now(), now: now, since: func(time.Time) time.Duration { return passed() }}
}

// Counted is the time of day at the start and what has passed since: nobody can set it.
func (c *Clock) Counted() time.Time { return c.start.Add(c.since(c.start)).Round(0) }

// Later is for who mints.
func (c *Clock) Later() time.Time {
	_, later := c.both()
	return later
}

// Earlier is for who verifies.
func (c *Clock) Earlier() time.Time {
	earlier, _ := c.both()
	return earlier
}

// Latest is the latest time that was Later whenever the Clock was asked for anything:
// what was minted before expires no later than that and its life.
func (c *Clock) Latest() time.Time {
	c.both()
	return time.Unix(0, c.most.Load())
}

// both are the two opinions.
func (c *Clock) both() (earlier, later time.Time) {
	earlier, later = c.now().Round(0), c.Counted()
	if later.Before(earlier) {
		earlier, later = later, earlier
	}
	for at := later.UnixNano(); ; {
		most := c.most.Load()
		if at <= most || c.most.CompareAndSwap(most, at) {
			return earlier, later
		}
	}
}
