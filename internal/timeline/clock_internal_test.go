package timeline

import (
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/daytime"
	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// TestRoomsAreCountedWhereTheClockWasSet ends a room before the wall clock is set and
// one after it: both are counted soon, and neither is forgotten before its hour is over.
func TestRoomsAreCountedWhereTheClockWasSet(t *testing.T) {
	t.Parallel()
	for name, step := range map[string]time.Duration{"back": -2 * time.Hour, "forward": 2 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				start, set := time.Now(), time.Duration(0)
				s := New(Limits{}, slog.New(slog.DiscardHandler))
				s.clock = daytime.Of(func() time.Time { return time.Now().Add(set) }, func() time.Duration { return time.Since(start) })
				a, b := "a", "b"
				for i := byte(0); s.shard(a) != s.shard(b); i++ {
					b = "b" + string('a'+i)
				}
				end := func(room string) {
					s.Add(room, Event{Kind: Registered, Side: wire.SideA, Seat: true})
					s.Add(room, Event{Kind: Over})
				}
				end(a)
				set = step
				end(b)
				<-time.After(4 * time.Second)
				failed := map[wire.Verdict]int{}
				s.sweep(s.clock.Counted(), failed)
				counted := uint64(0)
				for _, n := range s.Stats().Verdicts {
					counted += n
				}
				if n := s.Stats().Rooms; counted != 2 || n != 2 {
					t.Errorf("%d rooms are counted and %d remembered, want 2 and 2", counted, n)
				}
			})
		})
	}
}
