package main

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// table is one table of a document. It stands there between two comments
// with its name.
type table struct {
	name string
	head []string
	rows [][]string
}

func (t table) String() string {
	var b strings.Builder
	row := func(cells []string) { fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | ")) }
	row(t.head)
	row(strings.Split(strings.Repeat("--- ", len(t.head)-1)+"---", " "))
	for _, r := range t.rows {
		row(r)
	}
	return b.String()
}

// A pool is looked at for three minutes, after two in which it settles.
const (
	before  = 2 * time.Minute
	counted = 3 * time.Minute
)

// tables are those of docs/scaling.md.
func tables(seed uint64) []table {
	c, a := measured(), assumed()
	million, shardTable := bySharding(c, a, seed)
	return []table{
		byPool(a, seed),
		byNode(c, a),
		byRedis(c, a, seed),
		shardTable,
		byFleet(c, a, million),
		byTraffic(c, a),
	}
}

// byPool is how the size of a pool is felt by those who wait.
func byPool(a assumptions, seed uint64) table {
	t := table{name: "pool", head: []string{"visitors in one pool", "pairs a second", "half wait at most", "99 of 100 at most", "give up", "pairs with a shared tag, of those with tags"}}
	for _, n := range [...]int{10, 100, 1000, 10_000, 100_000} {
		r := newPool(n, a, seed).run(before, max(counted, counted*time.Duration(1000/n)))
		t.rows = append(t.rows, []string{count(float64(n)), figure(r.pairs), span(r.at50), span(r.at99), percent(r.gaveUp), percent(r.shared)})
	}
	return t
}

// byNode is what one core carries, if it did nothing else.
func byNode(c constants, a assumptions) table {
	pairs := 1 / c.pairCPU.Seconds()
	visitors := pairs * 2 * a.meeting().Seconds()
	chat := kinds(c)[0]
	return table{
		name: "node",
		head: []string{"a core that does nothing else", "all of it", percent(a.headroom) + " of it"},
		rows: [][]string{
			{"pairs a second, found, introduced and gone again", count(pairs), count(pairs * a.headroom)},
			{fmt.Sprintf("visitors at a time, with meetings of %.0f s", a.meeting().Seconds()), count(visitors), count(visitors * a.headroom)},
			{"relayed chats at a time", count(chat.perCore(c, a) / a.headroom), count(chat.perCore(c, a))},
			{"visitors with the allocations that TURN_MAX_ALLOCATIONS allows by default", count(maxAllocations / c.allocations), ""},
			{"visitors with the ports that TURN_RELAY_PORTS has by default", count(relayPorts / c.allocations), ""},
			{"GB of memory that give each 100,000 visitors their WebSocket; with TLS", fmt.Sprintf("%.2f; %.2f", c.connMemory/10, c.tlsMemory/10), ""},
			{"GB of memory that give them their allocations", fmt.Sprintf("%.1f", c.allocations*c.turnMemory/10), ""},
		},
	}
}

// byRedis is how long the core of Redis that has a pool lets a step wait.
func byRedis(c constants, a assumptions, seed uint64) table {
	t := table{name: "redis", head: []string{"pairs a second in one pool", "visitors", "steps in one call", "a step waits and takes, in the mean", "99 of 100 at most"}}
	for _, pairs := range [...]float64{100, 1000, 5000, 10_000, 20_000, 25_000} {
		mean, at99, clump := redisCore(c, a, pairs).sojourn(100_000, seed)
		t.rows = append(t.rows, []string{count(pairs), count(pairs * 2 * a.meeting().Seconds()), figure(clump), span(mean), span(at99)})
	}
	return t
}

// stepsPerPair is how often a pair has Redis work: two offers, Y and C.
const stepsPerPair = 4

// clump is how many steps the script does in one call at most, of all kinds.
const clump = 160

// redisCore is the core of Redis that has a pool with so many pairs a second. What a
// pair costs that comes alone is mostly calls; when many come they share them.
func redisCore(c constants, a assumptions, pairs float64) station {
	each := ((1-a.tagged)*c.redisMany.Seconds() + a.tagged*c.redisTags.Seconds()) / stepsPerPair
	call := c.redisAlone.Seconds()/stepsPerPair - each
	return station{rate: pairs * stepsPerPair, most: clump, service: func(_ *rand.Rand, n int) float64 { return call + float64(n)*each }}
}

// bySharding simulates the pools of a million visitors. It returns how many pairs
// they make a second together.
func bySharding(c constants, a assumptions, seed uint64) (pairs float64, t table) {
	const million = 1_000_000
	regions := []string{"region 1", "region 2", "region 3", "region 4"}
	languages := make([]string, 12)
	for i := range languages {
		languages[i] = fmt.Sprint("language ", i+1)
	}
	t = table{name: "shards", head: []string{"pool", "visitors", "pairs a second", "of a core of Redis, at most", "half wait at most", "99 of 100 at most"}}
	list := shards(million, regions, languages)
	for i, s := range list {
		r := newPool(s.visitors, a, seed+uint64(i)).run(30*time.Second, time.Minute)
		pairs += r.pairs
		if i == 0 || i == 1 || i == len(languages)-1 || i == len(list)-1 {
			t.rows = append(t.rows, []string{s.name, count(float64(s.visitors)), figure(r.pairs), percent(r.pairs * c.redisAlone.Seconds()), span(r.at50), span(r.at99)})
		}
	}
	t.rows = append(t.rows, []string{fmt.Sprintf("all %d", len(list)), count(million), figure(pairs), percent(pairs * c.redisAlone.Seconds()), "", ""})
	return pairs, t
}

// byFleet is what some fleets take.
func byFleet(c constants, a assumptions, million float64) table {
	t := table{name: "fleet", head: []string{"visitors at the peak", "pairs a second", "cores: nodes, relays, Redis", "GB: connections, allocations", "allocations; nodes that have the ports", "leaves the relays", "TB a month", "€ a month at " + prices(a) + " € a GB"}}
	for _, n := range [...]float64{10_000, 100_000, 1_000_000} {
		f := plan(n, million*n/1e6, c, a)
		t.rows = append(t.rows, []string{
			count(n), figure(f.pairs),
			fmt.Sprintf("%s, %s, %s", figure(f.pairCores/a.headroom), figure(f.relayCores/a.headroom), figure(f.redisCores/a.headroom)),
			fmt.Sprintf("%s, %s", figure(f.connGB), figure(f.relayGB)),
			count(f.allocations) + "; " + count(f.nodes), figure(f.relayMbit) + " Mbit/s", figure(f.relayTB), euros(func(p float64) float64 { return f.euros(a, p) }, a),
		})
	}
	return t
}

// byTraffic is what an hour on the relay takes and costs.
func byTraffic(c constants, a assumptions) table {
	t := table{name: "relay", head: []string{"an hour on the relay", "leaves, MB", "of a core, s", "at a time on half a core", "Mbit/s of these", "€ for 1,000 hours at " + prices(a) + " € a GB"}}
	for _, k := range kinds(c) {
		gb, cpu := k.hour(c)
		t.rows = append(t.rows, []string{
			k.name, figure(gb * 1000), figure(cpu), count(k.perCore(c, a)),
			figure(k.perCore(c, a) * gb * 8000 / 3600), euros(func(p float64) float64 { return gb * 1000 * p }, a),
		})
	}
	return t
}

func prices(a assumptions) string {
	return fmt.Sprintf("%g, %g, %g", a.perGB[0], a.perGB[1], a.perGB[2])
}

func euros(cost func(float64) float64, a assumptions) string {
	return fmt.Sprintf("%s, %s, %s", figure(cost(a.perGB[0])), figure(cost(a.perGB[1])), figure(cost(a.perGB[2])))
}

// count is a whole number with its thousands apart.
func count(x float64) string {
	digits := fmt.Sprintf("%.0f", x)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// figure is a number with two digits that count, and no more behind the point
// than these need.
func figure(x float64) string {
	switch {
	case x >= 10:
		return count(x)
	case x >= 1:
		return fmt.Sprintf("%.1f", x)
	default:
		return fmt.Sprintf("%.2g", x)
	}
}

func percent(x float64) string { return figure(x*100) + " %" }

// span is a time in the unit that suits it.
func span(d time.Duration) string {
	switch {
	case d < time.Microsecond:
		return "0"
	case d < time.Millisecond:
		return figure(float64(d.Nanoseconds())/1e3) + " µs"
	case d < time.Second:
		return figure(float64(d.Microseconds())/1e3) + " ms"
	default:
		return figure(d.Seconds()) + " s"
	}
}
