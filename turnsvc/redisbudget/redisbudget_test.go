package redisbudget

import (
	"context"
	"math"
	"sync"
	"testing"

	"github.com/wasmp2pchat/wasmp2pchat/internal/redisdb"
	"github.com/wasmp2pchat/wasmp2pchat/internal/redisdb/redistest"
)

const (
	month = "2026-11"
	hash  = "wasmp2pchat:{turn}:budget:" + month
)

// relay is one that has spent something.
type relay struct {
	mu           sync.Mutex
	month        string
	spent, other int64
}

func (r *relay) Spent() (string, int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.month, r.spent
}

func (r *relay) SpentElsewhere(month string, here, others int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if month == r.month {
		r.spent, r.other = max(r.spent, here), max(r.other, others)
	}
}

func (r *relay) spend(n int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.spent += n
}

func (r *relay) is(spent, other int64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.spent == spent && r.other == other
}

// node is a relay of a fleet whose budget nothing shares but a call of share.
func node(t *testing.T, url, id string, spent int64) (*Budget, *relay) {
	t.Helper()
	db, err := redisdb.Open(url, redisdb.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{month: month, spent: spent}
	b := New(Config{DB: db, Node: id, Relay: r})
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	var running sync.WaitGroup
	running.Go(func() { _ = db.Serve(ctx) })
	t.Cleanup(func() { stop(); running.Wait() })
	redistest.Until(t, db.Up)
	return b, r
}

// TestTheBudgetIsThatOfTheFleet holds that each node learns what the others have spent,
// that a Redis that forgot learns it again, and that nothing grows less because of it.
func TestTheBudgetIsThatOfTheFleet(t *testing.T) {
	t.Parallel()
	for name, start := range redistest.Programs(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			redis := start(t)
			b1, r1 := node(t, redis.URL, "n1", 100)
			b2, r2 := node(t, redis.URL, "n2", 20)
			b3, r3 := node(t, redis.URL, "n3", 3)
			all := func() {
				for range 2 { // the first has told before the others have
					for _, b := range []*Budget{b1, b2, b3} {
						b.share(t.Context())
					}
				}
			}
			all()
			if !r1.is(100, 23) || !r2.is(20, 103) || !r3.is(3, 120) {
				t.Fatalf("known are %+v, %+v and %+v", r1, r2, r3)
			}
			if ttl := redis.Do(t, "TTL", hash); len(ttl) < 7 {
				t.Errorf("TTL = %s s, want that of forty days", ttl)
			}
			r2.spend(1000)
			redis.Restart(t) // empty
			redistest.Until(t, func() bool { return b1.cfg.DB.Up() && b2.cfg.DB.Up() && b3.cfg.DB.Up() })
			all()
			if !r1.is(100, 1023) || !r2.is(1020, 103) || !r3.is(3, 1120) {
				t.Errorf("after Redis forgot, known are %+v, %+v and %+v", r1, r2, r3)
			}
			b4, r4 := node(t, redis.URL, "n2", 0) // started anew, without its file
			b4.share(t.Context())
			if !r4.is(1020, 103) {
				t.Errorf("after a restart n2 knows %+v, want what it had spent", r4)
			}
		})
	}
}

// TestWithoutRedisNothingChanges holds that a node goes on by what it knows.
func TestWithoutRedisNothingChanges(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	b, r := node(t, redis.URL, "n1", 100)
	redis.Do(t, "HSET", hash, "n2", "50")
	b.share(t.Context())
	redis.Kill()
	redistest.Until(t, func() bool { return !b.cfg.DB.Up() })
	r.spend(1)
	b.share(t.Context())
	if !r.is(101, 50) {
		t.Errorf("without Redis %+v is known, want 101 and 50", r)
	}
}

// TestServeTellsAtTheEnd holds that what was spent last is told before a node goes, and
// that without a budget nothing is.
func TestServeTellsAtTheEnd(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	b, _ := node(t, redis.URL, "n1", 7)
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if err := b.Serve(ctx); err != nil {
		t.Errorf("Serve = %v", err)
	}
	if got := redis.Do(t, "HGET", hash, "n1"); got != "7" {
		t.Errorf("told at the end is %q, want 7", got)
	}
	idle, r := node(t, redis.URL, "n2", 0)
	r.month = ""
	idle.share(t.Context())
	if got := redis.Do(t, "KEYS", "*turn*"); got != hash {
		t.Errorf("the keys are %q, want %q", got, hash)
	}
}

func TestWhatIsNoNumberOfBytesCountsNothing(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		all          map[string]string
		here, others int64
	}{
		{nil, 0, 0},
		{map[string]string{"n1": "5", "n2": "-7", "n3": "x", "n4": "9223372036854775808", "n5": "6"}, 5, 6},
		{map[string]string{"n1": "-5", "n2": "9223372036854775807", "n3": "9223372036854775807"}, 0, math.MaxInt64 / 2},
	} {
		if here, others := split(c.all, "n1"); here != c.here || others != c.others {
			t.Errorf("split(%v) = %d, %d; want %d, %d", c.all, here, others, c.here, c.others)
		}
	}
}
