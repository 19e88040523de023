// Package turnsvc is the STUN and TURN server (RFC 8489, RFC 8656): it tells
// peers how the world sees them and carries their datagrams when no direct path
// works. It is built on pion/turn, of which it is the only user.
//
// It promises that a credential minted by an Issuer is good for what its user
// needs and for nobody else; that a live chat is not cut when its credential
// expires; that the relay reaches public addresses only, never the machine or
// the network it runs on; that every user, every address and everybody together
// has a bound; and that nothing a stranger sends stops it or is logged above
// debug level.
//
// A request on its way:
//
//	socket ─▶ gate ─▶ door ─▶ pion ─▶ authenticate ─▶ admit ─▶ relays.open ─▶ relay
//	          whole    the present    credential,     quota     a port        wall,
//	          messages message        owner                                   counters
//
// Every door, which is the UDP socket or one TCP connection, has a pion server of
// its own, which handles one message at a time on one goroutine. So what the door
// has read last is the request that pion asks about, in each of its callbacks.
//
// It leaves to others who may have a credential (match and signal ask an Issuer)
// and which addresses are public (the command finds out).
package turnsvc
