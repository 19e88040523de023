package main

import (
	"net/netip"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/match"
	"github.com/wasmp2pchat/wasmp2pchat/turnsvc"
	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// warmShare keeps those who only wait from starving those who talk: when more
// than one in so many allocations is in use, of TURN_MAX_ALLOCATIONS or, where a
// visitor comes from, of TURN_MAX_ALLOCATIONS_PER_IP, he is given nothing to
// prepare his connection with.
const warmShare = 2

// prepare lets visitors prepare their connection while they wait, with the
// credentials of side A of a room that nobody else is in.
func prepare(node *member, relay *turnsvc.Server, credentials *mint, events chronicle) match.Warm {
	return match.Warm{
		ICEServers: func(room string, visitor netip.Addr, hides bool) ([]wire.ICEServer, time.Time) {
			all, ofAddr := relay.InUse(visitor)
			most, mostOfAddr := relay.Capacity()
			if node == nil && all > most/warmShare || ofAddr > mostOfAddr/warmShare {
				return nil, time.Time{}
			}
			return credentials.forWaiting(room, hides)
		},
		Introduce: func(w match.Wanted) { node.introduce(relay, w) },
		Join: func(room string, to match.Wanted) {
			node.join(relay, room, to)
			events.Join(room, to.Room)
		},
		Unused: func(room string) {
			node.endRoom(relay, room)
			events.Drop(room)
		},
	}
}
