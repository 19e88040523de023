package swarm

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"
)

// Report is what a run has seen.
type Report struct {
	Scenario Scenario
	Peers    int           // that were asked for
	Opened   int           // connections
	Took     time.Duration // the whole run
	Ended    string        // why before it was through; empty: it was

	Unit     string // what is counted: pairs, sessions, messages, peers
	Count    int
	Measured time.Duration // how long that what is measured took
	Rate     float64       // of Unit, a second

	Latency Quantiles // match: request to MATCH; session: dialling to the last candidate; relay: from peer to peer
	Connect Quantiles // dialling to the end of the upgrade

	Changed int // relayed messages whose names came in another order: Ayame forwards the bytes as they are

	Faults []Fault // most frequent first
}

// Quantiles of durations; zero if there were none.
type Quantiles struct {
	Count         int
	P50, P99, Max time.Duration
}

// Fault is something that a server should not do.
type Fault struct {
	What  string
	Count int
}

// Quantiles of what was observed.
func (h *Histogram) Quantiles() Quantiles {
	return Quantiles{Count: h.Count(), P50: h.Quantile(0.5), P99: h.Quantile(0.99), Max: h.Quantile(1)}
}

func (c *crowd) report(why error) *Report {
	r := &Report{
		Scenario: c.cfg.Scenario, Peers: c.cfg.Peers, Opened: int(c.opened.Load()), Took: time.Since(c.born),
		Unit:  map[Scenario]string{Match: "pairs", Session: "sessions", Signaling: "sessions", Relay: "messages", Idle: "peers"}[c.cfg.Scenario],
		Count: int(c.done.Load()), Measured: c.measured,
		Latency: c.latency.Quantiles(), Connect: c.connecting.Quantiles(), Changed: int(c.changed.Load()), Faults: c.tally.sorted(),
	}
	if c.measured > 0 && c.cfg.Scenario != Idle {
		r.Rate = float64(r.Count) / c.measured.Seconds()
	}
	switch {
	case why == nil, c.cfg.Scenario == Idle && errors.Is(why, errTimeUp):
	case errors.Is(why, context.Canceled):
		r.Ended = "interrupted"
	default:
		r.Ended = why.Error()
	}
	return r
}

// maxKinds bounds how many different faults are told apart.
const maxKinds = 50

// tally counts faults.
type tally struct {
	mu      sync.Mutex // guards the fields below
	counts  map[string]int
	refused *RefusedError // the first
}

func (t *tally) fault(what string) { t.faults(what, 1) }

func (t *tally) faults(what string, n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.counts == nil {
		t.counts = map[string]int{}
	}
	if _, known := t.counts[what]; !known && len(t.counts) >= maxKinds {
		what = "other faults"
	}
	t.counts[what] += n
}

// refusal is the first refusal, as an error.
func (t *tally) refusal() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.refused == nil {
		return nil
	}
	return t.refused
}

func (t *tally) sorted() []Fault {
	t.mu.Lock()
	defer t.mu.Unlock()
	faults := make([]Fault, 0, len(t.counts))
	for what, count := range t.counts {
		faults = append(faults, Fault{what, count})
	}
	slices.SortFunc(faults, func(a, b Fault) int {
		if a.Count != b.Count {
			return b.Count - a.Count
		}
		return strings.Compare(a.What, b.What)
	})
	return faults
}

// fault counts what went wrong with a connection, unless the run has ended it.
// A refusal ends the run: all that follow would be refused too.
func (c *crowd) fault(ctx context.Context, what string, err error) {
	if ctx.Err() != nil {
		return
	}
	if refused, ok := errors.AsType[*RefusedError](err); ok {
		c.tally.mu.Lock()
		if c.tally.refused == nil {
			c.tally.refused = refused
		}
		c.tally.mu.Unlock()
		c.cancel(errRefused)
		return
	}
	if err != nil {
		what += ": " + cause(err)
	}
	c.tally.fault(what)
}

// missing is fault for a message that did not come: also if it was waited for
// until the run was given up.
func (c *crowd) missing(ctx context.Context, what string, err error) {
	if errors.Is(context.Cause(ctx), errStalled) {
		c.tally.fault("waited in vain for a message")
		return
	}
	c.fault(ctx, what, err)
}

// cause is an error without the addresses, which would make each a kind of its
// own.
func cause(err error) string {
	for inner := errors.Unwrap(err); inner != nil; inner = errors.Unwrap(err) {
		err = inner
	}
	return printable(err.Error())
}
