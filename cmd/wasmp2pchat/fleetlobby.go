package main

import (
	"net/netip"

	"github.com/wasmp2pchat/wasmp2pchat/match"
	"github.com/wasmp2pchat/wasmp2pchat/match/redisbans"
)

// lobby is what the lobby of a node in a fleet has beside that of a server that is
// alone: it tells the others what they have to know, and its visitors how many are
// here in all.
func (m *member) lobby(cfg match.Config) match.Config {
	if m == nil {
		return cfg
	}
	cfg.Fleet, cfg.Node = m.fleet, m.fleet.ID()
	here := cfg.Online
	cfg.Online = func() int { return here() + m.onlineElsewhere() }
	cfg.Banned = func(rooms []string, network netip.Prefix) {
		if end := m.endThose.Load(); end != nil {
			(*end)(rooms, network.Addr(), network.IsValid())
		}
	}
	return cfg
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
