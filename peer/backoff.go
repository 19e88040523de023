package peer

import (
	"context"
	"crypto/rand"
	"time"
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

// pause is how long to wait before the next attempt, now that one has failed
// or what it opened is lost.
func (b *backOff) pause() time.Duration {
	age := time.Since(b.began)
	if age >= steadyAfter {
		b.failures = 0
	}
	most := longestPause
	if b.failures < 8 { // else the shift has long passed longestPause
		most = min(firstPause<<b.failures, longestPause)
	}
	b.failures++
	return max(jitter(most), shortestPause-age)
}

// forget is for when the network has changed: what failed on the old one says
// nothing.
func (b *backOff) forget() { b.failures = 0 }

// jitter is a random time of at most most.
func jitter(most time.Duration) time.Duration {
	var b [2]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand
	return most * time.Duration(int(b[0])<<8|int(b[1])) / (1<<16 - 1)
}

// sleep waits for d; false means that ctx has ended. An early end of the wait
// by a value from hurry is a success.
func sleep(ctx context.Context, d time.Duration, hurry <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-hurry:
		return true
	case <-ctx.Done():
		return false
	}
}
