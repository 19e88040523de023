package main

import (
	"runtime"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/wasmp2pchat/wasmp2pchat/internal/succession"
	"github.com/wasmp2pchat/wasmp2pchat/internal/timeline"
	"github.com/wasmp2pchat/wasmp2pchat/internal/wsconn"
	"github.com/wasmp2pchat/wasmp2pchat/match"
	"github.com/wasmp2pchat/wasmp2pchat/signal"
	"github.com/wasmp2pchat/wasmp2pchat/turnsvc"
)

// metrics turns what the services count into what Prometheus reads. The
// services know nothing of it, and no label grows with the visitors.
// docs/operations.md has the list, generated.
func metrics(line *succession.Line, state *readiness, node *member, settings *reloader, client string, lobby *match.Lobby, waits waitTimes, rooms *signal.Rooms, relay *turnsvc.Server, guard *wsconn.Guard, f *front, events *timeline.Store) *prometheus.Registry {
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		buildInfo(client), state.metrics(), settings.metrics(), lineMetrics(line),
		matchMetrics(lobby, node), waits, signalMetrics(rooms), guardMetrics(guard), relayMetrics(relay), timelineMetrics(events),
	)
	registry.MustRegister(f.metrics()...)
	registry.MustRegister(node.metrics()...)
	return registry
}

// timelineMetrics is what became of rooms.
func timelineMetrics(events *timeline.Store) prometheus.Collector {
	t := newTable(events.Stats)
	t.gauge("timeline_rooms", "Rooms whose timelines are remembered.", func(s timeline.Stats) int { return s.Rooms })
	t.counters("rooms_ended_total", "Rooms that have ended, by what is said of them.", "verdict", func(s timeline.Stats) map[string]uint64 { return s.Verdicts })
	t.counters("ice_outcomes_total", "What clients say of ICE: the path that they have found, failed, or lost.", "path", func(s timeline.Stats) map[string]uint64 { return s.Outcomes })
	return t
}

// buildInfo is 1, and says in its labels what runs.
func buildInfo(client string) prometheus.Collector {
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Namespace: namespace, Name: "build_info", Help: "1; the labels say which build this is.",
		ConstLabels: prometheus.Labels{"version": buildVersion(), "client": client, "goversion": runtime.Version()},
	})
	info.Set(1)
	return info
}

// metrics are what /readyz says.
func (r *readiness) metrics() prometheus.Collector {
	t := newTable(r.notReady)
	t.gauge("ready", "1 if /readyz says that this server can serve.", func(why string) int { return oneIf(why == "") })
	t.gauge("draining", "1 if this server stops: nobody new is served.", func(why string) int { return oneIf(why == draining) })
	return t
}

func oneIf(so bool) int {
	if so {
		return 1
	}
	return 0
}

func matchMetrics(lobby *match.Lobby, node *member) prometheus.Collector {
	t := newTable(func() match.Stats { return node.ownOf(lobby.Stats()) })
	t.gauge("match_connections", "WebSockets open on /matchmaking.", func(s match.Stats) int { return s.Connected })
	t.gauge("match_waiting", "Visitors who wait for a partner.", func(s match.Stats) int { return s.Waiting })
	t.gauge("match_standby", "Pages that are connected to /matchmaking and have not asked for a partner.", func(s match.Stats) int { return s.Standby })
	t.counter("match_pairs_total", "Pairs that were told of one another.", func(s match.Stats) uint64 { return s.Matches })
	t.counter("match_timeouts_total", "Visitors for whom nobody came.", func(s match.Stats) uint64 { return s.Timeouts })
	t.counter("match_reports_total", "Reports that count.", func(s match.Stats) uint64 { return s.Reports })
	t.counter("match_reoffers_total", "Visitors offered again because their partner did not come into the room.", func(s match.Stats) uint64 { return s.Reoffers })
	t.counter("match_warmed_total", "WAITING messages with ICE servers, to prepare a connection with.", func(s match.Stats) uint64 { return s.Warmed })
	t.gauge("match_bans", "Bans that hold.", func(s match.Stats) int { return s.Bans })
	t.counters("match_refused_total", "ERROR messages on /matchmaking.", "reason", func(s match.Stats) map[string]uint64 { return s.Refusals })
	return t
}

func signalMetrics(rooms *signal.Rooms) prometheus.Collector {
	t := newTable(rooms.Stats)
	t.gauge("signal_connections", "WebSockets open on /signaling.", func(s signal.Stats) int { return s.Connected })
	t.gauge("signal_rooms", "Rooms with somebody in them.", func(s signal.Stats) int { return s.Rooms })
	t.gauge("signal_standby", "WebSockets on /signaling whose clients have no room yet.", func(s signal.Stats) int { return s.Standby })
	t.counter("signal_standby_evicted_total", "WebSockets that stood by and gave way to others of their address.", func(s signal.Stats) uint64 { return s.Evicted })
	t.counter("signal_accepted_total", "Seats given.", func(s signal.Stats) uint64 { return s.Accepted })
	t.counter("signal_rejected_total", "Seats refused.", func(s signal.Stats) uint64 { return s.Rejected })
	t.counter("signal_resumed_total", "Members that came back to their seat.", func(s signal.Stats) uint64 { return s.Resumed })
	t.counter("signal_rebuilt_total", "Members that came back to a seat that they had before this server started.", func(s signal.Stats) uint64 { return s.Rebuilt })
	t.counter("signal_absent_total", "Rooms to which the second member of a match did not come.", func(s signal.Stats) uint64 { return s.Absent })
	t.counter("signal_refreshes_total", "Times that a member was sent fresh ICE servers.", func(s signal.Stats) uint64 { return s.Refreshes })
	t.counter("signal_webhook_failures_total", "Webhook calls without a good answer.", func(s signal.Stats) uint64 { return s.WebhookFailures })
	t.counter("signal_webhook_dropped_total", "Reports to the disconnect webhook that were not made.", func(s signal.Stats) uint64 { return s.WebhookDropped })
	t.counter("signal_relayed_total", "Messages from one member for the other.", func(s signal.Stats) uint64 { return s.Relayed })
	t.counter("signal_hidden_total", "Candidates that were not passed on, because their sender hides its addresses.", func(s signal.Stats) uint64 { return s.Hidden })
	t.gauge("signal_proxied", "WebSockets here whose rooms other nodes keep.", func(s signal.Stats) int { return s.Proxied })
	t.gauge("signal_hosted", "Members of rooms of this node whose WebSockets are at other nodes.", func(s signal.Stats) int { return s.Hosted })
	t.counters("signal_links_total", "What became of members and rooms across nodes: links given up in silence, rooms taken over from nodes that did not answer, rooms that others took over.", "event", func(s signal.Stats) map[string]uint64 {
		return map[string]uint64{"lost": s.Lost, "taken_over": s.TakenOver, "moved": s.Moved}
	})
	t.counter("signal_resent_total", "Frames sent to other nodes again.", func(s signal.Stats) uint64 { return s.Resent })
	t.counter("signal_faults_total", "Connections closed for what they said.", func(s signal.Stats) uint64 { return s.Faults })
	return t
}

func guardMetrics(guard *wsconn.Guard) prometheus.Collector {
	t := newTable(guard.Stats)
	t.gauge("ws_connections", "WebSockets open in all.", func(s wsconn.GuardStats) int { return s.Open })
	t.counters("ws_refused_total", "WebSockets refused before the upgrade.", "reason", func(s wsconn.GuardStats) map[string]uint64 {
		return map[string]uint64{"origin": s.RefusedOrigin, "per_ip": s.RefusedPerAddr, "rate": s.RefusedRate, "full": s.RefusedTotal}
	})
	return t
}

func relayMetrics(relay *turnsvc.Server) prometheus.Collector {
	t := newTable(relay.Stats)
	t.gauge("turn_allocations", "TURN allocations that live.", func(s turnsvc.Stats) int { return s.Allocations })
	t.gauge("turn_allocations_limit", "TURN allocations that may live at once: TURN_MAX_ALLOCATIONS, or fewer where descriptors are few.", func(s turnsvc.Stats) int { return s.AllocationsLimit })
	t.gauge("turn_connections", "Connections to TURN over TCP and TLS, those of the public port included.", func(s turnsvc.Stats) int { return s.Connections })
	t.counter("turn_allocations_total", "TURN allocations made.", func(s turnsvc.Stats) uint64 { return s.AllocationsTotal })
	t.counter("turn_introduced_total", "Visitors whose partner the relay was told of because they had credentials before the match.", func(s turnsvc.Stats) uint64 { return s.Introduced })
	t.counters("turn_authenticated_total", "TURN requests that were signed rightly, by which of the secrets: 0 is the newest.", "secret", func(s turnsvc.Stats) map[string]uint64 {
		by := make(map[string]uint64, len(s.AuthBySecret))
		for i, n := range s.AuthBySecret {
			by[strconv.Itoa(i)] = n
		}
		return by
	})
	t.counter("turn_auth_failures_total", "TURN requests with a bad credential.", func(s turnsvc.Stats) uint64 { return s.AuthFailures })
	t.counters("turn_refused_total", "What the relay refused; passage: a datagram for which an older process had no time.", "reason", func(s turnsvc.Stats) map[string]uint64 {
		return map[string]uint64{
			"quota": s.RefusedQuota, "ports": s.RefusedPorts, "peer": s.RefusedPeer, "frame": s.RefusedFrames,
			"budget": s.RefusedBudget, "stranger": s.Silenced, "bitrate": s.DroppedBitrate, "passage": s.HandedOnLost,
		}
	})
	t.counters("turn_errors_total", "Error answers by code; 401 and 438 are in the ordinary course of things.", "code", func(s turnsvc.Stats) map[string]uint64 {
		byCode := make(map[string]uint64, len(s.Refused))
		for code, n := range s.Refused {
			byCode[strconv.Itoa(code)] = n
		}
		return byCode
	})
	t.gauges("turn_ports", "Relay ports that there are, TURN_RELAY_PORTS; 0 of a family without a public address.", "family", func(s turnsvc.Stats) map[string]int {
		return map[string]int{"ipv4": s.PortsIPv4.Size, "ipv6": s.PortsIPv6.Size}
	})
	t.gauges("turn_ports_taken", "Relay ports that are bound.", "family", func(s turnsvc.Stats) map[string]int {
		return map[string]int{"ipv4": s.PortsIPv4.Taken, "ipv6": s.PortsIPv6.Taken}
	})
	t.counter("turn_ports_exhausted_total", "Allocations refused with 508 because no relay port was left: widen TURN_RELAY_PORTS.", func(s turnsvc.Stats) uint64 { return s.RefusedPorts })
	t.gauge("turn_urls_withheld", "URLs of this relay that clients are not told because they were not reached; the log says why.", func(s turnsvc.Stats) int { return s.URLsWithheld })
	t.gauge("turn_budget_spent_bytes", "Relayed bytes of this month that count for TURN_MONTHLY_BUDGET, in a fleet those of all nodes.", func(s turnsvc.Stats) int { return int(s.BudgetSpent + s.BudgetAway) })
	t.gauge("turn_budget_limit_bytes", "TURN_MONTHLY_BUDGET; 0: none.", func(s turnsvc.Stats) int { return int(s.BudgetLimit) })
	t.counter("turn_budget_save_failures_total", "Times that what was spent could not be written to STATE_DIR.", func(s turnsvc.Stats) uint64 { return s.BudgetUnsaved })
	carried(t, "turn_relayed_bytes_total", "Bytes relayed, by data plane.", func(c turnsvc.Carried) (in, out uint64) { return c.In.Bytes, c.Out.Bytes })
	carried(t, "turn_relayed_packets_total", "Datagrams relayed, by data plane.", func(c turnsvc.Carried) (in, out uint64) { return c.In.Packets, c.Out.Packets })
	return t
}

// carried adds what each data plane has carried each way.
func carried(t *table[turnsvc.Stats], name, help string, of func(turnsvc.Carried) (in, out uint64)) {
	t.add(prometheus.CounterValue, name, help, []string{"direction", "plane"}, func(s turnsvc.Stats, is sample) {
		for plane, carried := range s.Carried {
			in, out := of(carried)
			is(float64(in), "to_client", plane.String())
			is(float64(out), "to_peer", plane.String())
		}
	})
}

// waitTimes is how long visitors wait for a partner.
type waitTimes struct{ prometheus.Histogram }

func newWaitTimes() waitTimes {
	return waitTimes{prometheus.NewHistogram(prometheus.HistogramOpts{
		Namespace: namespace, Name: "match_wait_seconds", Help: "Time from a visitor's request, or the end of his cool-down, to his match.",
		Buckets: []float64{.01, .1, .5, 1, 2, 5, 10, 20, 30, 60, 120},
	})}
}

func (w waitTimes) observe(d time.Duration) { w.Observe(d.Seconds()) }
