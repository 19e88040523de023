package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
)

// near fails unless got is within a share of want.
func near(t *testing.T, what string, got, want, within float64) {
	t.Helper()
	if math.Abs(got-want) > within*want {
		t.Errorf("%s is %.4g, want %.4g within %.0f %%", what, got, want, within*100)
	}
}

// TestOneByOne: without tags at most one waits, and everybody meets the next who
// comes. Half of them find somebody; the others wait for the next arrival, so
// P(wait > t) = exp(-t·rate) / 2.
func TestOneByOne(t *testing.T) {
	t.Parallel()
	a := assumed()
	a.tagged, a.again, a.patience = 0, 0, 1000*time.Hour
	const visitors = 3000
	r := newPool(visitors, a, 1).run(time.Hour, 4*time.Hour)
	rate := visitors / a.meeting().Seconds() // nobody comes again
	near(t, "pairs a second", r.pairs, rate/2, 0.02)
	near(t, "the wait of 99 of 100", r.at99.Seconds(), math.Log(50)/rate, 0.03)
	if r.at50 > time.Duration(1e9/rate/10) {
		t.Errorf("half wait %v, want next to nothing", r.at50)
	}
	near(t, "visitors", r.visitors, visitors+0.5, 0.03) // Little: rate × (meeting + 1 / 2 rate)
}

// TestGivesUp: with people who are impatient the pool is a birth-death process of
// two states. Of those who come, p₀ = (λ+θ) / (2λ+θ) find nobody, and θ / (λ+θ) of
// these leave.
func TestGivesUp(t *testing.T) {
	t.Parallel()
	a := assumed()
	a.tagged, a.again, a.patience = 0, 0, 5*time.Second
	const visitors = 30
	r := newPool(visitors, a, 1).run(time.Hour, 200*time.Hour)
	rate, leave := visitors/a.meeting().Seconds(), 1/a.patience.Seconds()
	near(t, "who gives up", r.gaveUp, leave/(2*rate+leave), 0.02)
}

// TestEverybodyLikesTheSame: one tag is as good as none.
func TestEverybodyLikesTheSame(t *testing.T) {
	t.Parallel()
	a := assumed()
	a.tagged, a.tags, a.mostTags, a.again, a.patience = 1, 1, 1, 0, 1000*time.Hour
	const visitors = 3000
	r := newPool(visitors, a, 1).run(time.Hour, 4*time.Hour)
	near(t, "the wait of 99 of 100", r.at99.Seconds(), math.Log(50)*a.meeting().Seconds()/visitors, 0.03)
	near(t, "the pairs with a shared tag", r.shared, 1, 1e-9)
}

// TestNobodyLikesTheSame: who shares no tag with anybody waits until both have
// waited for tagWait.
func TestNobodyLikesTheSame(t *testing.T) {
	t.Parallel()
	a := assumed()
	a.tagged, a.tags, a.zipf, a.mostTags, a.again, a.patience = 1, 1_000_000, 0, 1, 0, 1000*time.Hour
	const visitors = 3000
	r := newPool(visitors, a, 1).run(time.Hour, time.Hour)
	if r.at50 < tagWait || r.at50 > tagWait+100*time.Millisecond || r.shared > 0.001 {
		t.Errorf("half wait %v and %v share a tag, want %v and hardly anybody", r.at50, r.shared, tagWait)
	}
}

// TestNobodyIsInTwoPlaces: whoever is here waits or is in one meeting.
func TestNobodyIsInTwoPlaces(t *testing.T) {
	t.Parallel()
	p := newPool(1000, assumed(), 1)
	p.run(time.Minute, 10*time.Minute)
	waiting, meetings := map[*person]bool{}, map[*person]bool{}
	for _, e := range p.agenda {
		if e.who == nil || e.turn != e.who.turn {
			continue
		}
		switch e.what {
		case givesUp:
			waiting[e.who] = true
		case parts:
			meetings[e.who] = true
			if o := e.who.partner; o == nil || o.partner != e.who || waiting[o] || o.waits {
				t.Fatal("somebody's partner is not his")
			}
		}
	}
	if len(waiting) != p.waiting || len(waiting)+2*len(meetings) != p.here {
		t.Errorf("%d wait and %d meet, want %d who wait of %d", len(waiting), len(meetings), p.waiting, p.here)
	}
}

// TestStation holds the queue to what is known of M/M/1 and M/D/1 (Pollaczek and
// Khinchine), and that what is served together costs the call once.
func TestStation(t *testing.T) {
	t.Parallel()
	const rate, mean = 700.0, 0.001 // so it is busy for 0.7 of the time
	random := station{rate: rate, most: 1, service: func(r *rand.Rand, _ int) float64 { return r.ExpFloat64() * mean }}
	got, at99, _ := random.sojourn(500_000, 1)
	near(t, "the mean of M/M/1", got.Seconds(), 1/(1/mean-rate), 0.05)
	near(t, "99 of 100 of M/M/1", at99.Seconds(), math.Log(100)/(1/mean-rate), 0.06)

	fixed := station{rate: rate, most: 1, service: func(*rand.Rand, int) float64 { return mean }}
	got, _, _ = fixed.sojourn(500_000, 1)
	near(t, "the mean of M/D/1", got.Seconds(), mean+0.7*mean/(2*0.3), 0.03)

	const call, each = 0.001, 0.0001 // clumps of n take call + n·each, in which n = rate × that come
	clumps := station{rate: 5000, most: 1000, service: func(_ *rand.Rand, n int) float64 { return call + float64(n)*each }}
	_, _, n := clumps.sojourn(500_000, 1)
	near(t, "the clump", n, 5000*call/(1-5000*each), 0.1)
}

func TestZipf(t *testing.T) {
	t.Parallel()
	sums := zipf(4, 1)
	for i, want := range [...]float64{12. / 25, 18. / 25, 22. / 25, 1} {
		near(t, "the sum", sums[i], want, 1e-9)
	}
	total := 0
	for _, s := range shards(1_000_000, make([]string, 4), make([]string, 12)) {
		total += s.visitors
	}
	near(t, "everybody in a pool", float64(total), 1_000_000, 1e-4)
}

// read is a document.
func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestConstantsAreMeasured holds the constants to the table of what was measured.
func TestConstantsAreMeasured(t *testing.T) {
	t.Parallel()
	_, section, found := strings.Cut(read(t, "../benchmarks.md"), "## The constants of the plan\n")
	if !found {
		t.Fatal("docs/benchmarks.md has no constants")
	}
	rows := regexp.MustCompile(`(?m)^\| ([^|]+) \| ([0-9.,]+) (µs|kB|bytes|packets|allocations) \| `).FindAllStringSubmatch(section, -1)
	c := measured()
	us := func(d time.Duration) float64 { return float64(d) / 1e3 }
	want := []float64{
		us(c.pairCPU), us(c.fleetCPU), c.connMemory, c.tlsMemory, us(c.redisAlone), us(c.redisMany), us(c.redisTags),
		us(c.relayCPU), us(c.kernelCPU), c.turnMemory, c.allocations, c.chatPackets, c.chatBytes,
	}
	if len(rows) != len(want) {
		t.Fatalf("docs/benchmarks.md has %d constants, want %d", len(rows), len(want))
	}
	for i, row := range rows {
		if row[2] != strconv.FormatFloat(want[i], 'f', -1, 64) {
			t.Errorf("docs/benchmarks.md says %s of %q, the plan has %s", row[2], row[1], strconv.FormatFloat(want[i], 'f', -1, 64))
		}
	}
}

// TestTablesAreThePlans holds the documents to what the program prints. What a
// simulation comes to depends on the last digit of a float, which is not the same
// on every processor.
func TestTablesAreThePlans(t *testing.T) {
	t.Parallel()
	if runtime.GOARCH != "amd64" {
		t.Skip("the tables were made on amd64")
	}
	for _, d := range documents(1) {
		text := read(t, "../../"+d.name)
		filled, err := fill(text, d.tables)
		if err != nil {
			t.Fatalf("%s: %v", d.name, err)
		}
		if filled != text {
			t.Errorf("%s is not what the plan says: go run ./docs/plan -write", d.name)
		}
	}
}

// TestDefaultsAreThoseOfTheProgram holds the plan's idea of the settings to those
// that there are.
func TestDefaultsAreThoseOfTheProgram(t *testing.T) {
	t.Parallel()
	for file, lines := range map[string][]string{
		"../settings.md": {
			fmt.Sprintf("| TURN_MAX_ALLOCATIONS | `%d` |", maxAllocations), fmt.Sprintf("| TURN_RELAY_PORTS | `%d-65535` |", 65536-relayPorts),
		},
		"../../configs/wasmp2pchat.service": {fmt.Sprintf("\nLimitNOFILE=%d\n", unitDescriptors)},
	} {
		text := read(t, file)
		for _, line := range lines {
			if !strings.Contains(text, line) {
				t.Errorf("%s has no %q", file, line)
			}
		}
	}
}

// TestTheSettingsCarryTheirVisitors holds what docs/capacity.md says to write to the
// limits that the same document knows.
func TestTheSettingsCarryTheirVisitors(t *testing.T) {
	t.Parallel()
	c := measured()
	for _, row := range bySetting(c, assumed()).rows {
		var n [3]float64
		for i, at := range [...]int{0, 1, 3} {
			x, err := strconv.ParseFloat(strings.ReplaceAll(row[at], ",", ""), 64)
			if err != nil {
				t.Fatal(err)
			}
			n[i] = x
		}
		visitors, allocations, descriptors := n[0], n[1], n[2]
		if visitors*c.allocations > min(allocations, quarter(descriptors)) || visitors*streams > quarter(descriptors) {
			t.Errorf("%v does not do for %v visitors", row, visitors)
		}
	}
}
