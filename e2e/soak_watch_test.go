//go:build soak

package e2e

import (
	"context"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	readyEvery = 250 * time.Millisecond
	// readyWithin is how long after a fault the server may say that it is not ready,
	// or nothing.
	readyWithin = 2 * time.Second

	canaryEvery = 20 * time.Millisecond
	// canaryLate is how late the machine may be: what takes longer then is no fault
	// of the server.
	canaryLate = 250 * time.Millisecond
	// canaryMost is how much of a soak may be excused by that: in thousandths.
	canaryMost = 50
)

// readyWatch asks the server all the time whether it is ready.
type readyWatch struct {
	s     *soak
	stops func() // waits for its end

	mu     sync.Mutex // guards the fields below
	ready  bool
	asked  int
	took   []time.Duration // until all had their seats again
	unsaid []trouble       // when it was not ready, or said nothing
}

func watchReadiness(s *soak) *readyWatch {
	w := &readyWatch{s: s, ready: true}
	ctx, cancel := context.WithCancel(s.t.Context())
	over := make(chan struct{})
	go func() { // waited for by stops
		defer close(over)
		paced(ctx, readyEvery, w.asks)
	}()
	w.stops = func() { cancel(); <-over }
	s.t.Cleanup(w.stops)
	return w
}

func (w *readyWatch) asks() {
	from := w.s.ledger.now()
	status, _ := w.s.asks("/readyz")
	to := w.s.ledger.now()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked++
	w.ready = status == http.StatusOK
	if !w.ready {
		w.unsaid = append(w.unsaid, trouble{from, to})
	}
}

// now tells whether it was ready when it was asked last.
func (w *readyWatch) now() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.ready
}

// backs notes how soon all had their seats again.
func (w *readyWatch) backs(took time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.took = append(w.took, took)
}

// returns waits until the server is ready which was started just now.
func (w *readyWatch) returns(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	w.mu.Lock()
	w.ready = false
	w.mu.Unlock()
	for !w.now() && w.s.people.rests(ctx, readyEvery) {
		continue
	}
}

// judge wants the server to be ready when nothing befalls it.
func (w *readyWatch) judge() (longest time.Duration) {
	w.s.ledger.mu.Lock()
	troubles := w.s.ledger.troublesOf(atServer | newcomers)
	w.s.ledger.mu.Unlock()
	for i := range troubles {
		troubles[i].to += readyWithin
	}
	for i, silent := range w.unsaid {
		took := calmOf(troubles, silent.from, silent.to)
		longest = max(longest, took)
		again := i > 0 && silent.from-w.unsaid[i-1].to < 2*readyEvery && calmOf(troubles, w.unsaid[i-1].from, silent.to) > readyWithin
		if again && took > 0 {
			w.s.ledger.finds("readiness tells the truth", "not ready from %v to %v, and nothing befell it", silent.from, silent.to)
		}
	}
	return longest
}

// canary finds out how late this machine is: what it was late with is excused.
type canary struct {
	s     *soak
	stops func()

	mu   sync.Mutex // guards the field below
	late []trouble
}

func watchMachine(s *soak) *canary {
	c := &canary{s: s}
	ctx, cancel := context.WithCancel(s.t.Context())
	over := make(chan struct{})
	go func() { // waited for by stops
		defer close(over)
		before := time.Now()
		paced(ctx, canaryEvery, func() {
			now := time.Now()
			if now.Sub(before) > canaryLate+canaryEvery {
				s.excuses(anywhere, before, now)
				c.mu.Lock()
				c.late = append(c.late, trouble{before.Sub(s.ledger.born), now.Sub(s.ledger.born)})
				c.mu.Unlock()
			}
			before = now
		})
	}()
	c.stops = func() { cancel(); <-over }
	s.t.Cleanup(c.stops)
	return c
}

// sum is how much of the time the machine was late.
func (c *canary) sum() (sum time.Duration) {
	for _, t := range c.late {
		sum += t.to - t.from
	}
	return sum
}

// forbidden is what no log of ours holds, whatever happens: secrets, what people say,
// what SDP is made of, and what a program says that has a fault.
var forbidden = regexp.MustCompile(strings.Join([]string{
	soakToken, soakRoomSecret, soakTURNSecret, soakMark,
	`a=ice-pwd`, `a=fingerprint`, `a=candidate`, `\bv=0\b`, `resume_?[tT]oken"?:`, `"credential"`,
	`^panic: `, `^fatal error: `, `WARNING: DATA RACE`, `^goroutine \d+ \[`, `level=ERROR`,
}, "|"))

// readsLog looks for what must not be in what the server said.
func (s *soak) readsLog() {
	for line := range strings.Lines(s.server.said.String()) {
		if found := forbidden.FindString(line); found != "" {
			s.ledger.finds("the log has no secrets, and the program no panic", "%q in %q", found, line[:min(len(line), 500)])
		}
	}
}

// metric is what the server counts, of all labels; 0 if it does not answer.
func (s *soak) metric(name string) float64 {
	_, text := s.asks("/metrics")
	return metricIn(text, "wasmp2pchat_"+name)
}

// metricIn adds up the samples of a metric.
func metricIn(text, name string) (sum float64) {
	for line := range strings.Lines(text) {
		rest, found := strings.CutPrefix(line, name)
		if !found || rest[0] != ' ' && rest[0] != '{' {
			continue
		}
		fields := strings.Fields(rest)
		value, err := strconv.ParseFloat(fields[len(fields)-1], 64)
		if err == nil {
			sum += value
		}
	}
	return sum
}

// middleOf is the middle of a list, which it sorts.
func middleOf(list []float64) float64 {
	if len(list) == 0 {
		return 0
	}
	slices.Sort(list)
	return list[len(list)/2]
}

func leastOf(list []float64) float64 {
	if len(list) == 0 {
		return 0
	}
	return slices.Min(list)
}
