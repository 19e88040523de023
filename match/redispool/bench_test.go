package redispool_test

import (
	"fmt"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/redisdb/redistest"
	"github.com/wasmp2pchat/wasmp2pchat/match"
)

// counted is a visitor of whom it only counts that he was told.
type counted struct {
	told *atomic.Int64
	want int64
	done chan struct{}
}

func (c *counted) Presence() match.Presence { return match.Here }
func (c *counted) Probe()                   {}
func (c *counted) News(int)                 {}
func (c *counted) End(string)               {}
func (c *counted) Meet(match.Meeting) error {
	if c.told.Add(1) == c.want {
		close(c.done)
	}
	return nil
}

// BenchmarkPairs is what a pair costs Redis and everybody, from the offers of both
// to the second one's Meet. The claim: below 33 µs of Redis, so more than 30,000
// pairs a second on one core of it. "across" pairs people of two nodes only;
// "mixed" as they come; tags is how many each has.
func BenchmarkPairs(b *testing.B) {
	for _, c := range []struct {
		name   string
		across bool
		tags   int
		cfg    match.PoolConfig
	}{
		{name: "mixed"},
		{name: "mixed, every rule on", cfg: match.PoolConfig{Avoid: time.Minute, Crowd: 8}},
		{name: "across", across: true},
		{name: "across, every rule on", across: true, cfg: match.PoolConfig{Avoid: time.Minute, Crowd: 8}},
		{name: "mixed, tags=4", tags: 4},
	} {
		b.Run(c.name, func(b *testing.B) { benchPairs(b, c.across, c.tags, c.cfg) })
	}
}

func benchPairs(b *testing.B, across bool, tags int, cfg match.PoolConfig) {
	b.Helper()
	server := redistest.Start(b)
	nodes := []*node{
		startNode(b, connect(b, server.URL), "one", cfg),
		startNode(b, connect(b, server.URL), "two", cfg),
	}
	const burst = 4000 // pairs
	var cpu time.Duration
	pairs, users := 0, 0
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		told := new(atomic.Int64)
		visitor := &counted{told: told, want: 2 * burst, done: make(chan struct{})}
		tickets := make([]*match.Ticket, 2*burst)
		for i := range tickets {
			users++
			tickets[i] = &match.Ticket{
				Party: match.Party{User: fmt.Sprint("user-", users), Addr: netip.AddrFrom4([4]byte{10, byte(users >> 16), byte(users >> 8), byte(users)})},
				Since: time.Now(), Visitor: visitor,
			}
			if across {
				tickets[i].Tags = []string{fmt.Sprint("tag-", i/2)}
			}
			for t := range tags {
				tickets[i].Tags = append(tickets[i].Tags, fmt.Sprint("tag-", t, "-", i/2%7))
			}
		}
		before := server.CPU(b)
		b.StartTimer()
		for i, t := range tickets {
			nodes[i%2].Offer(t)
		}
		<-visitor.done
		b.StopTimer()
		cpu += server.CPU(b) - before
		pairs += burst
		for i, t := range tickets {
			nodes[i%2].Cancel(t)
		}
		b.StartTimer()
	}
	b.ReportMetric(cpu.Seconds()*1e6/float64(pairs), "redis-µs/pair")
	b.ReportMetric(float64(pairs)/cpu.Seconds(), "pairs/redis-s")
	b.ReportMetric(float64(pairs)/b.Elapsed().Seconds(), "pairs/s")
}
