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
func prepare(relay *turnsvc.Server, credentials *mint, events chronicle) match.Warm {
	iceServers := credentials.iceServers(lobbySide)
	return match.Warm{
		ICEServers: func(room string, visitor netip.Addr, hides bool) ([]wire.ICEServer, time.Time) {
			all, ofAddr := relay.InUse(visitor)
			most, mostOfAddr := relay.Capacity()
			if all > most/warmShare || ofAddr > mostOfAddr/warmShare {
				return nil, time.Time{}
			}
			return iceServers(room, wire.SideA, hides, netip.Addr{})
		},
		Introduce: func(w match.Wanted) { relay.Introduce(w.Room, lobbySide+string(wire.SideA), w.Partner) },
		Join: func(room string, to match.Wanted) {
			relay.Introduce(room, lobbySide+string(wire.SideA), to.Partner)
			relay.Join(room, to.Room)
			events.Join(room, to.Room)
		},
		Unused: func(room string) {
			relay.EndRoom(room)
			events.Drop(room)
		},
	}
}
