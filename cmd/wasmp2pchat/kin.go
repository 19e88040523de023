package main

import (
	"github.com/wasmp2pchat/wasmp2pchat/internal/succession"
	"github.com/wasmp2pchat/wasmp2pchat/signal"
	"github.com/wasmp2pchat/wasmp2pchat/signal/kinrooms"
)

// roomsPart is what rooms are called among the parts of a process.
const roomsPart = "rooms"

// joinRooms opens the rooms of this process. Those of others are reached over the
// fleet or, for a server that is alone, over the line of its older and newer processes.
func joinRooms(line *succession.Line, node *member, cfg signal.Config) *signal.Rooms {
	if node != nil || line == nil {
		cfg.Fleet = node.trunks()
		return signal.New(cfg)
	}
	kin := kinrooms.New(line)
	cfg.Fleet = kin
	rooms := signal.New(cfg)
	kin.Join(rooms)
	line.Bequeath(roomsPart, succession.Part{
		Pause: kin.Pause, Resume: kin.Resume, Retire: kin.Retire,
		Will:    func() (succession.Bequest, error) { return succession.Bequest{Body: kin.Will()}, nil },
		Inherit: func(will succession.Bequest) error { return kin.Inherit(will.Body) },
		Left: func() int {
			sockets, inside := rooms.Left()
			return max(sockets, inside) // a room may have no socket here, or none at all for half a minute
		},
	})
	return rooms
}
