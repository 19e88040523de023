//go:build soak

package e2e

import (
	"testing"
	"time"
)

// TestSoakScheduleIsReplayed deals schedules twice.
func TestSoakScheduleIsReplayed(t *testing.T) {
	for _, length := range []time.Duration{3 * time.Minute, 20 * time.Minute} {
		one, again, other := newSchedule(7, length, soakFaults()).String(), newSchedule(7, length, soakFaults()).String(), newSchedule(8, length, soakFaults()).String()
		if one != again {
			t.Errorf("seed 7 deals\n%s\nand\n%s", one, again)
		}
		if one == other {
			t.Errorf("seeds 7 and 8 deal the same:\n%s", one)
		}
	}
}

// TestSoakScheduleHasEverything looks at many schedules: each fault befalls a server
// even in a soak of three minutes, the rough ones one at a time and with time to
// recover, and nobody is killed between the two censuses, nor troubled while they are
// taken.
func TestSoakScheduleHasEverything(t *testing.T) {
	faults := map[string]mishap{}
	for _, f := range soakFaults() {
		faults[f.name] = f
	}
	for seed := range uint64(200) {
		for _, length := range []time.Duration{3 * time.Minute, 20 * time.Minute, time.Hour} {
			s := newSchedule(seed, length, soakFaults())
			count, free := map[string]int{}, time.Duration(0)
			for _, w := range s.windows {
				f := faults[w.fault]
				count[w.fault]++
				if f.rough && w.at < free {
					t.Fatalf("%v comes before %v:\n%v", w, free, s)
				}
				if f.rough {
					free = w.over + recovery
				}
				if len(s.census) > 0 && w.over > openingLong && w.at < openingLong+fillLong {
					t.Fatalf("%v while many pass by:\n%v", w, s)
				}
				if w.at < quietStart || w.over > length-quietEnd {
					t.Fatalf("%v:\n%v", w, s)
				}
				for i, at := range s.census {
					if w.over > at && w.at < at+censusLong || f.ends && i == 0 && w.at > openingLong && w.at < s.census[1] {
						t.Fatalf("%v is out of place:\n%v", w, s)
					}
				}
			}
			for name := range faults {
				if count[name] == 0 {
					t.Fatalf("%q is not in\n%v", name, s)
				}
			}
			if (len(s.census) == 2) != (length >= withCensus) {
				t.Fatalf("%d censuses in\n%v", len(s.census), s)
			}
		}
	}
}
