package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/admin"
	"github.com/wasmp2pchat/wasmp2pchat/internal/arrivals"
	"github.com/wasmp2pchat/wasmp2pchat/internal/roomkey"
	"github.com/wasmp2pchat/wasmp2pchat/internal/succession"
	"github.com/wasmp2pchat/wasmp2pchat/match"
	"github.com/wasmp2pchat/wasmp2pchat/signal"
	"github.com/wasmp2pchat/wasmp2pchat/turnsvc"
)

// operator is what the one who runs the server can see and do. Rooms go by their
// names, as the relay knows them: their ids admit.
type operator struct {
	world       world
	log         *slog.Logger
	node        *member // nil: it is alone
	elders      *elders // nil: there can be none
	kin         *tidings
	lobby       *match.Lobby
	bans        *match.Bans
	rooms       *signal.Rooms
	relay       *turnsvc.Server
	credentials *mint
	keys        *turnKeys
	state       *readiness
	api         *turnAPI // nil: there is none

	self  admin.Node // what of it stays
	peers turnsvc.PeerPolicy
	ttl   time.Duration
	token atomic.Pointer[string]
}

func newOperator(w world, cfg *config, node *member, lobby *match.Lobby, bans *match.Bans, rooms *signal.Rooms, relay *turnsvc.Server, credentials *mint, state *readiness, log *slog.Logger) *operator {
	o := &operator{
		world: w, log: log, kin: hearTidings(w.line),
		node: node, self: admin.Node{ID: cfg.nodeID(), Self: true, URL: string(cfg.Node.URL), Region: string(cfg.Node.Region), Roles: texts(cfg.Roles), Version: buildVersion()},
		lobby: lobby, bans: bans, rooms: rooms, relay: relay, credentials: credentials, state: state,
		peers: cfg.TURN.Peers, ttl: cfg.TURN.CredentialTTL,
	}
	o.keys = newTurnKeys(cfg, func(list []string) error {
		if err := relay.SetSecrets(list); err != nil {
			return err
		}
		credentials.setSecrets(list)
		return nil
	}, log)
	o.api = newTurnAPI(cfg, credentials, state)
	o.reload(cfg)
	state.changed = node.changed
	node.announce(o.describeSelf, relay.URLs)
	node.onBan(o.endThose)
	if w.line != nil {
		o.elders = newElders(w.line, o.answerKin)
	}
	return o
}

// reload takes over the secrets that may change while the server serves.
func (o *operator) reload(cfg *config) {
	token := cfg.AdminToken.reveal()
	o.token.Store(&token)
	o.api.setKeys(cfg.TURN.APIKeys)
	o.keys.refresh()
}

// listen opens ADMIN_ADDR, where more answers as well, by pattern.
func (o *operator) listen(ctx context.Context, cfg *config, sockets *sockets, more map[string]http.Handler, log *slog.Logger) (*httpServer, error) {
	return openAdmin(ctx, cfg, sockets, adminHandler(o.state, more, o.config(cfg, log)), log)
}

func (o *operator) config(cfg *config, log *slog.Logger) admin.Config {
	return admin.Config{
		Token: func() string { return *o.token.Load() }, Hosts: adminHosts(cfg), Log: log,
		Rooms: o.listRooms, Room: o.room, EndRoom: o.endRoom,
		Allocations: o.allocations, EndAllocation: o.relay.EndAllocation,
		Bans: func() []admin.Ban { return asBans(o.bans.List()) }, Ban: o.ban, Lift: o.bans.Lift,
		Nodes:    func() []admin.Node { return o.node.nodes(o.describeSelf()) },
		Draining: o.state.drains, Drain: o.drain,
		Secrets: func() []admin.Secret { return o.keys.list(o.relay.SecretsUsed()) }, Rotate: o.rotate,
		Mint: o.mint, Upgrade: o.upgrade,
	}
}

func (o *operator) listRooms(after string, limit int) (list []admin.Room, more bool) {
	ids, more := o.roomsAfter(after, limit)
	return o.elders.list(o.describe(ids), more, after, limit)
}

// roomsAfter are the first ids of rooms of this process whose names follow one.
func (o *operator) roomsAfter(after string, limit int) (ids []string, more bool) {
	ids = slices.DeleteFunc(o.rooms.Names(), func(id string) bool { return roomkey.Name(id) <= after })
	slices.Sort(ids) // an id begins with the name
	return ids[:min(len(ids), limit)], len(ids) > limit
}

// describe tells of rooms; those that are over by now are left out.
func (o *operator) describe(ids []string) []admin.Room {
	names := make([]string, len(ids))
	for i, id := range ids {
		names[i] = roomkey.Name(id)
	}
	seen, allocations := o.rooms.Describe(ids), o.relay.InRooms(names)
	list := make([]admin.Room, 0, len(ids))
	for i, id := range ids {
		room, here := seen[id]
		if !here {
			continue
		}
		answer := admin.Room{ID: names[i], Since: room.Since, Allocations: allocations[names[i]]}
		for _, m := range room.Members {
			answer.Members = append(answer.Members, admin.Member{Side: string(m.Side), Client: m.ClientID, Addr: m.Addr, Hides: m.Hides, Away: m.Away})
		}
		list = append(list, answer)
	}
	return list
}

// find is the id of a room of this process, empty if there is none of that name.
func (o *operator) find(name string) (id string) {
	ids := o.rooms.Names()
	if i := slices.IndexFunc(ids, func(id string) bool { return roomkey.Name(id) == name }); i >= 0 {
		return ids[i]
	}
	return ""
}

func (o *operator) room(name string) (admin.Room, bool) {
	if list := o.describe([]string{o.find(name)}); len(list) > 0 {
		return list[0], true
	}
	old, found := o.elders.find(name)
	return old.Room, found
}

// endRoom ends a room, and what the relay has of it: there may be more of it there
// than in signaling, whose members need it no longer.
func (o *operator) endRoom(name string) bool {
	id, relayed := o.find(name), o.relay.InRooms([]string{name})[name] > 0
	if id != "" {
		o.rooms.End(id)
	} else if old, found := o.elders.find(name); found {
		id = old.ID
		o.elders.end([]string{id}, netip.Prefix{})
	}
	if id == "" && !relayed {
		return false
	}
	o.node.kick(o.relay, name)
	return true
}

func (o *operator) allocations(after uint64, limit int) (list []admin.Allocation, more bool) {
	all, more := o.relay.Allocations(after, limit)
	for _, al := range all {
		list = append(list, admin.Allocation{
			Number: al.Number, Room: al.Room, User: al.User, Client: al.Client, Transport: al.Transport, Relayed: al.Relayed, Since: al.Since,
		})
	}
	return list, more
}

// ban bans an address or a side of a room, and ends what the banned have now.
func (o *operator) ban(s admin.Sentence) (admin.Banned, error) {
	sentence := match.Sentence{For: cmp.Or(s.For, match.DefaultBan), Reason: s.Reason}
	addr, id := s.Addr, ""
	var found match.Banned
	var err error
	if s.Room == "" {
		found, err = o.lobby.BanAddr(addr, sentence)
	} else {
		var m admin.Member
		if id, m, err = o.member(s.Room, s.Side); err != nil {
			return admin.Banned{}, err
		}
		addr = m.Addr
		found, err = o.lobby.BanMember(id, m.Client, addr, s.Kind, sentence)
	}
	switch {
	case errors.Is(err, match.ErrBanLength), errors.Is(err, match.ErrBanReason):
		return admin.Banned{}, admin.Refuse(http.StatusBadRequest, err.Error())
	case len(found.Bans) == 0:
		return admin.Banned{}, admin.Refuse(http.StatusConflict, "nothing is known of that member to ban him by: ban his address")
	}
	banned := admin.Banned{Bans: asBans(found.Bans)}
	byAddr := slices.ContainsFunc(found.Bans, func(b match.Ban) bool { return b.Kind == match.BanAddress })
	banned.Rooms, banned.Allocations = o.endThose(append(found.Rooms, id), addr, byAddr)
	return banned, err
}

// member is who sits on a side of a room.
func (o *operator) member(name, side string) (id string, m admin.Member, err error) {
	id = o.find(name)
	room, found := o.room(name)
	if id == "" && found {
		old, _ := o.elders.find(name)
		id = old.ID
	}
	at := slices.IndexFunc(room.Members, func(m admin.Member) bool { return m.Side == side })
	if at < 0 {
		return "", m, admin.Refuse(http.StatusNotFound, "nobody sits there: the room may be over")
	}
	return id, room.Members[at], nil
}

// endThose ends rooms and, if it is an address that was banned, what else comes
// from it.
func (o *operator) endThose(ids []string, addr netip.Addr, byAddr bool) (rooms, allocations int) {
	var from netip.Prefix
	if byAddr {
		from = arrivals.Source(addr)
	}
	rooms, allocations = o.endHere(ids, from)
	moreRooms, moreAllocations := o.elders.end(ids, from)
	return rooms + moreRooms, allocations + moreAllocations
}

// endHere does that in this process.
func (o *operator) endHere(ids []string, from netip.Prefix) (rooms, allocations int) {
	for _, id := range ids {
		if id == "" {
			continue
		}
		if o.rooms.End(id) {
			rooms++
		}
		o.node.endRoom(o.relay, roomkey.Name(id)) // which signaling may have forgotten
	}
	if from.IsValid() {
		rooms += len(o.rooms.EndFrom(from))
		allocations = o.relay.EndFrom(from)
	}
	return rooms, allocations
}

func asBans(list []match.Ban) []admin.Ban {
	bans := make([]admin.Ban, len(list))
	for i, b := range list {
		bans[i] = admin.Ban(b)
	}
	return bans
}

// describeSelf is this node, as others are told of it.
func (o *operator) describeSelf() admin.Node {
	n := o.self
	n.Draining = o.state.notReady() == draining
	n.Online, n.Waiting = o.lobby.Visitors()+o.rooms.Online(), o.lobby.Stats().Waiting
	if slices.Contains(n.Roles, string(roleTURN)) {
		n.Allocations, _ = o.relay.InUse(netip.Addr{})
		n.MaxAllocations, _ = o.relay.Capacity()
	}
	return n
}

// drain is the first half of a stop, which can be taken back: not ready, and no new
// matches. Rooms and the relay go on for those who are there.
func (o *operator) drain(on bool) {
	o.state.drain(on)
	o.node.changed()
	if on {
		o.lobby.Drain()
	} else {
		o.lobby.Reopen()
	}
}

// part is what becomes of readiness when there is a newer process: what is drained is
// the server, whichever of its processes serves.
func (o *operator) part() succession.Part {
	return succession.Part{
		Retire: func() { o.state.set(retired) },
		Will: func() (succession.Bequest, error) {
			return succession.Bequest{Body: kinText(drainWill{o.state.drains()})}, nil
		},
		Inherit: func(will succession.Bequest) error {
			var older drainWill
			err := json.Unmarshal(will.Body, &older)
			if err == nil && older.Draining {
				o.drain(true)
			}
			return err
		},
	}
}

// drainWill is what a newer process goes on with.
type drainWill struct{ Draining bool }

func (o *operator) rotate() ([]admin.Secret, error) {
	if err := o.keys.rotate(); err != nil {
		return nil, err
	}
	o.kin.tell(toldSecrets)
	return o.keys.list(o.relay.SecretsUsed()), nil
}

// mint makes a credential for a test. It lasts no longer than others: for so long a
// room that was ended is remembered.
func (o *operator) mint(user string, ttl time.Duration) (admin.Credential, error) {
	ttl = cmp.Or(ttl, o.ttl)
	if ttl < minCredentialTTL || ttl > o.ttl {
		return admin.Credential{}, admin.Refuse(http.StatusBadRequest, "ttl: want "+durationText(minCredentialTTL)+" to "+durationText(o.ttl)+", which is TURN_CREDENTIAL_TTL")
	}
	switch {
	case user == "" && o.peers == turnsvc.PeersRoom:
		user = roomkey.NewName() + ".a"
	case user == "":
		user = "operator"
	case o.peers == turnsvc.PeersRoom && !isSide(user):
		return admin.Credential{}, admin.Refuse(http.StatusBadRequest, "user: with TURN_PEERS=room want a side of a room, such as "+roomkey.NewName()+".a, or nothing")
	}
	return o.credentials.plain(user, ttl)
}
