package main

import (
	"net/netip"

	"github.com/wasmp2pchat/wasmp2pchat/match"
	"github.com/wasmp2pchat/wasmp2pchat/match/redisbans"
	"github.com/wasmp2pchat/wasmp2pchat/match/redispool"
)

// lobby is what the lobby of a node in a fleet has beside that of a server that is
// alone: it tells the others what they have to know, and its visitors how many are
// here in all.
func (m *member) lobby(cfg match.Config) match.Config {
	if m == nil {
		return cfg
	}
	cfg.Fleet, cfg.Node = m.fleet, m.fleet.ID()
	if m.pairs {
		m.pool = m.openPool(cfg.PoolConfig)
		cfg.Pool = m.pool
	}
	here := cfg.Online
	cfg.Online = func() int { return here() + m.onlineElsewhere() }
	cfg.Banned = func(rooms []string, network netip.Prefix) {
		if end := m.endThose.Load(); end != nil {
			(*end)(rooms, network.Addr(), network.IsValid())
		}
	}
	return cfg
}

// openPool is the pool that the fleet has in common. Two who meet by it join the
// room where the one was who had waited, if that node has rooms.
func (m *member) openPool(cfg match.PoolConfig) *redispool.Pool {
	settings := redispool.Config{PoolConfig: cfg, DB: m.db, Node: m.fleet.ID(), URL: m.url, Relay: m.relays.Relay, Log: m.log}
	if m.rooms != nil {
		settings.Claim = m.rooms.Own
	}
	return redispool.New(settings)
}

// onlineElsewhere is how many are at the other nodes, as of two seconds ago at most.
func (m *member) onlineElsewhere() (n int) {
	for _, node := range m.fleet.Nodes() {
		if !node.Self {
			n += node.Online
		}
	}
	return n
}

// onBan sets what ends rooms, and what comes from an address, when the operator bans
// somebody at another node.
func (m *member) onBan(end func(rooms []string, addr netip.Addr, byAddr bool) (endedRooms, allocations int)) {
	if m != nil {
		m.endThose.Store(&end)
	}
}

// bans is where a fleet keeps who is banned.
func (m *member) bans() match.BanStore {
	if m == nil {
		return nil
	}
	return redisbans.New(m.db)
}
