package roomkey

import (
	"testing"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/daytime"
)

// TestAnIDAdmitsWhileTheClockIsSet mints before and while the wall clock is set by
// hours, and verifies while it is and after it was set right: for its lifetime each id
// admits, and not for longer than the clock was set back.
func TestAnIDAdmitsWhileTheClockIsSet(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, step := range []time.Duration{2 * time.Hour, -2 * time.Hour} {
		var set, passed time.Duration
		k := New("secret")
		k.clock = daytime.Of(func() time.Time { return start.Add(set + passed) }, func() time.Duration { return passed })
		before := k.Mint(NewName())
		set, passed = step, Lifetime/2
		if _, err := k.Verify(before); err != nil {
			t.Errorf("%v after the step of the clock by %v: Verify = %v, want nil", passed, step, err)
		}
		meanwhile := k.Mint(NewName())
		set, passed = 0, Lifetime
		if _, err := k.Verify(meanwhile); err != nil {
			t.Errorf("an id that was minted while the clock was off by %v: Verify = %v, want nil", step, err)
		}
		passed = max(step, 0) + 2*Lifetime + Skew
		for _, id := range []string{before, meanwhile} {
			if _, err := k.Verify(id); err == nil {
				t.Errorf("%v after the start, the clock was off by %v: an id admits yet", passed, step)
			}
		}
	}
}
