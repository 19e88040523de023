package arrivals

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
)

func TestCrowdIsExactUnderConcurrency(t *testing.T) {
	t.Parallel()
	c := NewCrowd(Limits{Conns: 50, ConnsPerAddr: 10})
	var all, known atomic.Int32
	seats := make([]*Seat, 400)
	var wg sync.WaitGroup
	for i := range seats {
		wg.Go(func() {
			seats[i] = c.Sit()
			if seats[i] == nil {
				return
			}
			all.Add(1)
			if seats[i].ComesFrom(Source(netip.AddrFrom4([4]byte{192, 0, 2, byte(i % 2)}))) {
				known.Add(1)
			}
		})
	}
	wg.Wait()
	if all.Load() != 50 || known.Load() != 20 {
		t.Errorf("%d in all and %d known, want 50 and 20", all.Load(), known.Load())
	}
	for _, s := range seats {
		if s != nil {
			for range 3 {
				wg.Go(s.Leave)
			}
		}
	}
	wg.Wait()
	if c.all != 0 || len(c.sources) != 0 {
		t.Errorf("%d of %v are counted when all have left", c.all, c.sources)
	}
}

func TestCrowdForgetsWhoLeftBeforeHeWasKnown(t *testing.T) {
	t.Parallel()
	c := NewCrowd(Limits{Conns: 1, ConnsPerAddr: 1})
	s := c.Sit()
	s.Leave()
	if s.ComesFrom(netip.Prefix{}) || c.all != 0 || len(c.sources) != 0 {
		t.Errorf("%d of %v are counted, want none", c.all, c.sources)
	}
}
