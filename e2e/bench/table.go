//go:build linux

package main

import (
	"fmt"
	"io"
	"time"
)

// The figures of a fleet.
const (
	steadyP50   = "steady: request to MATCH, p50, ms"
	steadyP99   = "steady: request to MATCH, p99, ms"
	steadyCPU   = "steady: CPU of the servers per pair, µs"
	steadyRedis = "steady: CPU of Redis per pair, µs"
	briskP50    = "brisk: request to MATCH, p50, ms"
	briskP99    = "brisk: request to MATCH, p99, ms"
	briskCPU    = "brisk: CPU of the servers per pair, µs"
	briskRedis  = "brisk: CPU of Redis per pair, µs"
	rushP50     = "at once: request to MATCH, p50, ms"
	rushP99     = "at once: request to MATCH, p99, ms"
	rushCPU     = "at once: CPU of the servers per pair, µs"
	rushRedis   = "at once: CPU of Redis per pair, µs"

	restOwn = "nobody there: memory of its own (RssAnon), MB"
	restRSS = "nobody there: with pages of the program, MB"

	redisPairs    = "pairs a second per core of Redis"
	redisPair     = "CPU of Redis per pair, µs"
	redisCommands = "commands in Redis per pair"
	redisCalls    = "calls of Redis per pair"
	poolPair      = "CPU of the pools and visitors per pair, µs"
	poolAcross    = "pairs of two nodes, %"
	poolP50       = "offer to Meet, p50, ms"
	poolP99       = "offer to Meet, p99, ms"
)

// column is the values of one kind of server, by figure.
type column struct {
	name   string
	values map[string][]float64
}

func newColumn(name string) *column { return &column{name: name, values: map[string][]float64{}} }

func (c *column) add(figure string, value float64) {
	c.values[figure] = append(c.values[figure], value)
}

// row is a figure as it is printed.
type row struct {
	figure
	met func(columns []*column) (verdict string, met bool) // nil: there is no goal
}

// table prints columns side by side: min/median/max. It returns how many goals were
// missed.
func table(w io.Writer, title string, columns []*column, rows []row) (missed int) {
	fmt.Fprintf(w, "%-46s", title)
	for _, c := range columns {
		fmt.Fprintf(w, " %24s", c.name)
	}
	fmt.Fprintln(w)
	for _, r := range rows {
		fmt.Fprintf(w, "%-46s", r.name)
		for _, c := range columns {
			fmt.Fprintf(w, " %24s", r.spread(c.values[r.name]))
		}
		if r.met != nil {
			verdict, met := r.met(columns)
			if !met {
				missed++
				verdict += " MISSED"
			}
			fmt.Fprintf(w, "  %s", verdict)
		}
		fmt.Fprintln(w)
	}
	return missed
}

// atLeast is the goal that every column has at least so much.
func atLeast(name string, least float64) func([]*column) (string, bool) {
	return func(columns []*column) (string, bool) {
		for _, c := range columns {
			if median(c.values[name]) < least {
				return fmt.Sprintf("≥ %.0f", least), false
			}
		}
		return fmt.Sprintf("≥ %.0f met", least), true
	}
}

// within is the goal that every column is so near to the first.
func within(name string, most time.Duration) func([]*column) (string, bool) {
	return func(columns []*column) (string, bool) {
		for _, c := range columns[1:] {
			if median(c.values[name]) > median(columns[0].values[name])+millis(most) {
				return fmt.Sprintf("≤ alone + %v", most), false
			}
		}
		return fmt.Sprintf("≤ alone + %v met", most), true
	}
}
