package swarm

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// Histogram counts durations so that its quantiles are right within 1.6 %,
// and within 1 µs below 64 µs, in a fixed 18 kB. It is safe for concurrent
// use; the zero value is empty.
type Histogram struct {
	counts [buckets]atomic.Uint64
	total  atomic.Uint64
}

// Each power of two of microseconds is cut into 64; the last bucket begins at
// about six days.
const (
	parts   = 64
	doubles = 34
	buckets = parts * (doubles + 1)
)

// Observe counts one duration.
func (h *Histogram) Observe(d time.Duration) {
	h.counts[bucketOf(d)].Add(1)
	h.total.Add(1)
}

func bucketOf(d time.Duration) int {
	us := uint64(max(0, d.Microseconds()))
	shift := max(0, bits.Len64(us)-bits.Len64(parts))
	if us < parts {
		return int(us)
	}
	return min(shift*parts+int(us>>shift), buckets-1)
}

// upTo is the longest duration that a bucket holds.
func upTo(bucket int) time.Duration {
	if bucket < 2*parts {
		return time.Duration(bucket) * time.Microsecond
	}
	shift := bucket/parts - 1
	return time.Duration((uint64(bucket-shift*parts)+1)<<shift-1) * time.Microsecond
}

// Count is how many durations were observed.
func (h *Histogram) Count() int { return int(h.total.Load()) }

// Quantile is the duration that a share q of all does not exceed; 0 if there
// are none.
func (h *Histogram) Quantile(q float64) time.Duration {
	total := h.total.Load()
	if total == 0 {
		return 0
	}
	rank := max(1, uint64(q*float64(total)+0.999999))
	for bucket := range h.counts {
		n := h.counts[bucket].Load()
		if n >= rank {
			return upTo(bucket)
		}
		rank -= n
	}
	return upTo(buckets - 1)
}
