//go:build linux

package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// metric is something that is measured of a server under a load.
type metric string

// The metrics. Costs are per packet that arrived: µs of CPU time each, which is
// CPU-s per million.
const (
	serverCPU    metric = "server µs"
	machineCPU   metric = "machine µs"
	aboveRouting metric = "above routing"
	lossPercent  metric = "loss %"
	medianMicros metric = "p50 µs"
	p99Micros    metric = "p99 µs"

	idleKB      metric = "idle, kB each"
	collectedKB metric = "after a collection"
	bornMicros  metric = "server µs each"
	bornRate    metric = "a second, one by one"
)

// key is what a row of samples belongs to.
type key struct {
	server, load string
	metric       metric
}

// results are all samples, by round; a round in which there was none is missing
// in the inner map.
type results map[key]map[int]float64

func (r results) add(round int, server, load string, m metric, value float64) {
	k := key{server, load, m}
	if r[k] == nil {
		r[k] = map[int]float64{}
	}
	r[k][round] = value
}

// subtractRouting derives what each load costs above plain routing, round by
// round.
func (r results) subtractRouting() {
	for k, rounds := range r {
		if k.metric != machineCPU || k.server == plain {
			continue
		}
		zero := r[key{plain, k.load, machineCPU}]
		for round, value := range rounds {
			if base, ok := zero[round]; ok {
				r.add(round, k.server, k.load, aboveRouting, value-base)
			}
		}
	}
}

// values lists the samples of a key.
func (r results) values(k key) []float64 {
	var list []float64
	for _, value := range r[k] {
		list = append(list, value)
	}
	slices.Sort(list)
	return list
}

// ratios are those of a server to another one, round by round.
func (r results) ratios(k key, than string) []float64 {
	var list []float64
	for round, value := range r[k] {
		if base, ok := r[key{than, k.load, k.metric}][round]; ok && base > 0 {
			list = append(list, value/base)
		}
	}
	slices.Sort(list)
	return list
}

// median of sorted values; there must be some.
func median(sorted []float64) float64 {
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
}

// spread is min / median / max.
func spread(sorted []float64, format string) string {
	if len(sorted) == 0 {
		return "–"
	}
	if len(sorted) == 1 {
		return fmt.Sprintf(format, sorted[0])
	}
	return fmt.Sprintf(format+" / "+format+" / "+format, sorted[0], median(sorted), sorted[len(sorted)-1])
}

// columns are those of a table, and how their values are written.
type column struct {
	metric metric
	format string
	than   string // the ratio to that server instead
}

func (c column) title() string {
	if c.than != "" {
		return "CPU × " + c.than
	}
	return string(c.metric)
}

func (r results) cell(server, load string, c column) string {
	k := key{server, load, c.metric}
	if c.than == "" {
		return spread(r.values(k), c.format)
	}
	if c.than == server {
		return "1"
	}
	return spread(r.ratios(k, c.than), c.format)
}

// print writes a table of a load.
func (r results) table(w io.Writer, load string, servers []string, columns []column) {
	rows := [][]string{{load}}
	for _, c := range columns {
		rows[0] = append(rows[0], c.title())
	}
	for _, server := range servers {
		row, measured := []string{"  " + server}, false
		for _, c := range columns {
			row = append(row, r.cell(server, load, c))
			measured = measured || len(r.values(key{server, load, c.metric})) > 0
		}
		if measured {
			rows = append(rows, row)
		}
	}
	if len(rows) > 1 {
		writeTable(w, rows)
	}
}

// ladder writes the loss of every server on every rung.
func (r results) ladder(w io.Writer, servers []string, rungs []string) {
	rows := [][]string{append([]string{"160 B up, loss %, median (most)"}, rungs...)}
	for _, server := range servers {
		row, measured := []string{"  " + server}, false
		for _, rung := range rungs {
			values := r.values(key{server, rung, lossPercent})
			if len(values) == 0 {
				row = append(row, "–")
				continue
			}
			measured = true
			row = append(row, fmt.Sprintf("%.2f (%.2f)", median(values), values[len(values)-1]))
		}
		if measured {
			rows = append(rows, row)
		}
	}
	if len(rows) > 1 {
		writeTable(w, rows)
	}
}

// writeTable aligns rows: the first column left, the others right.
func writeTable(w io.Writer, rows [][]string) {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], len([]rune(cell)))
		}
	}
	for _, row := range rows {
		for i, cell := range row {
			pad := strings.Repeat(" ", widths[i]-len([]rune(cell)))
			if i == 0 {
				fmt.Fprint(w, cell, pad)
			} else {
				fmt.Fprint(w, "  ", pad, cell)
			}
		}
		fmt.Fprintln(w)
	}
	fmt.Fprintln(w)
}

// goal is a bound for the median over the rounds: of a value, or of its ratio
// to another server's.
type goal struct {
	server, load string
	metric       metric
	than         string // empty: the value itself
	most         float64
	below        bool // less than that, not the same
}

// goals are those of the data planes.
func goals() []goal {
	return []goal{
		{server: planeBatch, load: audioUp, metric: serverCPU, than: coturn, most: 0.85},
		{server: planeBatch, load: audioUp, metric: serverCPU, than: forwarders, most: 1.05},
		{server: planeBatch, load: videoUp, metric: serverCPU, than: coturn, most: 0.5},
		{server: planeBatch, load: relayed, metric: serverCPU, than: coturn, most: 0.5},
		{server: planeBatch, load: audioUp, metric: medianMicros, than: coturn, most: 0.7},
		{server: planeBatch, load: ladder160, metric: lossPercent, most: 0.1, below: true},
		{server: planeEBPF, load: audioUp, metric: serverCPU, most: 0.05},
		{server: planeEBPF, load: audioUp, metric: aboveRouting, than: coturn, most: 0.35},
		{server: planeEBPF, load: audioUp, metric: medianMicros, than: coturn, most: 0.15},
		{server: planeEBPF, load: ladder200, metric: lossPercent, most: 0.1, below: true},
		{server: planePion, load: groupMemory, metric: idleKB, most: 9},
		{server: planeBatch, load: groupMemory, metric: idleKB, most: 9},
		{server: planeEBPF, load: groupMemory, metric: idleKB, most: 9},
	}
}

// judge writes the goals for which something was measured, and returns how many
// were missed.
func (r results) judge(w io.Writer) (missed int) {
	rows := [][]string{{"goals", "", "", ""}}
	for _, g := range goals() {
		k := key{g.server, g.load, g.metric}
		values, what := r.values(k), string(g.metric)
		if g.than != "" {
			values, what = r.ratios(k, g.than), what+" × "+g.than
		}
		if len(values) == 0 {
			continue
		}
		sign, verdict := "≤", "met"
		if g.below {
			sign = "<"
		}
		if !g.met(median(values)) {
			verdict = "MISSED"
			missed++
		}
		rows = append(rows, []string{fmt.Sprintf("  %s: %s: %s", g.server, g.load, what), spread(values, "%.2f"), fmt.Sprintf("%s %.3g", sign, g.most), verdict})
	}
	if len(rows) > 1 {
		writeTable(w, rows)
	}
	return missed
}

func (g goal) met(value float64) bool {
	return value < g.most || (!g.below && value == g.most)
}
