package thrift

import (
	"runtime"
	"slices"
	"testing"
)

func TestMemoryIsGivenBackWhenThereIsCalmAndWaste(t *testing.T) {
	t.Parallel()
	const mb = 1 << 20
	for name, c := range map[string]struct {
		before, now usage
		want        bool
	}{
		"calm, and much is held":            {usage{allocated: 100 * mb}, usage{allocated: 101 * mb, live: 20 * mb, held: 60 * mb}, true},
		"a process that works":              {usage{allocated: 100 * mb}, usage{allocated: 200 * mb, live: 20 * mb, held: 60 * mb}, false},
		"little is held":                    {usage{allocated: 100 * mb}, usage{allocated: 101 * mb, live: 20 * mb, held: 30 * mb}, false},
		"little for so large a heap":        {usage{allocated: 100 * mb}, usage{allocated: 101 * mb, live: 400 * mb, held: 450 * mb}, false},
		"a collection would not be noticed": {usage{}, usage{live: 1 * mb, held: 16 * mb}, false},
	} {
		var w watch
		w.look(c.before)
		if got := w.look(c.now); got != c.want {
			t.Errorf("%s: look(%+v) = %v, want %v", name, c.now, got, c.want)
		}
	}
}

// TestAllIsGivenBackAfterAMinuteOfCalm holds that the little that is no matter to a
// process in which something goes on is not kept for good, and no more than a little
// is collected each minute.
func TestAllIsGivenBackAfterAMinuteOfCalm(t *testing.T) {
	t.Parallel()
	const mb = 1 << 20
	for name, c := range map[string]struct {
		held, busyAt int
		want         []int // the looks at which it is given back
	}{
		"free pages":                {72, 0, []int{12, 24, 36}},
		"what is next to nothing":   {65, 0, nil},
		"something goes on between": {72, 15, []int{12, 27}},
	} {
		var w watch
		var got []int
		u := usage{live: 64 * mb, held: uint64(c.held) * mb}
		for i := 1; i <= 36; i++ {
			if u.allocated += mb; i == c.busyAt {
				u.allocated += calmBytes
			}
			if w.look(u) {
				got = append(got, i)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: given back at the looks %v, want %v", name, got, c.want)
		}
	}
}

// TestTheRuntimeKnowsTheNames holds that none of the metrics has been renamed.
func TestTheRuntimeKnowsTheNames(t *testing.T) {
	t.Parallel()
	runtime.GC()
	if u := measure(); u.allocated == 0 || u.live == 0 || u.held == 0 {
		t.Errorf("measure() = %+v, want no zero", u)
	}
}
