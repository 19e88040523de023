package main

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/roomkey"
	"github.com/wasmp2pchat/wasmp2pchat/match"
	"github.com/wasmp2pchat/wasmp2pchat/turnsvc"
	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// mint makes TURN credentials with the newest secret, for the URLs that clients
// can come by. Both may change while the server serves.
type mint struct {
	minter atomic.Pointer[turnsvc.Minter]

	mu     sync.Mutex // guards issuer
	issuer turnsvc.Issuer
}

func newMint(issuer turnsvc.Issuer) *mint {
	m := &mint{issuer: issuer}
	m.minter.Store(issuer.Minter())
	return m
}

// setSecret makes the newest secret the one that signs.
func (m *mint) setSecret(secret string) {
	m.change(func(issuer *turnsvc.Issuer) { issuer.Secret = secret })
}

// setURLs makes these the ones that clients are told.
func (m *mint) setURLs(urls []string) {
	m.change(func(issuer *turnsvc.Issuer) { issuer.URLs = urls })
}

func (m *mint) change(how func(*turnsvc.Issuer)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	how(&m.issuer)
	m.minter.Store(m.issuer.Minter())
}

// Who has minted for a side of a room.
const (
	lobbySide = "m"
	roomSide  = "s"
)

// forLobby mints for two who were matched.
func (m *mint) forLobby(w match.Wanted) ([]wire.ICEServer, time.Time) {
	return m.minter.Load().RoomServers(turnsvc.Claims{
		Room: roomkey.Name(w.Room), Side: lobbySide + string(w.Side), Hidden: w.Hides, Partner: []netip.Addr{w.Partner},
	})
}

// iceServers mints for the rooms of one service. Its name is part of the side:
// who is first in the lobby may be second in signaling. Credentials carry the
// names of rooms, which are known before there are ids.
func (m *mint) iceServers(service string) func(string, wire.Side, bool, netip.Addr) ([]wire.ICEServer, time.Time) {
	return func(room string, side wire.Side, hides bool, partner netip.Addr) ([]wire.ICEServer, time.Time) {
		return m.minter.Load().RoomServers(turnsvc.Claims{
			Room: roomkey.Name(room), Side: service + string(side), Hidden: hides, Partner: []netip.Addr{partner},
		})
	}
}
