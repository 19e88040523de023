package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/admin"
	"github.com/wasmp2pchat/wasmp2pchat/internal/fleet"
	"github.com/wasmp2pchat/wasmp2pchat/internal/redisdb"
	"github.com/wasmp2pchat/wasmp2pchat/match"
	"github.com/wasmp2pchat/wasmp2pchat/match/redispool"
	"github.com/wasmp2pchat/wasmp2pchat/signal"
	"github.com/wasmp2pchat/wasmp2pchat/signal/redisrooms"
	"github.com/wasmp2pchat/wasmp2pchat/turnsvc/redisbudget"
	"github.com/wasmp2pchat/wasmp2pchat/turnsvc/relays"
)

// member is this process as one of a fleet. Nil is a process that is alone: it
// shares nothing, and nothing here is started for it.
type member struct {
	db      *redisdb.DB
	fleet   *fleet.Fleet
	relays  *relays.Fleet // nil until there is a relay
	counts  *relays.Counts
	rooms   *redisrooms.Bus     // nil: other nodes have the rooms
	pairs   bool                // it has a lobby
	pool    *redispool.Pool     // of that; nil until there is one
	url     string              // where browsers reach the rooms of this node; empty: anywhere
	budget  *redisbudget.Budget // nil: nothing is relayed here
	secrets atomic.Pointer[fingerprints]
	// endThose ends what somebody has who was banned: the operator's.
	endThose atomic.Pointer[func(rooms []string, addr netip.Addr, byAddr bool) (int, int)]
	log      *slog.Logger
	strange  sync.Once // a page of another origin has come
	warned   []string  // what the log has been told of; look's own
}

// fingerprints are what the others may know of this node's secrets, the newest
// first.
type fingerprints struct{ room, turn []string }

// joinFleet prepares what a node shares with others; nil without REDIS_URL. It does
// not wait for Redis: a node that cannot reach it serves its own visitors.
func joinFleet(cfg *config, log *slog.Logger) (*member, error) {
	if !cfg.inFleet() {
		return nil, nil
	}
	db, err := redisdb.Open(cfg.RedisURL.reveal(), redisdb.Options{Log: log})
	if err != nil {
		return nil, fmt.Errorf("%sREDIS_URL: %w", prefix, err)
	}
	m := &member{db: db, log: log, pairs: cfg.plays(roleMatch)}
	if cfg.plays(roleSignal) {
		m.url = string(cfg.Node.URL)
		m.rooms = redisrooms.New(redisrooms.Config{DB: db, Node: cfg.nodeID(), Log: log})
	}
	m.reload(cfg)
	m.fleet, err = fleet.Open(fleet.Config{DB: db, Node: cfg.nodeID(), URL: string(cfg.Node.URL), Region: string(cfg.Node.Region), Log: log})
	return m, err
}

// reload takes over the secrets, of which the TURN ones may change while the server
// serves. A node in a fleet has all of them from its settings.
func (m *member) reload(cfg *config) {
	if m == nil {
		return
	}
	prints := &fingerprints{room: []string{fleet.Fingerprint([]byte(cfg.RoomSecret.reveal()))}}
	for _, s := range cfg.TURN.Secrets {
		prints.turn = append(prints.turn, fleet.Fingerprint([]byte(s.reveal())))
	}
	m.secrets.Store(prints)
	if m.fleet != nil {
		m.fleet.Hurry()
	}
}

// announce has the others told what this node says of itself.
func (m *member) announce(self func() admin.Node, turn func() []string) {
	if m == nil {
		return
	}
	m.fleet.Announce(func() fleet.Announcement {
		n, prints, relay := self(), m.secrets.Load(), m.relays.Self()
		return fleet.Announcement{
			Version: n.Version, Roles: n.Roles, TURN: turn(), Allocations: n.Allocations, MaxAllocations: n.MaxAllocations,
			Relays: relay.At, OverBudget: relay.Spent, TURNDraining: relay.Draining,
			Draining: n.Draining, Online: n.Online, Waiting: m.waiting(), RoomSecrets: prints.room, TURNSecrets: prints.turn,
		}
	})
}

// joined tells whether the others know of this node: before, whoever is paired at one
// of them with a visitor of this node would not be told of its relay. nil: there are
// no others.
func (m *member) joined() func() bool {
	if m == nil {
		return nil
	}
	return m.fleet.Joined
}

// fellow tells whether a page has come from a node of the fleet: it opens WebSockets
// at another one, where the room is. Where there are node URLs, the log says once
// that a page was refused: that of a load balancer's name has to be allowed. nil:
// there is no fleet.
func (m *member) fellow() func(origin string) bool {
	if m == nil {
		return nil
	}
	return func(origin string) bool {
		if slices.ContainsFunc(m.fleet.Nodes(), func(n fleet.Node) bool { return nodeURL(n.URL).isFrom(origin) }) {
			return true
		}
		if m.url != "" {
			m.strange.Do(func() {
				m.log.Warn("a page of another origin may open no websockets here: if it is yours, set ALLOWED_ORIGINS on every node", "origin", origin[:min(len(origin), maxOrigin)])
			})
		}
		return false
	}
}

// maxOrigin is how much of an origin stands in the log.
const maxOrigin = 256

// waiting is how many wait at this node: its lobby knows of all nodes.
func (m *member) waiting() int {
	if m.pool == nil {
		return 0
	}
	return m.pool.Stats().Waiting
}

// ownOf is what a lobby counts, of this node alone: its pool knows who waits at all.
func (m *member) ownOf(s match.Stats) match.Stats {
	if m != nil {
		s.Waiting = m.waiting()
	}
	return s
}

// trunks is how rooms of this node reach those of others; nil: there are none.
func (m *member) trunks() signal.Fleet {
	if m == nil || m.rooms == nil {
		return nil
	}
	return m.rooms
}

// changed has the others told at once that this node is another than a second ago.
func (m *member) changed() {
	if m != nil {
		m.fleet.Hurry()
	}
}

// stages are those of a fleet, in the order in which they end: what the others tell
// this node, and it tells them, goes on until the relay has ended.
func (m *member) stages(rooms *signal.Rooms) []stage {
	if m == nil {
		return nil
	}
	m.moveTo(rooms)
	list := append(m.relayStages(), stage{"fleet", m.fleet.Serve}, stage{"warnings", m.serve}, stage{"redis", m.db.Serve})
	if m.rooms != nil {
		list = slices.Insert(list, 0, stage{"trunks", func(ctx context.Context) error { return m.rooms.Serve(ctx, rooms) }})
	}
	return list
}

// lookEvery is how often it is looked whether there is something to warn of.
const lookEvery = time.Second

// serve logs once when a warning of the fleet comes or goes.
func (m *member) serve(ctx context.Context) error {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			m.look()
		}
	}
}

// look logs what has changed since the last time. Redis itself is redisdb's to tell.
func (m *member) look() {
	now := slices.DeleteFunc(m.warnings(), func(text string) bool { return strings.HasPrefix(text, redisdb.ErrDown.Error()) })
	for _, text := range now {
		if !slices.Contains(m.warned, text) {
			m.log.Warn("the fleet is at odds", "what", text)
		}
	}
	for _, text := range m.warned {
		if !slices.Contains(now, text) {
			m.log.Info("the fleet agrees again", "about", text)
		}
	}
	m.warned = now
}

// warnings is what an operator ought to mend. The node is ready in spite of it: if
// all of a fleet said that they are not, a load balancer would have nobody left,
// and each can still serve its own visitors.
func (m *member) warnings() []string {
	if m == nil {
		return nil
	}
	var list []string
	if err := m.db.Reason(); err != nil {
		list = append(list, fmt.Sprintf("%v (%s); this node pairs its own visitors only", err, m.db.Where()))
	}
	for _, text := range m.fleet.Differences() {
		list = append(list, "secrets differ: "+text)
	}
	if m.fleet.Twin() {
		list = append(list, "two processes are called "+m.fleet.ID()+": set "+prefix+"NODE_ID to another name on one of them")
	}
	return list
}

// nodes lists who serves, by id: this node, and the others that live.
func (m *member) nodes(self admin.Node) []admin.Node {
	if m == nil {
		return []admin.Node{self}
	}
	all := m.fleet.Nodes()
	list := make([]admin.Node, 0, len(all))
	for _, n := range all {
		node := admin.Node{
			ID: n.ID, Epoch: n.Epoch, URL: n.URL, Region: n.Region, Roles: n.Roles, Version: n.Version, Draining: n.Draining,
			Online: n.Online, Waiting: n.Waiting, Allocations: n.Allocations, MaxAllocations: n.MaxAllocations,
		}
		if !n.Self {
			node.LagMS = max(0, time.Since(n.Heard).Milliseconds())
		} else {
			node = self
			node.Epoch, node.Waiting = n.Epoch, m.waiting()
		}
		list = append(list, node)
	}
	return list
}
