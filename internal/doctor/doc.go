// Package doctor finds out why a chat server cannot be reached, or its relay not
// used, and says what mends it. It does what two visitors would do, one step after
// the other, at every address and by every URL, and joins what it saw with what
// the server saw of it (package witness).
//
//	dns ─▶ each address: tcp ─▶ tls ─▶ page, client, clock
//	            │ the one that answers
//	            ▼
//	        websocket ─▶ match ─▶ signaling ─▶ credentials of two members of a room
//	            │                                    ▼
//	        probe ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─▶ each URL: stun, turn, relay, private peers
//	            │                                    ▼
//	            └─ what did you see? ──────────▶ verdicts ─▶ Report
//
// It promises that it talks to the server that it was given, at the addresses
// which its name and its URLs have, and to nobody else; that it sends a few
// packets by each way; that no visitor ever meets it; that it ends in time
// whatever the server does; and that what a server says is bounded and cannot
// steer a terminal.
//
// Every verdict is a function of what was seen, without a socket: judge….
//
//	run.go        the order of things
//	target.go     the URL, and how it is asked
//	dns.go        names
//	site.go       one address: tcp, tls, page, clock
//	certificate.go, page.go, clock.go, elsewhere.go   what is made of that
//	visitors.go   websocket, match, signaling
//	probe.go      the server as a witness
//	iceurl.go     URLs of STUN and TURN
//	endpoint.go   STUN, by each way
//	turn.go, direct.go   TURN, by each way; through the firewall to a relay port
//	facts.go      what only the host knows
//	cause.go, fix.go     the ways to be broken, and what mends them
//	report.go     what is printed
package doctor
