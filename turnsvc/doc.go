// Package turnsvc is the STUN and TURN server (RFC 8489, RFC 8656): it tells
// peers how the world sees them and carries their datagrams when no direct path
// works. It is built on pion/turn v4, of which it is the only user and which
// runs unpatched: pion is given nothing that it handles wrongly.
//
// It promises that a credential is good for what its user needs and for nobody
// else: the members of a room reach one another and nothing else, by default, and
// who allocates before he has a partner reaches nobody until he is introduced;
// that a live chat is not cut when its credential expires, and ends with its
// room; that the relay never reaches the machine or the network it runs on; that
// every user, every address and everybody together has a bound; that nothing a
// stranger sends stops it, or is logged above debug level; and that clients are
// told of no URL that was not tried, while addresses and certificates change.
//
// A message on its way in:
//
//	gate       whole, well-formed messages; deadlines and caps of connections
//	  ▼
//	request    one parse: nothing counts after MESSAGE-INTEGRITY; FINGERPRINT is right
//	  ▼
//	auth       nonce, credential, signature ──────────▶ 401 438 400, or silence for who asks too much
//	  ▼        Binding is answered here
//	judge      what is asked for, of which allocation ─▶ 400 403 420 437 440 441 442 443 486 508
//	  ▼
//	order      a request of our own with only what counts, signed, for pion
//	  ▼
//	pion       allocations, permissions, channels; relays data (wall, permits, meter)
//	  ▼
//	forward    its answer, signed for the client
//
// Data (ChannelData, Send indications) takes another way, and only for clients that
// hold an allocation. On Linux lanes, porters and workers carry it past pion, many
// datagrams for one system call (porter.go has the stages); elsewhere, or if that
// fails, pion does. Beside them a plane in the kernel may carry what it is told of
// (carriage.go, package dataplane). Around the peers there is a second wall: it sees
// ports, and keeps the bitrate and the counters.
//
// Every door, which is a UDP socket or one connection, has a pion server of its
// own, which handles one message at a time on one goroutine. So the order that
// was given last is what pion asks about, in each of its callbacks.
//
// Clients come in at sockets of our own or at those of others, who hand over
// connections (Stream). What they are told follows from what listens:
//
//	sockets, streams ─▶ ways ─▶ ask each from inside ─▶ choose few ─▶ URLs
//	PublicIPs ───────────┘      at start, every 5 minutes, upon Recheck
//
// Left out are TCP relays (RFC 6062: 442), setting the DF bit (DONT-FRAGMENT:
// 420), mobility (RFC 8016) and two families in one allocation
// (ADDITIONAL-ADDRESS-FAMILY), whose attributes are ignored as the RFCs have it,
// ICMP reports to clients, and SHA-256 for MESSAGE-INTEGRITY.
//
// It leaves to others who may have a credential (match and signal ask an Issuer)
// and which addresses are public (the command finds out).
package turnsvc
