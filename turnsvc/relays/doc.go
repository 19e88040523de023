// Package relays makes the relays of a fleet one: it says whose relay two people are
// sent to, hands out its URLs, and tells the other nodes what they need to know about
// a room. Without a fleet nothing of it is used.
//
// It promises that both of a room are sent to the same relay, so that what they send
// one another never leaves it, while there is one that takes somebody; that a member
// whose connection was prepared at another node is reached there, and nothing else
// is; that a room's end reaches every node that its credentials name; and that a user
// and an address have the limits of one node in the whole fleet, a second late.
//
// Nothing here waits. What is told travels by the bus of the fleet, as messages of at
// most MaxMessage bytes; what gets lost is repaired by telling it again:
//
//	relays    what the members of a room hold at the sender    when it changes, and every 5 minutes
//	link      which other nodes members of a room are at       once
//	introduce where the partner of a prepared member came from once
//	join      a prepared room is part of another one           once
//	end       rooms that have ended                            once; kept while there is no bus
//	counts    how many allocations an address and a user have  each second what has changed, and every minute all
//
// It leaves to others what a bus is and which nodes live (internal/fleet), and what
// may be relayed (turnsvc).
package relays
