package thrift

import (
	"runtime"
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

// TestTheRuntimeKnowsTheNames holds that none of the metrics has been renamed.
func TestTheRuntimeKnowsTheNames(t *testing.T) {
	t.Parallel()
	runtime.GC()
	if u := measure(); u.allocated == 0 || u.live == 0 || u.held == 0 {
		t.Errorf("measure() = %+v, want no zero", u)
	}
}
