package main

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/daytime"
	"github.com/wasmp2pchat/wasmp2pchat/internal/roomkey"
	"github.com/wasmp2pchat/wasmp2pchat/match"
	"github.com/wasmp2pchat/wasmp2pchat/turnsvc"
	"github.com/wasmp2pchat/wasmp2pchat/turnsvc/relays"
	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// mint makes TURN credentials with the newest secret, for the URLs that clients
// can come by. Both may change while the server serves. In a fleet the URLs are those
// of the relay that is chosen.
type mint struct {
	minter atomic.Pointer[turnsvc.Minter]
	fleet  *relays.Fleet   // nil: this process is alone
	others *relays.Minters // in a fleet
	now    func() time.Time
	valid  atomic.Pointer[[]string] // the secrets by which the relay verifies, newest first

	mu     sync.Mutex // guards issuer
	issuer turnsvc.Issuer
}

func newMint(issuer turnsvc.Issuer) *mint {
	if issuer.Now == nil {
		issuer.Now = daytime.New().Later
	}
	m := &mint{issuer: issuer, now: issuer.Now}
	m.minter.Store(issuer.Minter())
	return m
}

// setSecrets makes the newest of the secrets the one that signs. List is not empty, and
// is not changed any more.
func (m *mint) setSecrets(list []string) {
	m.valid.Store(&list)
	m.change(func(issuer *turnsvc.Issuer) { issuer.Secret = list[0] })
	if m.others != nil {
		m.others.SetSecret(list[0])
	}
}

// secrets are those that sign and verify now, newest first.
func (m *mint) secrets() []string { return *m.valid.Load() }

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
	c := turnsvc.Claims{
		Room: roomkey.Name(w.Room), Side: lobbySide + string(w.Side), Hidden: w.Hides, Partner: []netip.Addr{w.Partner},
	}
	if m.fleet == nil {
		return m.minter.Load().RoomServers(c)
	}
	return m.inFleet(c, relays.Seat{Room: c.Room, Home: w.Side == wire.SideA, Relay: w.Relay, Partner: w.PartnerNode})
}

// forWaiting mints for somebody who prepares his connection in a room that nobody else
// is in.
func (m *mint) forWaiting(room string, hides bool) ([]wire.ICEServer, time.Time) {
	c := turnsvc.Claims{Room: room, Side: lobbySide + string(wire.SideA), Hidden: hides}
	if m.fleet == nil {
		servers, expires := m.minter.Load().RoomServers(c)
		return servers, m.onWall(expires)
	}
	relay := m.fleet.Prepare(room)
	if relay.ID == "" {
		return nil, time.Time{}
	}
	servers, expires := m.at(c, relay, relays.Node{})
	return servers, m.onWall(expires)
}

// inFleet mints for the relay that both of a room are sent to.
func (m *mint) inFleet(c turnsvc.Claims, s relays.Seat) ([]wire.ICEServer, time.Time) {
	relay, spare := m.fleet.Place(s)
	return m.at(c, relay, spare)
}

// at mints for a relay and a spare one.
func (m *mint) at(c turnsvc.Claims, relay, spare relays.Node) ([]wire.ICEServer, time.Time) {
	c.At = append(c.At, relay.ID)
	if spare.ID != "" {
		c.At = append(c.At, spare.ID)
	}
	return m.others.For(relay, spare).RoomServers(c)
}

// iceServers mints for the rooms of one service. Its name is part of the side:
// who is first in the lobby may be second in signaling. Credentials carry the
// names of rooms, which are known before there are ids.
func (m *mint) iceServers(service string) func(string, wire.Side, bool, netip.Addr) ([]wire.ICEServer, time.Time) {
	return func(room string, side wire.Side, hides bool, partner netip.Addr) ([]wire.ICEServer, time.Time) {
		c := turnsvc.Claims{Room: roomkey.Name(room), Side: service + string(side), Hidden: hides, Partner: []netip.Addr{partner}}
		var servers []wire.ICEServer
		var expires time.Time
		if m.fleet == nil {
			servers, expires = m.minter.Load().RoomServers(c)
		} else {
			servers, expires = m.inFleet(c, relays.Seat{Room: c.Room, Home: service == roomSide})
		}
		return servers, m.onWall(expires)
	}
}

// onWall is when a credential that was minted just now expires, by the wall clock of
// who waits for that. Credentials go by one that nobody sets back.
func (m *mint) onWall(expires time.Time) time.Time {
	if expires.IsZero() {
		return expires
	}
	life := expires.Sub(m.now())
	return time.Now().Add(life).Truncate(time.Second)
}
