package main

import (
	"errors"
	"path/filepath"
	"slices"

	"github.com/wasmp2pchat/wasmp2pchat/turnsvc"
)

// role is a part of the server that a process may run, or leave to another one.
type role string

// The roles, in the order of the story of START.
const (
	roleWeb    role = "web"    // the page, and /check
	roleMatch  role = "match"  // /matchmaking
	roleSignal role = "signal" // /signaling
	roleTURN   role = "turn"   // STUN and TURN
)

// UnmarshalText takes one role.
func (r *role) UnmarshalText(text []byte) error {
	if is := role(text); is != roleWeb && is != roleMatch && is != roleSignal && is != roleTURN {
		return errors.New("some of web, match, signal and turn, separated by commas")
	}
	*r = role(text)
	return nil
}

// plays tells whether this process runs a part of the server.
func (c *config) plays(r role) bool { return slices.Contains(c.Roles, r) }

// inFleet tells whether this process is one of several that meet in a Redis.
func (c *config) inFleet() bool { return c.RedisURL != "" }

// fleetFaults says what is wrong with settings of processes that work together.
// What one of them signs another one checks: with secrets that each generates for
// itself some chats would work and some would not, and all would look well.
func (c *config) fleetFaults(check func(ok bool, name, allowed string)) {
	tells := c.plays(roleWeb) || c.plays(roleMatch) || c.plays(roleSignal) // by which relays clients can come
	alone := !c.inFleet() && c.plays(roleMatch) == c.plays(roleSignal)
	check(c.RoomSecret != "" || alone, "ROOM_SECRET", c.shared("ROOM_SECRET", "room-secret"))
	alone = !c.inFleet() && c.plays(roleTURN) == tells
	check(len(c.TURN.Secrets) > 0 || alone, "TURN_SECRETS", c.shared("TURN_SECRETS", "turn-secret"))
	check(c.plays(roleTURN) || c.inFleet(), "ROLES", "turn among them, or REDIS_URL beside it, by which a node knows the relays of others")
	check(tells || c.inFleet() || c.TURN.Peers != turnsvc.PeersRoom, "ROLES", "web, match or signal among them, or REDIS_URL beside it, by which others know of this relay, or TURN_PEERS=public, for an application that has its TURN_SECRETS")
}

// shared is what is allowed for a secret that several processes need, and the
// setting that gives it to them.
func (c *config) shared(name, file string) string {
	why := "REDIS_URL"
	if !c.inFleet() {
		why = "these ROLES"
	}
	return "the same secret on every node beside " + why + ", such as openssl rand -hex 16 prints; a server that was alone has one: " +
		prefix + name + "_FILE=" + filepath.Join(c.StateDir, file) + ", and a copy of that file on the others"
}
