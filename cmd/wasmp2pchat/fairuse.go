package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"log/slog"
	"path/filepath"

	"github.com/wasmp2pchat/wasmp2pchat/internal/roomkey"
	"github.com/wasmp2pchat/wasmp2pchat/internal/wsconn"
	"github.com/wasmp2pchat/wasmp2pchat/match"
)

// countsAddresses tells whether anything is counted per address: load tests
// come from one, and say so.
func countsAddresses(cfg *config) bool { return cfg.WS.MaxPerIP > 0 }

func poolConfig(cfg *config, keys *roomkey.Keys) match.PoolConfig {
	return match.PoolConfig{RoomName: roomkey.NewName, RoomID: keys.Mint}.With(matchRules(cfg))
}

// matchRules are what of it may change while the server serves.
func matchRules(cfg *config) match.Rules {
	rules := match.Rules{TagWait: cfg.Match.TagWait, MaxWait: cfg.Match.MaxWait, Avoid: cfg.Match.Avoid}
	if countsAddresses(cfg) {
		rules.Crowd = cfg.Match.Crowd
	}
	return rules
}

func fairUse(cfg *config) match.FairUse {
	rules := match.FairUse{SkipEvery: match.SkipEvery}
	if countsAddresses(cfg) {
		rules.MaxPerAddr = cfg.Match.MaxPerIP
		rules.OffersPerAddr = float64(cfg.Match.OffersPerIP)
		rules.PeoplePerAddr = match.PeoplePerAddr
	}
	return rules
}

// standbyShare is the part of all WebSockets, one in so many, that may stand by:
// pages that have just been opened leave room for those who want a partner.
const standbyShare = 4

// mostStandby is how many may stand by at once.
func mostStandby(cfg *config) int {
	most := shareDescriptors(cfg.TURN.MaxAllocations).webSockets
	if most == 0 {
		return 0 // nothing bounds WebSockets: the lobby has a bound of its own
	}
	return max(1, most/standbyShare)
}

// openBans reads who is banned. The key of the hashes is derived from the room
// secret: with another one, the bans of before mean nobody. In a fleet the store is
// where the nodes find those of the others.
func openBans(cfg *config, roomSecret string, store match.BanStore, log *slog.Logger) (*match.Bans, error) {
	key := hmac.New(sha256.New, []byte(roomSecret))
	key.Write([]byte("wasmp2pchat bans 1"))
	file := filepath.Join(cfg.StateDir, "bans.json")
	bans, err := match.OpenBans(match.BansConfig{File: file, Store: store, Key: key.Sum(nil), Log: log})
	if err != nil {
		return nil, &hinted{err: err, hint: "put the file back from a copy, or move it away: then nobody is banned"}
	}
	return bans, nil
}

// webSocketLimits is what is checked before any WebSocket is opened. The pages of a
// fleet open those of every node.
func webSocketLimits(cfg *config, node *member, log *slog.Logger) wsconn.Limits {
	origins := texts(cfg.AllowedOrigins)
	if node != nil && cfg.Domain != "" {
		origins = append(origins, "https://"+cfg.Domain)
	}
	return wsconn.Limits{
		Origins: origins, Fellow: node.fellow(), TrustedProxies: cfg.TrustedProxies,
		MaxPerAddr: cfg.WS.MaxPerIP, RatePerAddr: float64(cfg.WS.RatePerIP), MaxTotal: shareDescriptors(cfg.TURN.MaxAllocations).webSockets,
		Log: log,
	}
}

// texts gives values that are texts back as such.
func texts[S ~string](values []S) []string {
	list := make([]string, len(values))
	for i, v := range values {
		list[i] = string(v)
	}
	return list
}
