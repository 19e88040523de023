package turnsvc

import (
	"sync/atomic"
	"time"
)

// What may pass at once: a second's worth, and never less than what a congestion
// control in its slow start sends before it has learned how fast the way is.
const (
	burstTime     = time.Second
	minBurstBytes = 64 << 10
)

// A bucket holds one way of an allocation to a bitrate: a token bucket, kept as
// the moment when it will be full again. Each way has its own, so that somebody
// who sends without end cannot stop what comes back, above all the checks by
// which his partner finds that the way is still open (RFC 7675): a chat would be
// cut by them. The zero value is full.
type bucket struct {
	full atomic.Int64 // nanoseconds since the start of the meter
}

// take reports whether n bytes may pass now, and notes them if so. The rate may
// change from call to call; now never runs backwards.
func (b *bucket) take(n int, rate Bitrate, now time.Duration) bool {
	cost := rate.takes(n)
	most := now + max(burstTime, rate.takes(minBurstBytes))
	for {
		before := b.full.Load()
		after := max(time.Duration(before), now) + cost
		if after > most {
			return false
		}
		if b.full.CompareAndSwap(before, int64(after)) {
			return true
		}
	}
}
