package redisrooms

import (
	"strconv"
	"testing"
	"time"
)

// TestClaimsThatDoNotCountAreForgotten notes one room a second: each counts for half a
// minute, and there is no need to keep thousands of them.
func TestClaimsThatDoNotCountAreForgotten(t *testing.T) {
	t.Parallel()
	o := owned{until: map[string]time.Time{}}
	start := time.Now()
	for i := range 10_000 {
		now := start.Add(time.Duration(i) * time.Second)
		o.note(strconv.Itoa(i), now)
		if n := len(o.until); n >= 2100 {
			t.Fatalf("%d are kept after %d rooms", n, i+1)
		}
		if !o.has(strconv.Itoa(i), now) || i > 0 && !o.has(strconv.Itoa(i-1), now) {
			t.Fatalf("a claim that was written in the last second does not count, after %d rooms", i+1)
		}
	}
}
