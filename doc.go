// Package wasmp2pchat is the map of the module; it holds no code.
//
// Two strangers press START in a browser and chat, wherever they are. One
// program, cmd/wasmp2pchat, does what that needs; each part is a package that
// other WebRTC programs can embed.
//
//	page ──START──▶ peer.Connect
//	  │ 1 find     WS /matchmaking ▶ match    waits in the pool; is given a room id and iceServers
//	  │ 2 join     WS /signaling   ▶ signal   Ayame protocol; the room id is the admission
//	  │ 3 connect  ICE             ▶ turnsvc  STUN and TURN; TURN only if no direct path works
//	  ▼ 4 talk     DTLS DataChannel, peer to peer or relayed, end-to-end encrypted either way
//
// The rooms of the house, from the leaves up:
//
//	wire              every message and close code that two processes exchange
//	internal/daytime  the time of day, for what is good until then, whoever sets the clock
//	internal/roomkey  room ids: unguessable, signed, short-lived
//	internal/wsconn   the server-side WebSocket and its limits
//	internal/arrivals who counts as one of those who come, and how many are here
//	internal/edge     the one public port: page, WebSockets and TURN told apart
//	internal/edge/certs
//	                  certificates by themselves, or from files that change
//	internal/edge/address
//	                  at which addresses clients reach us: found, compared, kept true
//	internal/durable  small files that are whole whatever happens
//	internal/kept     a map that forgets
//	internal/admin    the API and the client by which one runs a server
//	internal/mmsg     many datagrams for one system call
//	internal/doctor   why a server does not work, and what mends it
//	internal/witness  what the server saw of somebody who asks that
//	internal/turnclient
//	                  a small client of STUN and TURN
//	internal/thrift   memory that a calm server gives back
//	internal/timeline what happened in each room, and why it failed
//	internal/redisdb  the one connection to Redis, where several nodes share one
//	internal/fleet    which nodes there are, and how they tell one another something
//	match             the waiting pool and its WebSocket
//	match/pooltest    what every waiting pool promises, as tests
//	match/redisbans   who is banned, for all nodes
//	signal            rooms and the Ayame protocol
//	turnsvc           STUN/TURN: credentials, policy, quotas, listeners
//	turnsvc/gate      what stands between the sockets and pion/turn
//	turnsvc/dataplane the seam to what carries channels past it
//	turnsvc/dataplane/ebpf
//	                  a program in the Linux kernel that does
//	turnsvc/relays    the relays of a fleet: which one two people use, and what they tell one another
//	turnsvc/redisbudget
//	                  what all of a fleet have spent in a month
//	turnsvc/conformance
//	                  what the relay answers, line by line, beside stock pion
//	peer              the client: find, join, link, chat; in the browser and natively
//	wasm              serves the embedded page
//	wasm/app          the program inside the page: DOM only
//	wasm/build        cuts, builds and precompresses the page
//	wasm/standin/…    what the browser client is linked with instead of what it never runs
//	cmd/wasmp2pchat   configuration, wiring, subcommands; the only place that knows everybody
//	internal/rand     random bytes, in the browser those of the browser
//	internal/freeport ports for servers that tests start
//	internal/pipenet  connections in memory, for tests on a fake clock
//	internal/natlab   real NATs in network namespaces
//	internal/edge/acmetest
//	                  a real ACME server, for tests
//	internal/redisdb/redistest
//	                  real servers of Redis, for tests
//	internal/release  what is published: programs, checksums, bills of materials
//	internal/fuzz     runs all fuzz targets, and keeps what covers more
//	internal/swarm    a crowd of light clients that measures a server
//	e2e               two browsers behind two NATs
//	e2e/ayame         the Ayame protocol, line by line, against any server
//	e2e/bench         what pairing and signaling cost, beside a server like the first one
//	e2e/bench/seedlike
//	                  that server; nothing links it
//	e2e/bench/seedpage
//	                  a browser client like the first one; nothing links it
//
// The three services never import one another: they meet as func values in
// cmd/wasmp2pchat/serve.go. layers_test.go holds this map as a test.
package wasmp2pchat
