//go:build soak

package e2e

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"time"
)

const (
	sampleEvery = 10 * time.Second
	// censusRest is how long the server has until what came of those who have gone is
	// over: a seat is held for 30 s, and an absent partner is awaited for 10 s.
	censusRest = time.Minute
	// relaysRest is how long relays may live whose clients were cut off when they left,
	// or had others by then: their lifetime (RFC 8656 section 7.2), and a look at it.
	// All others have ended with their rooms.
	relaysRest = 10*time.Minute + 30*time.Second
	// censusTakes is how often it is counted; the middle counts, but of RSS the least: a
	// calm server gives back once a minute what it keeps free for the next load, and
	// how much that is just then is no growth.
	censusTakes = 10
	takeEvery   = 5 * time.Second
	// flatWithin is how much more there may be in the end than in minute 5, in
	// thousandths, and what is no matter: a goroutine more, or a page, is no leak.
	flatWithin = 50
)

// resources are what the server uses.
type resources struct {
	goroutines, descriptors, heap, rss float64 // the last two in bytes
}

// sample is one look at them.
type sample struct {
	resources
	at    time.Duration // of the soak
	chats int           // that go on
	start int           // of the server: the how-manieth
}

// census is what the server uses when nobody is there.
type census struct {
	sample
	profile string // of goroutines
}

// uses asks the server what it uses.
func (s *soak) uses() (r resources, ok bool) {
	status, text := s.asks("/metrics")
	return resources{
		goroutines: metricIn(text, "go_goroutines"), descriptors: metricIn(text, "process_open_fds"),
		heap: metricIn(text, "go_memstats_heap_alloc_bytes"), rss: metricIn(text, "process_resident_memory_bytes"),
	}, status == 200
}

// takesSample looks at what the server uses, with everybody there.
func (s *soak) takesSample() {
	if r, ok := s.uses(); ok {
		now := s.ledger.now()
		s.samples = append(s.samples, sample{r, now, s.ledger.live(now), s.server.starts})
	}
}

// takesCensus waits until all is over that came of those who have gone, and counts.
func (s *soak) takesCensus() {
	s.people.rests(s.t.Context(), censusRest)
	left := s.metric("turn_allocations")
	for since := time.Now(); left > 0 && time.Since(since) < relaysRest && s.people.rests(s.t.Context(), time.Second); {
		left = s.metric("turn_allocations")
	}
	if left > 0 {
		s.ledger.finds("relays end with their rooms, or their time", "%v are left of nobody after %v", left, relaysRest)
	}
	var all [4][]float64
	for range censusTakes {
		s.asks("/debug/pprof/heap?gc=1") // what is garbage is no memory
		if r, ok := s.uses(); ok {
			for i, v := range []float64{r.goroutines, r.descriptors, r.heap, r.rss} {
				all[i] = append(all[i], v)
			}
		}
		s.people.rests(s.t.Context(), takeEvery)
	}
	_, profile := s.asks("/debug/pprof/goroutine?debug=1")
	s.keepsProfile()
	now := s.ledger.now()
	s.census = append(s.census, census{sample{resources{middleOf(all[0]), middleOf(all[1]), middleOf(all[2]), leastOf(all[3])}, now, s.ledger.live(now), s.server.starts}, profile})
}

// keepsProfile writes what the heap is made of, and all that is counted, where the
// logs go: when a census finds that something has grown, it says what.
func (s *soak) keepsProfile() {
	dir := flagged[string]("logs")
	if dir == "" {
		return
	}
	for name, path := range map[string]string{"heap.pb.gz": "/debug/pprof/heap?gc=1", "metrics.txt": "/metrics"} {
		_, text := s.asks(path)
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("census%d.%s", len(s.census), name)), []byte(text), 0o600); err != nil {
			s.t.Error(err)
		}
	}
}

// flat compares two looks at the server, and says what has grown.
func flat(before, after resources) (grown []string) {
	for _, c := range []struct {
		what          string
		before, after float64
		slack         float64 // that is no matter
	}{
		{"goroutines", before.goroutines, after.goroutines, 2},
		{"descriptors", before.descriptors, after.descriptors, 2},
		{"heap after GC", before.heap, after.heap, 256 << 10},
		{"RSS", before.rss, after.rss, 1 << 20},
	} {
		if c.after > c.before+math.Max(c.before*flatWithin/1000, c.slack) {
			grown = append(grown, fmt.Sprintf("%s from %.0f to %.0f, %+.1f %%", c.what, c.before, c.after, 100*(c.after/c.before-1)))
		}
	}
	return grown
}

// medians is the middle of what the server used in a window of a soak.
func (s *soak) medians(from, to time.Duration) (r resources, n int) {
	var all [4][]float64
	for _, x := range s.samples {
		if x.at >= from && x.at < to {
			n++
			for i, v := range []float64{x.goroutines, x.descriptors, x.heap, x.rss} {
				all[i] = append(all[i], v)
			}
		}
	}
	return resources{middleOf(all[0]), middleOf(all[1]), middleOf(all[2]), middleOf(all[3])}, n
}
