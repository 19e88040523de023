package main

// dashboardRows are what configs/grafana-dashboard.json shows, from the people
// down to the machine. $i stands for the instances that were chosen.
func dashboardRows() []dashboardRow {
	return []dashboardRow{
		{"Now", showNow()},
		{"People", showPeople()},
		{"Chats", showChats()},
		{"Relay", showRelay()},
		{"Fleet", showFleet()},
		{"Refusals", showRefusals()},
		{"Machine", showMachine()},
	}
}

func showNow() []panel {
	return []panel{
		stat("Ready", "Servers that can serve, and that cannot.", "none", q("serve", `count(wasmp2pchat_ready{$i} == 1) or vector(0)`), q("do not", `count(wasmp2pchat_ready{$i} == 0) or vector(0)`)),
		stat("Look for a partner", "Visitors who wait now.", "none", q("wait", `sum(wasmp2pchat_match_waiting{$i})`)),
		stat("Rooms", "With somebody in them; direct chats go on without theirs.", "none", q("rooms", `sum(wasmp2pchat_signal_rooms{$i})`)),
		stat("Relayed", "What goes through the relay now, both ways.", "bps", q("relayed", `8 * sum(rate(wasmp2pchat_turn_relayed_bytes_total{$i}[$__rate_interval]))`)),
		stat("Certificate", "Until it runs out.", "s", q("{{instance}}", `(wasmp2pchat_certificate_expiry_timestamp_seconds{$i} > 0) - time()`)),
		stat("Runs", "Since its start.", "s", q("{{instance}} {{version}}", `(time() - process_start_time_seconds{$i}) * on (instance) group_left (version) wasmp2pchat_build_info{$i}`)),
	}
}

func showPeople() []panel {
	return []panel{
		chart("Connections", "WebSockets by what they are for. Who stands by has opened the page and has not pressed START.", "none",
			q("looking for a partner", `sum(wasmp2pchat_match_connections{$i} - wasmp2pchat_match_standby{$i})`),
			q("in a room", `sum(wasmp2pchat_signal_connections{$i} - wasmp2pchat_signal_standby{$i})`),
			q("standing by", `sum(wasmp2pchat_match_standby{$i})`), q("in all", `sum(wasmp2pchat_ws_connections{$i})`)),
		chart("Waiting", "Visitors in the pool.", "none", q("{{instance}}", `wasmp2pchat_match_waiting{$i}`)),
		chart("Time to match", "From START to a partner: half, nine in ten and 99 in 100 waited no longer.", "s",
			q("half", `histogram_quantile(0.5, sum by (le) (rate(wasmp2pchat_match_wait_seconds_bucket{$i}[$__rate_interval])))`),
			q("9 in 10", `histogram_quantile(0.9, sum by (le) (rate(wasmp2pchat_match_wait_seconds_bucket{$i}[$__rate_interval])))`),
			q("99 in 100", `histogram_quantile(0.99, sum by (le) (rate(wasmp2pchat_match_wait_seconds_bucket{$i}[$__rate_interval])))`)),
		chart("Matches a minute", "Pairs made, and visitors for whom nobody came.", "none",
			q("pairs", `60 * sum(rate(wasmp2pchat_match_pairs_total{$i}[$__rate_interval]))`),
			q("nobody came", `60 * sum(rate(wasmp2pchat_match_timeouts_total{$i}[$__rate_interval]))`)),
		chart("Reports and bans", "Bans that hold, and reports an hour.", "none",
			q("bans", `sum(wasmp2pchat_match_bans{$i})`),
			q("reports an hour", `3600 * sum(rate(wasmp2pchat_match_reports_total{$i}[$__rate_interval]))`)),
	}
}

func showChats() []panel {
	return []panel{
		chart("Rooms", "With somebody in them.", "none", q("{{instance}}", `wasmp2pchat_signal_rooms{$i}`)),
		chart("Seats a second", "Given, refused, and taken again after a loss of connection or a restart.", "ops",
			q("given", `sum(rate(wasmp2pchat_signal_accepted_total{$i}[$__rate_interval]))`),
			q("refused", `sum(rate(wasmp2pchat_signal_rejected_total{$i}[$__rate_interval]))`),
			q("resumed", `sum(rate(wasmp2pchat_signal_resumed_total{$i}[$__rate_interval]))`),
			q("rebuilt after a restart", `sum(rate(wasmp2pchat_signal_rebuilt_total{$i}[$__rate_interval]))`)),
		chart("Partners who did not come", "Rooms with one member, and how many of them were offered again.", "ops",
			q("absent", `sum(rate(wasmp2pchat_signal_absent_total{$i}[$__rate_interval]))`),
			q("offered again", `sum(rate(wasmp2pchat_match_reoffers_total{$i}[$__rate_interval]))`)),
		chart("Signaling", "Messages passed on, candidates held back for who hides, and fresh ICE servers.", "ops",
			q("messages", `sum(rate(wasmp2pchat_signal_relayed_total{$i}[$__rate_interval]))`),
			q("hidden candidates", `sum(rate(wasmp2pchat_signal_hidden_total{$i}[$__rate_interval]))`),
			q("fresh ICE servers", `sum(rate(wasmp2pchat_signal_refreshes_total{$i}[$__rate_interval]))`)),
		chart("How they are connected", "What clients say of ICE: the path that they have found, failed, or lost.", "ops",
			q("{{path}}", `sum by (path) (rate(wasmp2pchat_ice_outcomes_total{$i}[$__rate_interval]))`)),
		chart("What became of rooms", "Those that have ended, by the verdict of their timeline, a minute; and timelines that are remembered.", "none",
			q("{{verdict}}", `60 * sum by (verdict) (rate(wasmp2pchat_rooms_ended_total{$i}[$__rate_interval]))`),
			q("remembered", `sum(wasmp2pchat_timeline_rooms{$i})`)),
		chart("Prepared before the match", "Visitors who were given ICE servers while they waited, and those of whose partner the relay learned.", "ops",
			q("prepared", `sum(rate(wasmp2pchat_match_warmed_total{$i}[$__rate_interval]))`),
			q("introduced", `sum(rate(wasmp2pchat_turn_introduced_total{$i}[$__rate_interval]))`)),
		chart("Webhooks", "Calls that failed, and reports that were not made.", "ops",
			q("failed", `sum(rate(wasmp2pchat_signal_webhook_failures_total{$i}[$__rate_interval]))`),
			q("dropped", `sum(rate(wasmp2pchat_signal_webhook_dropped_total{$i}[$__rate_interval]))`)),
	}
}

func showRelay() []panel {
	return []panel{
		chart("Allocations", "That live, and how many may.", "none",
			q("{{instance}}", `wasmp2pchat_turn_allocations{$i}`), q("limit of {{instance}}", `wasmp2pchat_turn_allocations_limit{$i}`),
			q("made a minute at {{instance}}", `60 * rate(wasmp2pchat_turn_allocations_total{$i}[$__rate_interval])`)),
		chart("Traffic", "Payload by way and data plane.", "bps",
			q("{{direction}}, {{plane}}", `8 * sum by (direction, plane) (rate(wasmp2pchat_turn_relayed_bytes_total{$i}[$__rate_interval]))`)),
		chart("Packets", "By way and data plane.", "pps",
			q("{{direction}}, {{plane}}", `sum by (direction, plane) (rate(wasmp2pchat_turn_relayed_packets_total{$i}[$__rate_interval]))`)),
		chart("Ports taken", "Of TURN_RELAY_PORTS, by family.", "percentunit",
			q("{{instance}} {{family}}", `wasmp2pchat_turn_ports_taken{$i} / (wasmp2pchat_turn_ports{$i} > 0)`)),
		chart("Traffic of this month", "What counts for TURN_MONTHLY_BUDGET, and the budget; 0: none.", "bytes",
			q("spent by {{instance}}", `wasmp2pchat_turn_budget_spent_bytes{$i}`), q("budget of {{instance}}", `wasmp2pchat_turn_budget_limit_bytes{$i}`)),
		chart("TURN over TCP and TLS", "Connections.", "none", q("{{instance}}", `wasmp2pchat_turn_connections{$i}`)),
		chart("What ought not to be", "URLs that are not offered, sources that disagree, times that what was spent could not be saved, servers whose settings SIGHUP could not use.", "none",
			q("URLs withheld", `sum(wasmp2pchat_turn_urls_withheld{$i})`), q("contradictions", `sum(wasmp2pchat_address_contradictions{$i})`),
			q("not saved", `sum(wasmp2pchat_turn_budget_save_failures_total{$i})`), q("settings refused", `sum(1 - wasmp2pchat_config_last_reload_successful{$i})`)),
		chart("Where addresses are from", "1 for the source that is trusted most.", "none",
			q("{{instance}} {{family}}: {{source}}", `wasmp2pchat_address_source{$i} == 1`)),
	}
}

func showFleet() []panel {
	return []panel{
		chart("Redis", "1: the node can use it. Without it each node pairs its own visitors.", "none", q("{{instance}}", `wasmp2pchat_redis_up{$i}`)),
		chart("Nodes", "That live, as each one knows; and in how many ways their secrets differ, which ought to be none.", "none",
			q("{{state}}, says {{instance}}", `wasmp2pchat_fleet_nodes{$i}`), q("differences, says {{instance}}", `wasmp2pchat_fleet_secrets_differ{$i}`)),
		chart("Messages between nodes", "Sent and received a second, and those that wait for Redis.", "none",
			q("{{way}} a second", `sum by (way) (rate(wasmp2pchat_fleet_messages_total{$i}[$__rate_interval]))`), q("wait", `sum(wasmp2pchat_fleet_messages_queued{$i})`)),
		chart("Pairs across nodes", "A minute, by where the partner of the one who waited was; and those that did not come about.", "none",
			q("{{partner}}", `60 * sum by (partner) (rate(wasmp2pchat_pool_pairs_total{$i}[$__rate_interval]))`),
			q("undone: {{reason}}", `60 * sum by (reason) (rate(wasmp2pchat_pool_undone_total{$i}[$__rate_interval]))`)),
		chart("The pool", "Nodes that it pairs, who does without Redis, and visitors whose request Redis has yet to hear.", "none",
			q("nodes, says {{instance}}", `wasmp2pchat_pool_nodes{$i}`), q("without Redis: {{instance}}", `wasmp2pchat_pool_degraded{$i}`), q("queued at {{instance}}", `wasmp2pchat_pool_queued{$i}`)),
		chart("Calls to Redis", "Of the pool, a second; leases taken, requests made again, and what was of no use, a minute.", "none",
			q("calls: {{result}}", `sum by (result) (rate(wasmp2pchat_pool_calls_total{$i}[$__rate_interval]))`),
			q("leases a minute", `60 * sum(rate(wasmp2pchat_pool_epochs_total{$i}[$__rate_interval]))`),
			q("offered again a minute", `60 * sum(rate(wasmp2pchat_pool_reoffers_total{$i}[$__rate_interval]))`),
			q("lost by Redis a minute", `60 * sum(rate(wasmp2pchat_pool_lacking_total{$i}[$__rate_interval]))`),
			q("of no use a minute: {{reason}}", `60 * sum by (reason) (rate(wasmp2pchat_pool_dropped_total{$i}[$__rate_interval]))`),
			q("losses of Redis a minute", `60 * sum(rate(wasmp2pchat_redis_losses_total{$i}[$__rate_interval]))`)),
		chart("Rooms across nodes", "WebSockets here of rooms elsewhere, and the other way round; what became of them a minute.", "none",
			q("proxied", `sum(wasmp2pchat_signal_proxied{$i})`), q("hosted", `sum(wasmp2pchat_signal_hosted{$i})`),
			q("{{event}} a minute", `60 * sum by (event) (rate(wasmp2pchat_signal_links_total{$i}[$__rate_interval]))`)),
		chart("Frames of rooms between nodes", "A second, those that were lost or sent again, and claims of rooms.", "ops",
			q("{{way}}", `sum by (way) (rate(wasmp2pchat_rooms_frames_total{$i}[$__rate_interval]))`),
			q("lost: {{reason}}", `sum by (reason) (rate(wasmp2pchat_rooms_frames_lost_total{$i}[$__rate_interval]))`),
			q("again", `sum(rate(wasmp2pchat_signal_resent_total{$i}[$__rate_interval]))`),
			q("claims", `sum(rate(wasmp2pchat_rooms_claimed_total{$i}[$__rate_interval]))`)),
		chart("Relays of other nodes", "Rooms sent to another node's relay or to none, and allocations ended for limits of the whole fleet, a minute; rooms and ends that several relays have to do with.", "none",
			q("{{relay}} a minute", `60 * sum by (relay) (rate(wasmp2pchat_relays_chosen_total{$i}[$__rate_interval]))`),
			q("shed a minute", `60 * sum(rate(wasmp2pchat_relays_shed_total{$i}[$__rate_interval]))`),
			q("rooms", `sum(wasmp2pchat_relays_linked_rooms{$i})`), q("ends that wait", `sum(wasmp2pchat_relays_ends_waiting{$i})`)),
		chart("Messages of relays", "A second, and ends that were never told.", "ops",
			q("{{way}}", `sum by (way) (rate(wasmp2pchat_relays_messages_total{$i}[$__rate_interval]))`), q("never told", `sum(rate(wasmp2pchat_relays_unsaid_total{$i}[$__rate_interval]))`)),
		chart("Messages that nobody got", "By why.", "ops", q("{{reason}}", `sum by (reason) (rate(wasmp2pchat_fleet_messages_dropped_total{$i}[$__rate_interval]))`)),
	}
}

func showRefusals() []panel {
	return []panel{
		chart("WebSockets", "Refused before the upgrade.", "ops", q("{{reason}}", `sum by (reason) (rate(wasmp2pchat_ws_refused_total{$i}[$__rate_interval]))`)),
		chart("Matchmaking", "ERROR messages.", "ops", q("{{reason}}", `sum by (reason) (rate(wasmp2pchat_match_refused_total{$i}[$__rate_interval]))`)),
		chart("Relay", "Limits, peers out of bounds, strangers, and datagrams over the bitrate.", "ops",
			q("{{reason}}", `sum by (reason) (rate(wasmp2pchat_turn_refused_total{$i}[$__rate_interval]))`),
			q("bad credentials", `sum(rate(wasmp2pchat_turn_auth_failures_total{$i}[$__rate_interval]))`)),
		chart("Secrets in use", "Requests signed rightly, by which of the secrets: 0 is the newest. One that nobody uses can go.", "ops",
			q("{{secret}}", `sum by (secret) (rate(wasmp2pchat_turn_authenticated_total{$i}[$__rate_interval]))`)),
		chart("TURN errors", "Answers by code; 401 and 438 are in the ordinary course of things.", "ops", q("{{code}}", `sum by (code) (rate(wasmp2pchat_turn_errors_total{$i}[$__rate_interval]))`)),
		chart("Public port", "Connections refused.", "ops", q("{{port}}: {{reason}}", `sum by (port, reason) (rate(wasmp2pchat_edge_refused_total{$i}[$__rate_interval]))`)),
		chart("Signaling", "Seats refused, connections closed for what they said, and who gave way while standing by.", "ops",
			q("seats", `sum(rate(wasmp2pchat_signal_rejected_total{$i}[$__rate_interval]))`),
			q("faults", `sum(rate(wasmp2pchat_signal_faults_total{$i}[$__rate_interval]))`),
			q("gave way", `sum(rate(wasmp2pchat_signal_standby_evicted_total{$i}[$__rate_interval]))`)),
	}
}

func showMachine() []panel {
	return []panel{
		chart("CPU", "Cores in use.", "none", q("{{instance}}", `rate(process_cpu_seconds_total{$i}[$__rate_interval])`)),
		chart("Memory", "Of the process, and of it what Go's heap has in use.", "bytes",
			q("{{instance}}", `process_resident_memory_bytes{$i}`), q("heap of {{instance}}", `go_memstats_heap_inuse_bytes{$i}`)),
		chart("Descriptors", "Open, of those that the process may have.", "percentunit", q("{{instance}}", `process_open_fds{$i} / process_max_fds{$i}`)),
		chart("Connections to the public port", "Open, and of those the ones that have not said yet what they are for.", "none",
			q("{{port}}", `sum by (port) (wasmp2pchat_edge_connections{$i})`), q("{{port}}, opening", `sum by (port) (wasmp2pchat_edge_opening{$i})`)),
		chart("Connections a second", "To the public port, by what they were for, and those that could not be accepted.", "ops",
			q("accepted", `sum(rate(wasmp2pchat_edge_accepted_total{$i}[$__rate_interval]))`),
			q("{{to}}", `sum by (to) (rate(wasmp2pchat_edge_routed_total{$i}[$__rate_interval]))`),
			q("not accepted", `sum(rate(wasmp2pchat_edge_accept_errors_total{$i}[$__rate_interval]))`)),
		chart("Settings", "Since they were read, by a start or SIGHUP.", "s", q("{{instance}}", `time() - wasmp2pchat_config_last_reload_success_timestamp_seconds{$i}`)),
		chart("Upgrades", "Retired processes, and what they still keep; and upgrades of the last hour, by what came of them.", "none",
			q("retired processes", `sum(wasmp2pchat_retired_processes{$i})`), q("kept: {{part}}", `sum by (part) (wasmp2pchat_retired_left{$i})`),
			q("{{result}}", `sum by (result) (increase(wasmp2pchat_upgrades_total{$i}[1h]))`)),
		chart("Goroutines", "Each WebSocket has one.", "none", q("{{instance}}", `go_goroutines{$i}`)),
	}
}
