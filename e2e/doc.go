// Package e2e plays the story of START to its end: two browsers, each behind
// a NAT of its own, one server, and two people who talk. It holds tests only.
//
// It promises that what is asserted is what people see (the page's own buttons,
// badge and log) and what browsers did (their WebSocket frames, the
// configuration of their RTCPeerConnection, the candidates that they chose).
//
// It leaves the cases of one part to the tests of that part.
//
//	make browser         or, as root:
//	make client && go test -tags browser ./e2e -screenshots /tmp/shots
//
// A case reads like this; everything that a world consists of ends with its
// test, and shows what it knows when the test fails:
//
//	w := newWorld(t, natlab.Symmetric, natlab.UDPBlocked)
//	w.meet()
//	w.a.say("hello")
//	w.b.hears("hello")
//
// From the cases down to the machinery:
//
//	chat_test.go         every pair of NATs that matters, with both browsers: path, credentials, messages
//	credential_test.go   when the relay refuses
//	edge_test.go         certificates, a cloud's 1:1 NAT, IPv6 alone
//	newcomer_test.go     the README, a machine, and nothing else; letsencrypt_test.go, who issues its certificate
//	port_test.go         networks that let out one port, and all is there
//	cloud_test.go        outer addresses that are found, and move
//	leave_test.go        NEXT, STOP, and tabs that are closed
//	check_test.go        what /check finds out
//	recovery_test.go     networks and servers that go away in the middle of a chat
//	killed_test.go       kill -9 of the only server while many talk
//	upgrade_test.go      another process takes over while many talk, and others wait
//	connect_test.go      how soon two people talk (make bench-connect)
//	hide_test.go         what the partner learns of somebody who hides
//	hostile_test.go      a partner who does his worst
//	axe_test.go          what axe-core finds in the page
//	keyboard_test.go     the story without a mouse
//	offline_test.go      the page without its server
//	native_test.go       a browser and a terminal
//	readme_test.go       git clone, make run, an upgrade: as the manuals have them
//	local_test.go        make run: two tabs of this computer, a tab and a terminal
//	offline_test.go      a second visit, without a server and with a newer page
//	coldstart_test.go    a first visit beside a page like the first one, by hand
//	looks_test.go        what the page looks like, in every state and language
//	composer_test.go     messages as people write them
//	sdk_test.go          others' client: the official Ayame SDK
//	conformance_test.go  the suite of e2e/ayame against the built program
//	world_test.go        a laboratory with a server and two people in it
//	tab_test.go          a page as its reader sees it
//	authority_test.go    a CA
//	asks_test.go         what browsers ask for that the page does not
//	browser_test.go      what a test does with a page, whatever the browser
//	chromium_test.go     Chromium, driven by the DevTools protocol
//	firefox_test.go      Firefox, driven by WebDriver BiDi
//	bidi_test.go         its WebSocket
//	server_test.go       the server process; process_test.go, any that is killed and started again
//	rally_test.go        a server and many who talk, by e2e/talkers; rally_choir_test.go, the hosts that they are on;
//	                     rally_minutes_test.go, all that they said and heard; rally_waiter_test.go, who waits
//	terminal_test.go     the chat command
//	stranger_test.go     a client that keeps to no rule; stranger_link_test.go, how it connects
//	allocate_test.go     a TURN client that does nothing else
//
// With the tag proxies and make proxies, the proxies of Debian stand before the
// program, each with its file of configs, unchanged: proxy_test.go tells the story,
// proxy_stranger_test.go who is not believed, proxy_client_test.go and
// proxy_world_test.go are the machinery.
//
// With the tag deployments and make deployments, somebody operates a server and
// something is wrong: deployment_test.go asks doctor why and does what it says,
// deployment_fault_test.go is the table of what can be wrong, doctor_test.go how
// doctor is asked and obeyed, deployment_build_test.go breaks and mends,
// deployment_probe_test.go and deployment_relay_test.go prove without doctor that
// a fault is there, deployment_world_test.go is the machinery.
//
// With the tags browser and redis, and make fleet, several nodes share a Redis behind
// a load balancer: fleet_crowd_test.go is about everybody who waits, and
// fleet_chat_test.go about people at different nodes; fleet_siege_test.go lets one
// thing after the other befall a fleet, fleet_rolling_test.go restarts it. What
// happens to its guests (guest_test.go, party_test.go) they tell an
// oracle, which knows the promises (oracle_test.go); oracle_self_test.go
// and oracle_fake_test.go show that it sees when they are broken.
// fleet_world_test.go and fleet_redis_test.go are the
// machinery.
//
// Beside it, with the tag interop and make interop, coturn's own tools use our
// relay: interop_test.go has the exercises, coturn_test.go runs the tools,
// relay_test.go the server.
package e2e
