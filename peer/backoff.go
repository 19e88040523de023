package peer

import (
	"context"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/rand"
)

// How soon a lost socket is dialled again: after a random time (full jitter, so
// that the clients of a server that comes back do not come all at once) of at
// most firstPause, then twice as long with every failure, at most longestPause.
const (
	firstPause   = 250 * time.Millisecond
	longestPause = 5 * time.Second

	// shortestPause lies between the beginnings of two attempts, whatever
	// chance and the network say.
	shortestPause = 200 * time.Millisecond

	// steadyAfter is how long a socket must have lived for its loss to count as
	// the first one.
	steadyAfter = 10 * time.Second
)

// backOff paces attempts. The zero backOff has had none.
type backOff struct {
	failures int
	began    time.Time // the last attempt
}

// begin notes that an attempt begins.
func (b *backOff) begin() { b.began = time.Now() }

// age is how long ago the last attempt began.
func (b *backOff) age() time.Duration { return time.Since(b.began) }

// pause is how long to wait before the next attempt, now that one has failed,
// or that what it opened is lost.
func (b *backOff) pause() time.Duration {
	if b.age() >= steadyAfter {
		b.failures = 0
	}
	most := firstPause
	for range b.failures {
		most = min(2*most, longestPause)
	}
	if most < longestPause {
		b.failures++
	}
	return max(jitter(most), b.rest())
}

// rest is how long to wait even if there is a hurry.
func (b *backOff) rest() time.Duration { return shortestPause - b.age() }

// forget is for when the network has changed: what failed on the old one says
// nothing.
func (b *backOff) forget() { b.failures = 0 }

// jitter is a random time of up to most.
func jitter(most time.Duration) time.Duration {
	var b [2]byte
	_, _ = rand.Read(b[:]) // never fails
	return most * time.Duration(int(b[0])<<8|int(b[1])) / (1<<16 - 1)
}

// sleep waits for d, or until somebody is in a hurry; ok is false when ctx has
// ended.
func sleep(ctx context.Context, d time.Duration, hurry <-chan struct{}) (hurried, ok bool) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return false, true
	case <-hurry:
		return true, true
	case <-ctx.Done():
		return false, false
	}
}
