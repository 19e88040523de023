package main

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/wasmp2pchat/wasmp2pchat/internal/fleet"
	"github.com/wasmp2pchat/wasmp2pchat/match/redispool"
	"github.com/wasmp2pchat/wasmp2pchat/signal/redisrooms"
	"github.com/wasmp2pchat/wasmp2pchat/turnsvc/relays"
)

// metrics are those of a node in a fleet; a process that is alone has none.
func (m *member) metrics() []prometheus.Collector {
	if m == nil {
		return nil
	}
	list := []prometheus.Collector{m.stateMetrics(), m.messageMetrics(), m.relayMetrics()}
	if m.pool != nil {
		list = append(list, m.poolMetrics())
	}
	if m.rooms != nil {
		list = append(list, m.roomMetrics())
	}
	return list
}

// fleetState is how the fleet is, as this node sees it.
type fleetState struct {
	up             bool
	losses         uint64 // of Redis
	open, draining int    // nodes
	differences    int
}

func (m *member) state() fleetState {
	s := fleetState{up: m.db.Up(), losses: m.db.Stats().Losses, differences: len(m.fleet.Differences())}
	for _, n := range m.fleet.Nodes() {
		if n.Draining {
			s.draining++
		} else {
			s.open++
		}
	}
	return s
}

func (m *member) stateMetrics() prometheus.Collector {
	t := newTable(m.state)
	t.gauge("redis_up", "1 if this node can use the Redis of its fleet; 0: it pairs its own visitors only, and /readyz says why.", func(s fleetState) int { return oneIf(s.up) })
	t.counter("redis_losses_total", "Times that Redis went, or came back without what was written.", func(s fleetState) uint64 { return s.losses })
	t.gauges("fleet_nodes", "Nodes that live as this one knows, itself included.", "state", func(s fleetState) map[string]int {
		return map[string]int{"open": s.open, "draining": s.draining}
	})
	t.gauge("fleet_secrets_differ", "In how many ways other nodes have other secrets than this one; /readyz has them in words.", func(s fleetState) int { return s.differences })
	return t
}

func (m *member) messageMetrics() prometheus.Collector {
	t := newTable(m.fleet.Stats)
	t.gauge("fleet_messages_queued", "Messages to other nodes that wait for Redis.", func(s fleet.Stats) int { return s.Queued })
	t.counters("fleet_messages_total", "Messages between this node and others.", "way", func(s fleet.Stats) map[string]uint64 {
		return map[string]uint64{"sent": s.Sent, "received": s.Received}
	})
	t.counters("fleet_messages_dropped_total", "Messages that nobody got: redis was away too long, the node was gone, too many came before it read, it read too late, they were too large, of a kind that this version does not know, or none.", "reason", func(s fleet.Stats) map[string]uint64 {
		return map[string]uint64{
			"redis": s.Dropped, "gone": s.Nobody, "many": s.Lost, "late": s.Old, "large": s.Refused, "unknown": s.Unknown, "bad": s.Bad,
		}
	})
	return t
}

// poolMetrics are how the pool of the fleet pairs.
func (m *member) poolMetrics() prometheus.Collector {
	t := newTable(m.pool.Stats)
	t.counters("pool_pairs_total", "Pairs of which this node has told the one who had waited, by where the other one was.", "partner", func(s redispool.Stats) map[string]uint64 {
		return map[string]uint64{"here": s.Local, "elsewhere": s.Pairs - min(s.Local, s.Pairs)}
	})
	t.gauge("pool_degraded", "1 if the pool does without Redis: it pairs the visitors of this node only.", func(s redispool.Stats) int { return oneIf(!s.Degraded.IsZero()) })
	t.gauge("pool_nodes", "Nodes whose visitors the pool pairs, this one included; 0: it does without Redis.", func(s redispool.Stats) int { return s.Nodes })
	t.gauge("pool_queued", "Visitors whose request Redis has not been told yet.", func(s redispool.Stats) int { return s.Queue })
	t.counters("pool_undone_total", "Pairs that did not come about, by why: the one who had waited was not there any more, or a node did not answer in time.", "reason", func(s redispool.Stats) map[string]uint64 {
		return map[string]uint64{"gone": s.Nacks, "unanswered": s.Unanswered}
	})
	t.counter("pool_reoffers_total", "Visitors offered again, at the head of the queue.", func(s redispool.Stats) uint64 { return s.Reoffers })
	t.counter("pool_epochs_total", "Leases taken: one at the start, and one each time that others took this node for lost.", func(s redispool.Stats) uint64 { return s.Epochs })
	t.counter("pool_lacking_total", "Visitors who wait and whom Redis had lost; they were offered again.", func(s redispool.Stats) uint64 { return s.Lacking })
	t.counters("pool_calls_total", "Calls of the script in Redis that pairs.", "result", func(s redispool.Stats) map[string]uint64 {
		return map[string]uint64{"ok": s.Calls - min(s.Failed, s.Calls), "failed": s.Failed}
	})
	t.counters("pool_dropped_total", "What came out of Redis and was of no use: it could not be read, or was for an earlier life of this node.", "reason", func(s redispool.Stats) map[string]uint64 {
		return map[string]uint64{"bad": s.Dropped, "late": s.Late}
	})
	return t
}

// roomMetrics are what goes between the rooms of nodes. What becomes of their
// members is signal's to count.
func (m *member) roomMetrics() prometheus.Collector {
	t := newTable(m.rooms.Stats)
	t.counter("rooms_claimed_total", "Times that Redis has said which node keeps a room.", func(s redisrooms.Stats) uint64 { return s.Claims })
	t.counters("rooms_frames_total", "Frames of rooms between this node and others.", "way", func(s redisrooms.Stats) map[string]uint64 {
		return map[string]uint64{"sent": s.Sent, "received": s.Received}
	})
	t.counters("rooms_frames_lost_total", "Frames that no node got: too many, there was no Redis, or the node was not there. They are sent again.", "reason", func(s redisrooms.Stats) map[string]uint64 {
		return map[string]uint64{"redis": s.Dropped, "gone": s.Unheard}
	})
	return t
}

// relayMetrics are how the relays of a fleet go together.
func (m *member) relayMetrics() prometheus.Collector {
	t := newTable(m.relays.Stats)
	t.gauge("relays_linked_rooms", "Rooms that have to do with the relays of several nodes.", func(s relays.Stats) int { return s.Links })
	t.gauge("relays_ends_waiting", "Ends of rooms that other nodes have yet to be told.", func(s relays.Stats) int { return s.Waiting })
	t.counters("relays_chosen_total", "Rooms of this node that were sent to another node's relay, because this one's was full, draining, over its budget or none; and rooms for which no relay took anybody.", "relay", func(s relays.Stats) map[string]uint64 {
		return map[string]uint64{"elsewhere": s.Away, "none": s.Nobody}
	})
	t.counters("relays_messages_total", "Messages of relays to one another: sent, understood, and refused as none.", "way", func(s relays.Stats) map[string]uint64 {
		return map[string]uint64{"sent": s.Told, "received": s.Heard, "refused": s.Refused}
	})
	t.counter("relays_unsaid_total", "Ends of rooms that other nodes were never told: too many waited for Redis.", func(s relays.Stats) uint64 { return s.Unsaid })
	t.counter("relays_shed_total", "Allocations ended because others had used up their limit at other nodes.", func(s relays.Stats) uint64 { return s.Shed })
	return t
}
