package main

import (
	"log/slog"
	"sync"

	"github.com/wasmp2pchat/wasmp2pchat/internal/fleet"
	"github.com/wasmp2pchat/wasmp2pchat/internal/roomkey"
	"github.com/wasmp2pchat/wasmp2pchat/match"
	"github.com/wasmp2pchat/wasmp2pchat/signal"
	"github.com/wasmp2pchat/wasmp2pchat/turnsvc"
	"github.com/wasmp2pchat/wasmp2pchat/turnsvc/redisbudget"
	"github.com/wasmp2pchat/wasmp2pchat/turnsvc/relays"
	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// relayMessages is the kind of what relays tell one another.
const relayMessages = "turn"

// share has the relay of this process count with the others of the fleet.
func (m *member) share(cfg *config, settings *turnsvc.Config) {
	if m == nil {
		return
	}
	m.counts = relays.NewCounts(roomkey.Seal(cfg.RoomSecret.reveal(), "turn counts 1"))
	settings.Node, settings.Moved, settings.Counts = cfg.nodeID(), m.moved, m.counts
}

// joinRelays makes the relay of this process, if it plays that role, one of those of
// the fleet.
func (m *member) joinRelays(cfg *config, relay *turnsvc.Server, state *readiness, log *slog.Logger) {
	settings := relays.Config{
		Node: cfg.nodeID(), Region: string(cfg.Node.Region), Draining: state.drains, Nodes: new(relayList).of(m.fleet.Nodes),
		Tell:    func(node string, message []byte) { m.fleet.Tell(node, relayMessages, message) },
		TellAll: func(message []byte) { m.fleet.TellAll(relayMessages, message) },
		Up:      m.db.Up, Counts: m.counts, Log: log,
	}
	if cfg.plays(roleTURN) {
		settings.Relay = relay
		m.budget = redisbudget.New(redisbudget.Config{DB: m.db, Node: cfg.nodeID(), Relay: relay, Log: log})
	}
	m.relays = relays.New(settings)
	m.fleet.On(relayMessages, m.relays.Hear)
}

// relayList is what package relays needs to know of the nodes, made again when
// something has changed.
type relayList struct {
	mu   sync.Mutex // guards the fields below
	from []fleet.Node
	list []relays.Node
}

func (l *relayList) of(nodes func() []fleet.Node) func() []relays.Node {
	return func() []relays.Node {
		now := nodes()
		l.mu.Lock()
		defer l.mu.Unlock()
		if len(now) == len(l.from) && (len(now) == 0 || &now[0] == &l.from[0]) {
			return l.list
		}
		l.from, l.list = now, make([]relays.Node, 0, len(now))
		for _, n := range now {
			l.list = append(l.list, relays.Node{
				ID: n.ID, Region: n.Region, URLs: n.TURN, At: n.Relays, Allocations: n.Allocations, MaxAllocations: n.MaxAllocations,
				Draining: n.Draining || n.TURNDraining, Spent: n.OverBudget,
			})
		}
		return l.list
	}
}

// relayStages are what goes on for the relay in a fleet.
func (m *member) relayStages() []stage {
	stages := []stage{{"relays", m.relays.Serve}}
	if m.budget != nil {
		stages = append(stages, stage{"budget", m.budget.Serve})
	}
	return stages
}

// moveTo has the members of rooms that this node keeps told when their relay goes.
func (m *member) moveTo(rooms *signal.Rooms) {
	m.relays.OnMove(func(which func(room string) bool) int {
		return rooms.Refresh(func(room string) bool { return which(roomkey.Name(room)) })
	})
}

// moved is told of rooms whose members relay by other addresses here than before.
func (m *member) moved(room string) {
	m.relays.Moved(room)
}

// endRoom ends what the relay has of a room, wherever that is.
func (m *member) endRoom(relay *turnsvc.Server, room string) {
	if m == nil {
		relay.EndRoom(room)
		return
	}
	m.relays.EndRoom(room)
}

// kick is endRoom of a room that may be kept elsewhere.
func (m *member) kick(relay *turnsvc.Server, room string) {
	if m == nil {
		relay.EndRoom(room)
		return
	}
	m.relays.Kick(room)
}

// introduce tells the relay at which a visitor has prepared his connection of the
// partner whom he meets in his room.
func (m *member) introduce(relay *turnsvc.Server, w match.Wanted) {
	side := lobbySide + string(wire.SideA)
	if m == nil {
		relay.Introduce(w.Room, side, w.Partner)
		return
	}
	m.relays.Introduce(w.Room, side, w.Partner)
}

// join tells it the same of one who is met in the room of another visitor.
func (m *member) join(relay *turnsvc.Server, room string, to match.Wanted) {
	side := lobbySide + string(wire.SideA)
	if m == nil {
		relay.Introduce(room, side, to.Partner)
		relay.Join(room, to.Room)
		return
	}
	m.relays.Join(room, to.Room, side, to.Partner, to.Relay, to.PartnerNode)
}
