//go:build linux

package main

import (
	"encoding/binary"
	"math"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestPercentile(t *testing.T) {
	t.Parallel()
	var hundred []time.Duration
	for i := range 100 {
		hundred = append(hundred, time.Duration(i+1))
	}
	for _, c := range []struct {
		sorted     []time.Duration
		hundredths int
		want       time.Duration
	}{
		{nil, 50, 0},
		{hundred[:1], 0, 1},
		{hundred[:1], 99, 1},
		{hundred[:2], 50, 1},
		{hundred[:3], 50, 2},
		{hundred, 50, 50},
		{hundred, 99, 99},
		{hundred, 100, 100},
	} {
		if got := percentile(c.sorted, c.hundredths); got != c.want {
			t.Errorf("percentile of %d values, %d = %d, want %d", len(c.sorted), c.hundredths, got, c.want)
		}
	}
}

func TestDueIsWholeBurstsInTime(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		rate  float64
		now   time.Duration
		burst int
		want  int
	}{
		{120_000, 0, 1, 0},
		{120_000, 100 * time.Microsecond, 1, 12},
		{120_000, 2 * time.Second, 1, 240_000},
		{48_000, 166 * time.Microsecond, 8, 0},
		{48_000, 167 * time.Microsecond, 8, 8},
		{48_000, time.Second, 8, 48_000},
	} {
		if got := due(c.rate, c.now, c.burst); got != c.want {
			t.Errorf("due(%v, %v, %d) = %d, want %d", c.rate, c.now, c.burst, got, c.want)
		}
	}
}

// threeRounds are samples of two servers, of which one was not measured in the
// second round.
func threeRounds() results {
	r := results{}
	for round, value := range []float64{8, 6, 9} {
		r.add(round, planeBatch, audioUp, serverCPU, value)
		r.add(round, planeBatch, audioUp, machineCPU, value+3)
	}
	r.add(0, coturn, audioUp, serverCPU, 10)
	r.add(2, coturn, audioUp, serverCPU, 20)
	r.add(0, plain, audioUp, machineCPU, 1)
	r.add(2, plain, audioUp, machineCPU, 4)
	return r
}

func TestRatiosAreThoseOfTheSameRound(t *testing.T) {
	t.Parallel()
	got := threeRounds().ratios(key{planeBatch, audioUp, serverCPU}, coturn)
	if len(got) != 2 || got[0] != 0.45 || got[1] != 0.8 {
		t.Errorf("ratios = %v, want 0.45 and 0.8", got)
	}
}

func TestRoutingIsSubtractedRoundByRound(t *testing.T) {
	t.Parallel()
	r := threeRounds()
	r.subtractRouting()
	got := r.values(key{planeBatch, audioUp, aboveRouting})
	if len(got) != 2 || got[0] != 8 || got[1] != 10 {
		t.Errorf("above routing = %v, want 8 and 10", got)
	}
}

func TestSpread(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		values []float64
		want   string
	}{
		{nil, "–"},
		{[]float64{2}, "2.0"},
		{[]float64{1, 2}, "1.0 / 1.5 / 2.0"},
		{[]float64{1, 2, 4}, "1.0 / 2.0 / 4.0"},
	} {
		if got := spread(c.values, "%.1f"); got != c.want {
			t.Errorf("spread(%v) = %s, want %s", c.values, got, c.want)
		}
	}
}

func TestGoals(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		goal  goal
		value float64
		want  bool
	}{
		{goal{most: 0.85}, 0.85, true},
		{goal{most: 0.85}, 0.86, false},
		{goal{most: 0.1, below: true}, 0.1, false},
		{goal{most: 0.1, below: true}, 0.09, true},
		{goal{most: 0.1}, math.NaN(), false},
	} {
		if got := c.goal.met(c.value); got != c.want {
			t.Errorf("%+v.met(%v) = %t", c.goal, c.value, got)
		}
	}
	var out strings.Builder
	if missed := threeRounds().judge(&out); missed != 0 || !strings.Contains(out.String(), "0.45 / 0.62 / 0.80") {
		t.Errorf("judge = %d:\n%s", missed, out.String())
	}
}

// TestGoalsAreOfLoads finds goals that nothing can ever be measured for.
func TestGoalsAreOfLoads(t *testing.T) {
	t.Parallel()
	known := map[string]bool{groupMemory: true, groupAllocations: true}
	for _, l := range loads() {
		if known[l.name] {
			t.Errorf("two loads are called %q", l.name)
		}
		known[l.name] = true
	}
	for _, g := range goals() {
		if !known[g.load] {
			t.Errorf("a goal of %q, which is no load", g.load)
		}
	}
}

func TestArrival(t *testing.T) {
	t.Parallel()
	control := make([]byte, unix.CmsgSpace(16))
	binary.NativeEndian.PutUint64(control, uint64(unix.CmsgLen(16)))
	binary.NativeEndian.PutUint32(control[8:], unix.SOL_SOCKET)
	binary.NativeEndian.PutUint32(control[12:], unix.SO_TIMESTAMPNS)
	binary.NativeEndian.PutUint64(control[16:], 3)
	binary.NativeEndian.PutUint64(control[24:], 5)
	if got, ok := arrival(control); !ok || got != 3*time.Second+5 {
		t.Errorf("arrival = %v, %t, want 3.000000005s", got, ok)
	}
	if got, ok := arrival(control[:16]); ok {
		t.Errorf("arrival of half a message = %v", got)
	}
}
