package turnsvc

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// fill takes n bytes at a time for as long as they pass, and counts the bytes.
func fill(b *bucket, n int, rate Bitrate, now time.Duration) (total int) {
	for b.take(n, rate, now) {
		total += n
	}
	return total
}

func TestBucket(t *testing.T) {
	t.Parallel()
	type step struct {
		at   time.Duration
		rate Bitrate
		want int // bytes that pass, in datagrams of 1000
	}
	for _, c := range []struct {
		name  string
		steps []step
	}{
		{"a second's worth at once", []step{{0, 2e6, 250_000}}},
		{"at least 64 KiB at once, however low the rate", []step{{0, 8e3, 65_000}}},
		{"the rate from then on", []step{{0, 2e6, 250_000}, {100 * time.Millisecond, 2e6, 25_000}, {1100 * time.Millisecond, 2e6, 250_000}}},
		{"silence saves up no more than the burst", []step{{time.Hour, 2e6, 250_000}}},
		{"a lower rate counts from when it is set", []step{{0, 2e6, 250_000}, {time.Second, 5e5, 65_000}, {2 * time.Second, 5e5, 63_000}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := new(bucket)
			for i, s := range c.steps {
				if got := fill(b, 1000, s.rate, s.at); got != s.want {
					t.Errorf("step %d, at %v: %d bytes passed, want %d", i, s.at, got, s.want)
				}
			}
		})
	}
}

// TestBucketBound holds, for random datagrams at random times, that between any
// two moments no more passes than the burst and the rate, and that nothing is
// refused that they would allow.
func TestBucketBound(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		rate := Bitrate(1e3 + random.Int64N(1e7))
		burst := max(rate.takes(minBurstBytes), burstTime)
		b, now, owed := new(bucket), time.Duration(0), time.Duration(0)
		for range 2000 {
			gap := time.Duration(random.Int64N(int64(time.Second / 50)))
			now += gap
			owed = max(0, owed-gap)
			n := random.IntN(1501)
			fits := owed+rate.takes(n) <= burst
			if got := b.take(n, rate, now); got != fits {
				t.Fatalf("%d bytes at %v with %v owed of %v: take = %v, want %v", n, now, owed, burst, got, fits)
			}
			if fits {
				owed += rate.takes(n)
			}
		}
	}
}

func TestBucketIsExactUnderConcurrency(t *testing.T) {
	t.Parallel()
	var total atomic.Int64
	var wg sync.WaitGroup
	b := new(bucket)
	for range 8 {
		wg.Go(func() { total.Add(int64(fill(b, 100, 2e6, 0))) })
	}
	wg.Wait()
	if total.Load() != 250_000 {
		t.Errorf("%d bytes passed at once, want 250000", total.Load())
	}
}

// BenchmarkBucket is what the bitrate costs a datagram: without garbage, and
// about a hundredth of the system call that sends it.
func BenchmarkBucket(b *testing.B) {
	bk, now := new(bucket), time.Duration(0)
	b.ReportAllocs()
	for b.Loop() {
		now += time.Millisecond
		bk.take(160, 2e6, now)
	}
}
