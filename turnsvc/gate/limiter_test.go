package gate

import (
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/wasmp2pchat/wasmp2pchat/internal/arrivals"
)

// stranger is the nth of 2^32 IPv4 sources.
func stranger(n uint32) netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}), 32)
}

// someTime is any time: a Limiter has no clock of its own.
func someTime() time.Time { return time.Unix(1_800_000_000, 0) }

func TestLimiter(t *testing.T) {
	t.Parallel()
	type ask struct {
		after time.Duration // since the one before
		n     int
		want  int // of n requests, how many are allowed
	}
	for _, c := range []struct {
		name string
		asks []ask
	}{
		{"a burst at once, and no more", []ask{{0, 150, 100}}},
		{"20 a second from then on", []ask{{0, 150, 100}, {time.Second, 50, 20}, {10 * time.Second, 300, 100}}},
		{"half of the burst is paid back in half of the time", []ask{{0, 100, 100}, {2500 * time.Millisecond, 100, 50}}},
		{"a silent source has no more than the burst", []ask{{0, 1, 1}, {time.Hour, 150, 100}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l, now := NewLimiter(20, 100), someTime()
			for i, ask := range c.asks {
				now = now.Add(ask.after)
				if got := allowed(l, stranger(1), now, ask.n); got != ask.want {
					t.Errorf("step %d: %d of %d were allowed, want %d", i, got, ask.n, ask.want)
				}
			}
		})
	}
}

func allowed(l *Limiter, source netip.Prefix, now time.Time, n int) (yes int) {
	for range n {
		if l.Allow(source, now) {
			yes++
		}
	}
	return yes
}

func TestLimiterChargesForGuesses(t *testing.T) {
	t.Parallel()
	l, now, guesses := NewLimiter(20, 100), someTime(), 0
	for l.AllowN(stranger(1), GuessCost, now) {
		guesses++
	}
	if guesses != 20 || l.Allow(stranger(1), now) {
		t.Errorf("%d guesses were allowed, and then a request, want 20 and none", guesses)
	}
	if !l.Allow(stranger(2), now) {
		t.Error("another source pays for it")
	}
}

// wallSet is a time that was read from a clock when its wall time was wrong by step.
func wallSet(t *testing.T, at time.Time, step time.Duration) time.Time {
	t.Helper()
	was := at
	*(*uint64)(unsafe.Pointer(&was)) += uint64(step/time.Second) << 30 // as package time keeps it: seconds above nanoseconds
	if was.Sub(at) != 0 || !was.Round(0).Equal(at.Round(0).Add(step)) {
		t.Fatal("package time keeps its times in another way")
	}
	return was
}

// TestLimiterGoesByTimeThatPasses sets the wall clock while somebody asks, and back: it
// neither refunds anything, nor is it owed.
func TestLimiterGoesByTimeThatPasses(t *testing.T) {
	t.Parallel()
	for _, step := range []time.Duration{2 * time.Hour, -2 * time.Hour} {
		l, now := NewLimiter(20, 100), time.Now()
		if got := allowed(l, stranger(1), wallSet(t, now, step), 150); got != 100 {
			t.Errorf("with the clock set by %v %d were allowed, want 100", step, got)
		}
		if got := allowed(l, stranger(1), now.Add(time.Second), 150); got != 20 {
			t.Errorf("with the clock set by %v and back %d were allowed after a second, want 20", step, got)
		}
	}
}

func TestLimiterKnowsSources(t *testing.T) {
	t.Parallel()
	seen := map[uint64]string{}
	for _, text := range []string{"0.0.0.0", "192.0.2.1", "192.0.2.2", "255.255.255.255", "2001:db8::", "2001:db8:0:1::1", "fe80::1"} {
		key := accountKey(arrivals.Source(netip.MustParseAddr(text)))
		if other, taken := seen[key]; taken {
			t.Errorf("%s and %s have one account", text, other)
		}
		seen[key] = text
	}
	a, b := netip.MustParseAddr("2001:db8:1:2::3"), netip.MustParseAddr("2001:db8:1:2:ffff::4")
	if accountKey(arrivals.Source(a)) != accountKey(arrivals.Source(b)) {
		t.Errorf("%v and %v have two accounts", a, b)
	}
	l := NewLimiter(1, 1)
	if !l.Allow(netip.Prefix{}, someTime()) || l.Allow(netip.Prefix{}, someTime()) {
		t.Error("sources without an address do not share one account")
	}
}

// TestLimiterBoundHoldsForEverybody lets more sources ask than the table has
// room for, some of them much, in random order and at random times, and holds
// that whoever is allowed something would be allowed it by a token bucket of his
// own: so nobody gets more than burst + rate·T in any time T.
func TestLimiterBoundHoldsForEverybody(t *testing.T) {
	t.Parallel()
	const rate, burst, sources = 2, 10, 3 * limiterSets * limiterWays
	random := rand.New(rand.NewPCG(1, 2))
	l, start := NewLimiter(rate, burst), someTime()
	var elapsed time.Duration
	var yes [sources]int
	var due [sources]time.Duration // when the token bucket is full again
	for range 600_000 {
		elapsed += time.Duration(random.IntN(2000))
		who := random.IntN(sources)
		if random.IntN(2) == 0 {
			who = random.IntN(50) // these ask much
		}
		if !l.Allow(stranger(uint32(who)), start.Add(elapsed)) {
			continue
		}
		yes[who]++
		due[who] = max(due[who], elapsed) + time.Second/rate
		if due[who] > elapsed+burst*time.Second/rate {
			t.Fatalf("after %v source %d was allowed request %d, which is too many", elapsed, who, yes[who])
		}
	}
	if yes[0] < burst {
		t.Errorf("a busy source was allowed %d in %v, want at least its burst of %d", yes[0], elapsed, burst)
	}
}

// TestLimiterInAFlood forges a million sources in no time, which is more than any
// network can. Of these 61 fall on a set, 9 on each of its accounts; for a
// newcomer to owe more than 20, one set must get 140, ten standard deviations
// more. So whoever comes then has at least 80 of 100, five times what START
// needs, who was there before loses nothing but what he had asked himself, and
// who has spent everything gets nothing back.
func TestLimiterInAFlood(t *testing.T) {
	t.Parallel()
	l, now := NewLimiter(StrangerRate, StrangerBurst), someTime()
	before, greedy := stranger(0xffff0000), stranger(0xffff0001)
	if a, b := allowed(l, before, now, 16), allowed(l, greedy, now, 200); a != 16 || b != 100 {
		t.Fatalf("on a quiet day %d of 16 and %d of 200 requests were allowed, want 16 and 100", a, b)
	}
	for i := range uint32(1_000_000) {
		l.Allow(stranger(i), now)
	}
	for i := range uint32(1000) {
		if got := allowed(l, stranger(0xfffe0000+i), now, 10); got != 10 {
			t.Fatalf("%d of 10 requests of newcomer %d were allowed, want all", got, i)
		}
	}
	if got := allowed(l, stranger(0xfffd0000), now, 70); got != 70 {
		t.Errorf("%d of 70 requests of one newcomer were allowed, want all", got)
	}
	if got := allowed(l, before, now, 64); got != 64 {
		t.Errorf("%d of 64 requests were allowed to who was there before, want all", got)
	}
	if l.Allow(greedy, now) {
		t.Error("a million forged sources paid for the greedy one")
	}
}

func TestLimiterIsExactUnderConcurrency(t *testing.T) {
	t.Parallel()
	l, now := NewLimiter(1, 50), someTime()
	var yes atomic.Int32
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 100 {
				if l.Allow(stranger(uint32(i%2)), now) {
					yes.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if yes.Load() != 100 {
		t.Errorf("%d were allowed to two sources, want 100", yes.Load())
	}
}

func TestLimiterMakesNoGarbage(t *testing.T) {
	l, now, i := NewLimiter(StrangerRate, StrangerBurst), someTime(), uint32(0)
	n := testing.AllocsPerRun(1000, func() {
		l.Allow(stranger(i), now)
		i++
	})
	if n != 0 {
		t.Errorf("a call makes %v allocations, want 0", n)
	}
	if size := unsafe.Sizeof(limiterSet{}); size != 128 {
		t.Errorf("a set has %d bytes, want 128", size)
	}
}

// BenchmarkLimiter stays below 100 ns even when every packet comes from another
// source: less than a tenth of the system call that brought the packet.
func BenchmarkLimiter(b *testing.B) {
	for _, c := range []struct {
		name    string
		sources uint32
	}{{"one source", 1}, {"forged sources", 1 << 31}} {
		b.Run(c.name, func(b *testing.B) {
			l, now, i := NewLimiter(StrangerRate, StrangerBurst), someTime(), uint32(0)
			b.ReportAllocs()
			for b.Loop() {
				i += 2654435761 // visits all, far from the last one
				l.Allow(stranger(i%c.sources), now)
			}
		})
	}
}
