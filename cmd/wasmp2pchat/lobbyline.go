package main

import (
	"github.com/wasmp2pchat/wasmp2pchat/internal/succession"
	"github.com/wasmp2pchat/wasmp2pchat/match"
)

// openLobby opens the lobby. It takes over what that of an older process knows, and
// leaves its visitors to that of a newer one.
func openLobby(line *succession.Line, node *member, cfg match.Config) *match.Lobby {
	cfg = node.lobby(cfg)
	if line == nil || node != nil { // the servers of a fleet end one after the other
		return match.New(cfg)
	}
	cfg.Line = line
	lobby := match.New(cfg)
	if estate, there := line.Inherited("lobby"); there {
		lobby.Inherit(estate.Body)
	}
	line.Bequeath("lobby", succession.Part{
		Estate: func() (succession.Bequest, error) { return succession.Bequest{Body: lobby.Estate()}, nil },
		Retire: func() { lobby.Retire(line.Current()) },
		Left: func() int {
			stats := lobby.Stats()
			return stats.Connected + stats.Piped
		},
	})
	return lobby
}
