package fleet

import "sync/atomic"

// Stats are counts since the start, and how much waits.
type Stats struct {
	Nodes    int    // that live, this one included
	Queued   int    // messages that wait for Redis
	Sent     uint64 // messages written to another node's stream
	Received uint64 // messages handed to somebody

	// Messages that nobody got.
	Refused uint64 // too large, or to what is no id: Tell's caller is wrong
	Dropped uint64 // Redis was away, and they were too many or too old
	Nobody  uint64 // the node was gone
	Lost    uint64 // too many came before this node read them; about, while it reads
	Old     uint64 // this node read them too late
	Unknown uint64 // of a kind that this version does not know
	Bad     uint64 // messages and announcements that are none
}

// counters are what Stats counts.
type counters struct {
	sent, received, refused, nobody, lost, old, unknown, bad atomic.Uint64
}

// Stats returns the counts.
func (f *Fleet) Stats() Stats {
	f.post.mu.Lock()
	queued, dropped := len(f.post.queue), f.post.dropped
	f.post.mu.Unlock()
	c := &f.stats
	return Stats{
		Nodes: len(f.Nodes()), Queued: queued, Dropped: dropped,
		Sent: c.sent.Load(), Received: c.received.Load(), Refused: c.refused.Load(), Nobody: c.nobody.Load(),
		Lost: c.lost.Load(), Old: c.old.Load(), Unknown: c.unknown.Load(), Bad: c.bad.Load(),
	}
}
