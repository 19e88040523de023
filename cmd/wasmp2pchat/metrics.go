package main

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/wasmp2pchat/wasmp2pchat/internal/wsconn"
	"github.com/wasmp2pchat/wasmp2pchat/match"
	"github.com/wasmp2pchat/wasmp2pchat/signal"
	"github.com/wasmp2pchat/wasmp2pchat/turnsvc"
)

// metrics turns what the services count into what Prometheus reads. The
// services know nothing of it, and no label grows with the visitors.
func metrics(lobby *match.Lobby, waits waitTimes, rooms *signal.Rooms, relay *turnsvc.Server, guard *wsconn.Guard, f *front) *prometheus.Registry {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m := metricSet{registry}

	m.gauge("match_connections", "WebSockets open on /matchmaking.", func() int { return lobby.Stats().Connected })
	m.gauge("match_waiting", "Visitors who wait for a partner.", func() int { return lobby.Stats().Waiting })
	m.gauge("match_standby", "Pages that are connected to /matchmaking and have not asked for a partner.", func() int { return lobby.Stats().Standby })
	m.counter("match_pairs_total", "Pairs that were told of one another.", nil, func() uint64 { return lobby.Stats().Matches })
	m.counter("match_timeouts_total", "Visitors for whom nobody came.", nil, func() uint64 { return lobby.Stats().Timeouts })
	m.counter("match_reports_total", "Reports that count.", nil, func() uint64 { return lobby.Stats().Reports })
	m.counter("match_reoffers_total", "Visitors offered again because their partner did not come into the room.", nil, func() uint64 { return lobby.Stats().Reoffers })
	m.counter("match_warmed_total", "WAITING messages with ICE servers, to prepare a connection with.", nil, func() uint64 { return lobby.Stats().Warmed })
	m.gauge("match_bans", "Bans that hold.", func() int { return lobby.Stats().Bans })
	for reason := range lobby.Stats().Refusals {
		m.counter("match_refused_total", "ERROR messages on /matchmaking.", prometheus.Labels{"reason": reason}, func() uint64 { return lobby.Stats().Refusals[reason] })
	}
	registry.MustRegister(waits)
	f.metrics(m)

	m.gauge("signal_connections", "WebSockets open on /signaling.", func() int { return rooms.Stats().Connected })
	m.gauge("signal_rooms", "Rooms with somebody in them.", func() int { return rooms.Stats().Rooms })
	m.gauge("signal_standby", "WebSockets on /signaling whose clients have no room yet.", func() int { return rooms.Stats().Standby })
	m.counter("signal_standby_evicted_total", "WebSockets that stood by and gave way to others of their address.", nil, func() uint64 { return rooms.Stats().Evicted })
	m.counter("signal_accepted_total", "Seats given.", nil, func() uint64 { return rooms.Stats().Accepted })
	m.counter("signal_rejected_total", "Seats refused.", nil, func() uint64 { return rooms.Stats().Rejected })
	m.counter("signal_resumed_total", "Members that came back to their seat.", nil, func() uint64 { return rooms.Stats().Resumed })
	m.counter("signal_rebuilt_total", "Members that came back to a seat that they had before this server started.", nil, func() uint64 { return rooms.Stats().Rebuilt })
	m.counter("signal_absent_total", "Rooms to which the second member of a match did not come.", nil, func() uint64 { return rooms.Stats().Absent })
	m.counter("signal_refreshes_total", "Times that a member was sent fresh ICE servers.", nil, func() uint64 { return rooms.Stats().Refreshes })
	m.counter("signal_webhook_failures_total", "Webhook calls without a good answer.", nil, func() uint64 { return rooms.Stats().WebhookFailures })
	m.counter("signal_webhook_dropped_total", "Reports to the disconnect webhook that were not made.", nil, func() uint64 { return rooms.Stats().WebhookDropped })
	m.counter("signal_relayed_total", "Messages from one member for the other.", nil, func() uint64 { return rooms.Stats().Relayed })
	m.counter("signal_hidden_total", "Candidates that were not passed on, because their sender hides its addresses.", nil, func() uint64 { return rooms.Stats().Hidden })
	m.counter("signal_faults_total", "Connections closed for what they said.", nil, func() uint64 { return rooms.Stats().Faults })

	m.gauge("ws_connections", "WebSockets open in all.", func() int { return guard.Stats().Open })
	m.counter("ws_refused_total", "WebSockets refused before the upgrade.", refused("origin"), func() uint64 { return guard.Stats().RefusedOrigin })
	m.counter("ws_refused_total", "WebSockets refused before the upgrade.", refused("per_ip"), func() uint64 { return guard.Stats().RefusedPerAddr })
	m.counter("ws_refused_total", "WebSockets refused before the upgrade.", refused("rate"), func() uint64 { return guard.Stats().RefusedRate })
	m.counter("ws_refused_total", "WebSockets refused before the upgrade.", refused("full"), func() uint64 { return guard.Stats().RefusedTotal })

	m.relay(relay)
	return registry
}

// relay is what turnsvc counts.
func (m metricSet) relay(relay *turnsvc.Server) {
	m.gauge("turn_allocations", "TURN allocations that live.", func() int { return relay.Stats().Allocations })
	m.counter("turn_allocations_total", "TURN allocations made.", nil, func() uint64 { return relay.Stats().AllocationsTotal })
	m.counter("turn_introduced_total", "Visitors whose partner the relay was told of because they had credentials before the match.", nil, func() uint64 { return relay.Stats().Introduced })
	m.counter("turn_auth_failures_total", "TURN requests with a bad credential.", nil, func() uint64 { return relay.Stats().AuthFailures })
	m.counter("turn_refused_total", "What the relay refused.", refused("quota"), func() uint64 { return relay.Stats().RefusedQuota })
	m.counter("turn_refused_total", "What the relay refused.", refused("ports"), func() uint64 { return relay.Stats().RefusedPorts })
	m.counter("turn_refused_total", "What the relay refused.", refused("peer"), func() uint64 { return relay.Stats().RefusedPeer })
	m.counter("turn_refused_total", "What the relay refused.", refused("frame"), func() uint64 { return relay.Stats().RefusedFrames })
	m.counter("turn_refused_total", "What the relay refused.", refused("budget"), func() uint64 { return relay.Stats().RefusedBudget })
	m.counter("turn_refused_total", "What the relay refused.", refused("stranger"), func() uint64 { return relay.Stats().Silenced })
	m.counter("turn_refused_total", "What the relay refused.", refused("bitrate"), func() uint64 { return relay.Stats().DroppedBitrate })
	for code := range relay.Stats().Refused {
		m.counter("turn_errors_total", "Error answers by code; 401 and 438 are in the ordinary course of things.",
			prometheus.Labels{"code": strconv.Itoa(code)}, func() uint64 { return relay.Stats().Refused[code] })
	}
	family := func(name string) prometheus.Labels { return prometheus.Labels{"family": name} }
	for name, use := range map[string]func() turnsvc.PortUse{
		"ipv4": func() turnsvc.PortUse { return relay.Stats().PortsIPv4 },
		"ipv6": func() turnsvc.PortUse { return relay.Stats().PortsIPv6 },
	} {
		m.gaugeOf("turn_ports", "Relay ports that there are, TURN_RELAY_PORTS; 0 of a family without a public address.", family(name), func() int { return use().Size })
		m.gaugeOf("turn_ports_taken", "Relay ports that are bound.", family(name), func() int { return use().Taken })
	}
	m.counter("turn_ports_exhausted_total", "Allocations refused with 508 because no relay port was left: widen TURN_RELAY_PORTS.", nil, func() uint64 { return relay.Stats().RefusedPorts })
	m.gauge("turn_urls_withheld", "URLs of this relay that clients are not told because they were not reached; the log says why.", func() int { return relay.Stats().URLsWithheld })
	m.gauge("turn_budget_spent_bytes", "Relayed bytes of this month that count for TURN_MONTHLY_BUDGET.", func() int { return int(relay.Stats().BudgetSpent) })
	for plane := range relay.Stats().Carried {
		m.carried(plane, func() turnsvc.Carried { return relay.Stats().Carried[plane] })
	}
}

// carried is what a data plane has carried.
func (m metricSet) carried(plane turnsvc.DataPlane, now func() turnsvc.Carried) {
	way := func(direction string) prometheus.Labels {
		return prometheus.Labels{"direction": direction, "plane": plane.String()}
	}
	const bytes, packets = "turn_relayed_bytes_total", "turn_relayed_packets_total"
	m.counter(bytes, "Bytes relayed, by data plane.", way("to_client"), func() uint64 { return now().In.Bytes })
	m.counter(bytes, "Bytes relayed, by data plane.", way("to_peer"), func() uint64 { return now().Out.Bytes })
	m.counter(packets, "Datagrams relayed, by data plane.", way("to_client"), func() uint64 { return now().In.Packets })
	m.counter(packets, "Datagrams relayed, by data plane.", way("to_peer"), func() uint64 { return now().Out.Packets })
}

func refused(reason string) prometheus.Labels { return prometheus.Labels{"reason": reason} }

// waitTimes is how long visitors wait for a partner.
type waitTimes struct{ prometheus.Histogram }

func newWaitTimes() waitTimes {
	return waitTimes{prometheus.NewHistogram(prometheus.HistogramOpts{
		Namespace: "wasmp2pchat", Name: "match_wait_seconds", Help: "Time from a visitor's request, or the end of his cool-down, to his match.",
		Buckets: []float64{.01, .1, .5, 1, 2, 5, 10, 20, 30, 60, 120},
	})}
}

func (w waitTimes) observe(d time.Duration) { w.Observe(d.Seconds()) }

type metricSet struct{ registry *prometheus.Registry }

func (m metricSet) gauge(name, help string, read func() int) { m.gaugeOf(name, help, nil, read) }

func (m metricSet) gaugeOf(name, help string, labels prometheus.Labels, read func() int) {
	m.measure(name, help, labels, func() float64 { return float64(read()) })
}

func (m metricSet) measure(name, help string, labels prometheus.Labels, read func() float64) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(
		prometheus.GaugeOpts{Namespace: "wasmp2pchat", Name: name, Help: help, ConstLabels: labels}, read))
}

func (m metricSet) counter(name, help string, labels prometheus.Labels, read func() uint64) {
	m.registry.MustRegister(prometheus.NewCounterFunc(
		prometheus.CounterOpts{Namespace: "wasmp2pchat", Name: name, Help: help, ConstLabels: labels},
		func() float64 { return float64(read()) }))
}
