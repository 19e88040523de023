package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/swarm"
)

// outcome is what a load test has seen.
type outcome struct {
	*swarm.Report

	Relayed int // chat: of the peers, who talked through the relay
}

// print writes it for people, or for programs.
func (o *outcome) print(w io.Writer, url string, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(w).Encode(o.forPrograms(url))
	}
	if o.Rate > 0 {
		fmt.Fprintf(w, "%s: %d %s in %s: %.0f a second\n", o.Scenario, o.Count, o.Unit, short(o.Measured), o.Rate)
	} else {
		fmt.Fprintf(w, "%s: %d %s for %s\n", o.Scenario, o.Count, o.Unit, short(o.Measured))
	}
	what := map[swarm.Scenario]string{
		swarm.Match: "request to MATCH", swarm.Session: "dialling to last candidate", swarm.Signaling: "dialling to last candidate",
		swarm.Relay: "from peer to peer", chatScenario: "START to first message",
	}[o.Scenario]
	printQuantiles(w, what, o.Latency)
	printQuantiles(w, "connecting", o.Connect)
	if o.Scenario == chatScenario && o.Count > 0 {
		fmt.Fprintf(w, "relayed                     %.0f %%\n", 100*float64(o.Relayed)/float64(o.Count))
	}
	if o.Changed > 0 {
		fmt.Fprintf(w, "%d messages came decoded and encoded again: Ayame forwards the bytes as they are\n", o.Changed)
	}
	if o.Ended != "" {
		fmt.Fprintf(w, "ended before it was through, after %s: %s\n", short(o.Took), o.Ended)
	}
	for _, f := range o.Faults {
		fmt.Fprintf(w, "wrong: %d × %s\n", f.Count, f.What)
	}
	return nil
}

func printQuantiles(w io.Writer, what string, q swarm.Quantiles) {
	if q.Count > 0 {
		fmt.Fprintf(w, "%-26s  p50 %s  p99 %s  max %s\n", what, short(q.P50), short(q.P99), short(q.Max))
	}
}

// short is a duration with three digits.
func short(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return d.Round(time.Microsecond).String()
	case d < 100*time.Millisecond:
		return d.Round(100 * time.Microsecond).String()
	default:
		return d.Round(time.Millisecond).String()
	}
}

// forPrograms has every unit in the name.
func (o *outcome) forPrograms(url string) map[string]any {
	m := map[string]any{
		"url": url, "scenario": o.Scenario, "peers": o.Peers, "opened": o.Opened, "unit": o.Unit, "count": o.Count,
		"per_second": o.Rate, "measured_s": o.Measured.Seconds(), "took_s": o.Took.Seconds(),
		"latency": quantilesMS(o.Latency), "connect": quantilesMS(o.Connect), "changed": o.Changed, "ended": o.Ended,
	}
	if o.Scenario == chatScenario {
		m["relayed"] = o.Relayed
	}
	faults := map[string]int{}
	for _, f := range o.Faults {
		faults[f.What] = f.Count
	}
	m["faults"] = faults
	return m
}

func quantilesMS(q swarm.Quantiles) map[string]any {
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	return map[string]any{"count": q.Count, "p50_ms": ms(q.P50), "p99_ms": ms(q.P99), "max_ms": ms(q.Max)}
}

// progressPrinter is one line: written over and over on a terminal, one below
// the other elsewhere.
type progressPrinter struct {
	w        io.Writer
	terminal bool
	shown    bool
}

func (p *progressPrinter) show(now swarm.Progress) {
	line := fmt.Sprintf("%s  %s  %d open, %d done", now.Took.Round(time.Second), now.Phase, now.Open, now.Done)
	if p.terminal {
		fmt.Fprintf(p.w, "\r\x1b[K%s", line)
	} else {
		fmt.Fprintln(p.w, line)
	}
	p.shown = true
}

// end makes room for the report.
func (p *progressPrinter) end() {
	if p.shown && p.terminal {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}

// isTerminal tells whether somebody looks at what is written, or types what is
// read.
func isTerminal(stream any) bool {
	file, ok := stream.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
