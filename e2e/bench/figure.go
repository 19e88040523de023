//go:build linux

package main

import (
	"fmt"
	"io"
	"slices"
)

// figure is something that is measured in every round.
type figure struct {
	name  string
	goal  float64 // 0: none
	most  bool    // the goal is an upper bound
	whole bool    // printed without decimals
}

// The figures, in the order in which they are printed.
const (
	pairsPerCore = iota
	microsPerPair
	pairsPerSecond
	matchP99
	clientPerPair
	relayedPerCore
	relayedPerSecond
	relayP99
	singlyPerCore
	microsPerSession
	microsPerStory
	idleBytes
	idleCollected
	idleTLS
	idleTLSCollected
	figureCount
)

func figures() [figureCount]figure {
	return [figureCount]figure{
		pairsPerCore:     {name: "burst: pairs per core-second", goal: 30_000, whole: true},
		microsPerPair:    {name: "burst: CPU per pair, µs", goal: 36, most: true},
		pairsPerSecond:   {name: "burst: pairs a second, wall clock", whole: true},
		matchP99:         {name: "burst: request to MATCH, p99, ms", goal: 72, most: true},
		clientPerPair:    {name: "burst: CPU of the clients per pair, µs"},
		relayedPerCore:   {name: "relay: messages per core-second", goal: 95_000, whole: true},
		relayedPerSecond: {name: "relay: messages a second, wall clock", whole: true},
		relayP99:         {name: "relay: peer to peer, p99, ms"},
		singlyPerCore:    {name: "relay: the same, one under way in each room", whole: true},
		microsPerSession: {name: "session: CPU, µs (2 connects, 10 messages, bye)", goal: 260, most: true, whole: true},
		microsPerStory:   {name: "session: CPU, µs, the finding included (4 connects)", whole: true},
		idleBytes:        {name: "idle: RSS per connection, kB", goal: 7.5, most: true},
		idleCollected:    {name: "idle: the same after a collection"},
		idleTLS:          {name: "idle with TLS: RSS per connection, kB", goal: 20, most: true},
		idleTLSCollected: {name: "idle with TLS: the same after a collection"},
	}
}

// samples are the values of one server, by figure.
type samples [figureCount][]float64

func (s *samples) add(figure int, value float64) { s[figure] = append(s[figure], value) }

// median of the values; 0 if there are none.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
}

// met tells whether a goal is.
func (f figure) met(value float64) bool {
	return f.goal == 0 || (f.most && value <= f.goal) || (!f.most && value >= f.goal)
}

// print writes the table, and returns how many goals were missed.
func print(w io.Writer, own, seed *samples) (missed int) {
	fmt.Fprintf(w, "%-54s %26s %26s %7s  %s\n", "", "ours: min/median/max", "seed-like: min/median/max", "ratio", "goal")
	for i, f := range figures() {
		if len(own[i]) == 0 {
			continue
		}
		verdict := ""
		if f.goal > 0 {
			sign := "≥"
			if f.most {
				sign = "≤"
			}
			verdict = fmt.Sprintf("%s %s met", sign, f.text(f.goal))
			if !f.met(median(own[i])) {
				verdict = fmt.Sprintf("%s %s MISSED", sign, f.text(f.goal))
				missed++
			}
		}
		ratio := ""
		if m := median(seed[i]); m > 0 {
			ratio = fmt.Sprintf("%.2f", median(own[i])/m)
		}
		fmt.Fprintf(w, "%-54s %26s %26s %7s  %s\n", f.name, f.spread(own[i]), f.spread(seed[i]), ratio, verdict)
	}
	return missed
}

func (f figure) spread(values []float64) string {
	if len(values) == 0 {
		return "–"
	}
	return f.text(slices.Min(values)) + " / " + f.text(median(values)) + " / " + f.text(slices.Max(values))
}

func (f figure) text(value float64) string {
	if f.whole {
		return fmt.Sprintf("%.0f", value)
	}
	return fmt.Sprintf("%.1f", value)
}
