package daytime_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/daytime"
)

// TestClock sets the wall clock of a Clock, and lets time pass.
func TestClock(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name                    string
		set, passed             time.Duration
		earlier, later, counted time.Duration // after the start
	}{
		{"nobody sets it", 0, time.Hour, time.Hour, time.Hour, time.Hour},
		{"it is set forward", 2 * time.Hour, time.Minute, time.Minute, 2*time.Hour + time.Minute, time.Minute},
		{"it is set back", -2 * time.Hour, time.Minute, -2*time.Hour + time.Minute, time.Minute, time.Minute},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var set, passed time.Duration
			clock := daytime.Of(func() time.Time { return start.Add(set + passed) }, func() time.Duration { return passed })
			set, passed = c.set, c.passed
			for name, is := range map[string]struct {
				got  time.Time
				want time.Duration
			}{"Earlier": {clock.Earlier(), c.earlier}, "Later": {clock.Later(), c.later}, "Counted": {clock.Counted(), c.counted}} {
				if got := is.got.Sub(start); got != is.want {
					t.Errorf("%s() = start + %v, want %v", name, got, is.want)
				}
			}
		})
	}
}

// TestLatest remembers the latest time of a clock that is set forward, and back again.
func TestLatest(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var set time.Duration
	clock := daytime.Of(func() time.Time { return start.Add(set) }, func() time.Duration { return 0 })
	for _, step := range []struct{ set, latest time.Duration }{{0, 0}, {2 * time.Hour, 2 * time.Hour}, {0, 2 * time.Hour}, {-time.Hour, 2 * time.Hour}, {3 * time.Hour, 3 * time.Hour}} {
		set = step.set
		if clock.Earlier(); !clock.Latest().Equal(start.Add(step.latest)) {
			t.Errorf("set by %v, Latest() = %v, want start + %v", set, clock.Latest(), step.latest)
		}
	}
}

// TestClockOfThisMachine agrees with the wall clock as long as nobody sets that.
func TestClockOfThisMachine(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		clock := daytime.New()
		<-time.After(time.Hour)
		for name, got := range map[string]time.Time{"Earlier": clock.Earlier(), "Later": clock.Later(), "Counted": clock.Counted()} {
			if !got.Equal(time.Now()) {
				t.Errorf("%s() = %v, want %v", name, got, time.Now())
			}
		}
	})
}
