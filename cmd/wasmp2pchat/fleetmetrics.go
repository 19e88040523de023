package main

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/wasmp2pchat/wasmp2pchat/internal/fleet"
)

// metrics are those of a node in a fleet; a process that is alone has none.
func (m *member) metrics() []prometheus.Collector {
	if m == nil {
		return nil
	}
	return []prometheus.Collector{m.stateMetrics(), m.messageMetrics()}
}

// fleetState is how the fleet is, as this node sees it.
type fleetState struct {
	up             bool
	open, draining int // nodes
	differences    int
}

func (m *member) state() fleetState {
	s := fleetState{up: m.db.Up(), differences: len(m.fleet.Differences())}
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
