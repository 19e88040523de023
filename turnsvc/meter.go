package turnsvc

import (
	"sync/atomic"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/turnsvc/dataplane"
)

// shapeDivisor is by how much every allocation gets slower when most of the
// monthly budget is spent: voice and text still pass, films do not.
const shapeDivisor = 4

// headerBytes is what a datagram weighs beside its payload where providers count:
// IPv4 (20), UDP (8), and on the client's side ChannelData (4). IPv6, TCP and TLS
// weigh some more.
const headerBytes = 32

// A meter counts what the relays of a server carry and holds it to the limits.
// All relays share it.
type meter struct {
	bitrate atomic.Int64 // the Bitrate of each way of an allocation
	budget  *budget
	count   *counters
	start   time.Time // monotonic: a clock that is set changes nothing
}

func newMeter(cfg Config, count *counters, b *budget) *meter {
	m := &meter{budget: b, count: count, start: time.Now()}
	m.bitrate.Store(int64(cfg.MaxBitrate))
	return m
}

// now is the time of the buckets and of the permissions.
func (m *meter) now() time.Duration { return time.Since(m.start) }

// lets reports whether n bytes may pass the bucket now. What may not is dropped
// and counted.
func (m *meter) lets(way *bucket, n int, now time.Duration) bool {
	rate := m.rate()
	if rate < 0 || way.take(n, rate, now) {
		return true
	}
	m.count.bitrate.Add(1)
	return false
}

// rate is the bitrate at present. Where there is no limit and the budget runs
// out, there is one.
func (m *meter) rate() Bitrate {
	rate := Bitrate(m.bitrate.Load())
	switch {
	case !m.budget.shapes():
		return rate
	case rate < 0:
		return DefaultBitrate / shapeDivisor
	}
	return rate / shapeDivisor
}

// carriedOut counts a datagram from a client to a peer. A peer that is a relay of
// ours is reached within this machine, which costs nothing: so only one leg is
// spent.
func (m *meter) carriedOut(n int, within bool) {
	m.count.user.out.add(n)
	m.spend(n, within)
}

// carriedIn counts a datagram from a peer to a client.
func (m *meter) carriedIn(n int, within bool) {
	m.count.user.in.add(n)
	m.spend(n, within)
}

// carried counts what a plane has carried between two moments.
func (m *meter) carried(before, now dataplane.Counts) {
	in, out := now.In.Minus(before.In), now.Out.Minus(before.Out)
	m.count.kernel.note(in, out)
	m.count.bitrate.Add(now.Dropped - before.Dropped)
	m.spendAll(in, now.InWithin.Minus(before.InWithin))
	m.spendAll(out, now.OutWithin.Minus(before.OutWithin))
}

// spendAll is spend for many datagrams, of which some went within.
func (m *meter) spendAll(all, within dataplane.Traffic) {
	legs := func(t dataplane.Traffic) int64 { return int64(t.Bytes + t.Packets*headerBytes) }
	m.budget.spend(2*legs(all) - legs(within))
}

func (m *meter) spend(n int, within bool) { m.budget.spend(weight(n, within)) }

// weight is what a datagram of n bytes costs of the budget.
func weight(n int, within bool) int64 {
	leg := int64(n) + headerBytes
	if within {
		return leg
	}
	return 2 * leg
}
