package relays

import (
	"cmp"
	"net/netip"
	"slices"
	"time"
)

// warmLoad is how much of a relay may be in use where those who only wait prepare
// their connection: they must not starve those who talk.
const warmLoad = 1.0 / 2

// Relay says whose relay the two of a room use that this node keeps; empty: nobody
// takes them. It is asked once, and both are told.
func (f *Fleet) Relay(room string) string {
	nodes := f.nodes()
	if prepared := f.relayOf(room); prepared != "" {
		if i := index(nodes, prepared); i >= 0 && nodes[i].takes(nearlyFull) {
			return prepared
		}
	}
	relay, _ := Choose(nodes, f.cfg.Node, room)
	if relay == "" {
		f.nobody.Add(1)
	}
	return relay
}

// relayOf is the relay that members of a room were sent to before; empty: to none that
// is known of.
func (f *Fleet) relayOf(room string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.givenTo(room)
}

func index(nodes []Node, id string) int {
	return slices.IndexFunc(nodes, func(n Node) bool { return n.ID == id })
}

// A Seat is one side of a room that is given credentials.
type Seat struct {
	Room    string // its name
	Home    bool   // the room is kept at this node
	Relay   string // that both were told to use; empty: nobody has said, or none took them
	Partner string // the node that the partner's connection to the lobby is at; empty: not known
}

func regionOf(nodes []Node, id string) string {
	if i := index(nodes, id); i >= 0 {
		return nodes[i].Region
	}
	return ""
}

// Place says which relay a side of a room is given, and which spare one, and notes
// where the room's end has to be told and its members be reached. If that which both
// were told is gone by now, it is another one.
func (f *Fleet) Place(s Seat) (relay, spare Node) {
	nodes, home := f.nodes(), f.cfg.Node
	if !s.Home && s.Partner != "" {
		home = s.Partner
	}
	if s.Relay == "" && s.Home { // it was said before, or goes without saying
		s.Relay = cmp.Or(f.relayOf(s.Room), f.cfg.Node)
	}
	at := index(nodes, s.Relay)
	if s.Relay == "" || at < 0 || !nodes[at].takes(2) { // who was told is not sent elsewhere because it has got full meanwhile
		s.Relay, _ = Choose(nodes, home, s.Room)
		at = index(nodes, s.Relay)
	}
	if at < 0 {
		return stunOf(nodes, f.cfg.Node), Node{}
	}
	relay = nodes[at]
	if s.Relay != home {
		if i := index(nodes, pick(nodes, regionOf(nodes, home), s.Room, nearlyFull, s.Relay)); i >= 0 {
			spare = nodes[i]
		}
	}
	before := f.relayOf(s.Room)
	f.mu.Lock()
	f.give(s, relay.ID)
	f.mu.Unlock()
	f.note(s, before, relay.ID, spare.ID)
	f.expect(s, nodes)
	return relay, spare
}

// stunOf is a node without a relay, for what clients can do without: the own one, if
// it offers STUN, else one that does.
func stunOf(nodes []Node, own string) (n Node) {
	for i := range nodes {
		if len(nodes[i].URLs) > 0 && (n.ID == "" || nodes[i].ID == own) {
			n = nodes[i]
		}
	}
	n.URLs = slices.DeleteFunc(slices.Clone(n.URLs), func(url string) bool { return hasTURN([]string{url}) })
	return n
}

// note keeps in mind which other nodes the credentials of a room name, where it is
// kept.
func (f *Fleet) note(s Seat, before, relay, spare string) {
	if relay != f.cfg.Node {
		f.away.Add(1)
	} else if spare == "" && (before == "" || before == relay) {
		return
	}
	if !s.Home {
		return
	}
	f.connect(s.Room, false, relay)
	f.mu.Lock()
	defer f.mu.Unlock()
	l := f.linkFor(s.Room, keepHome)
	l.relay = relay
	if spare != f.cfg.Node {
		l.add(spare)
	}
}

// expect lets the members who are at this relay have permissions for that of the
// partner's node, who may have prepared his connection there.
func (f *Fleet) expect(s Seat, nodes []Node) {
	if f.cfg.Relay == nil || s.Partner == "" || s.Partner == f.cfg.Node {
		return
	}
	if i := index(nodes, s.Partner); i >= 0 && len(nodes[i].At) > 0 {
		f.cfg.Relay.Expect(s.Partner, s.Room)
	}
}

// Prepare says which relay somebody is given to prepare his connection with, in a
// room that nobody else is in yet. It has no URLs if all have enough to do.
func (f *Fleet) Prepare(room string) Node {
	nodes := f.nodes()
	id, _ := choose(nodes, f.cfg.Node, room, warmLoad)
	at := index(nodes, id)
	if at < 0 {
		return Node{}
	}
	if id != f.cfg.Node {
		f.mu.Lock()
		defer f.mu.Unlock()
		l := f.linkFor(room, keepHome)
		l.relay = id
		l.add(id)
	}
	return nodes[at]
}

// Any is the relay for somebody who is in no room, by his name.
func (f *Fleet) Any(user string) Node {
	nodes := f.nodes()
	id, _ := Choose(nodes, f.cfg.Node, user)
	if at := index(nodes, id); at >= 0 {
		return nodes[at]
	}
	return Node{}
}

// Introduce is turnsvc.Server.Introduce, wherever the member has prepared.
func (f *Fleet) Introduce(room, side string, partner netip.Addr) {
	if f.cfg.Relay != nil {
		f.cfg.Relay.Introduce(room, side, partner)
	}
	if !partner.IsValid() {
		return
	}
	if at := f.relayOf(room); at != "" && at != f.cfg.Node {
		f.tell(at, &message{Kind: kindIntroduce, Room: room, Side: side, Addr: partner})
	}
}

// Join is turnsvc.Server.Introduce and Join, wherever the member has prepared, for a
// room whose other members are at some nodes. The side is that of the prepared room.
func (f *Fleet) Join(room, to, side string, partner netip.Addr, nodes ...string) {
	at := f.relayOf(room)
	f.takeLink(room)
	if at == "" || at == f.cfg.Node {
		f.joinHere(room, to, side, partner, nodes)
		return
	}
	f.tell(at, &message{Kind: kindJoin, Room: room, To: to, Side: side, Addr: partner, Nodes: nodes[:min(len(nodes), maxNodes)]})
}

func (f *Fleet) joinHere(room, to, side string, partner netip.Addr, nodes []string) {
	if f.cfg.Relay == nil {
		return
	}
	f.cfg.Relay.Introduce(room, side, partner)
	f.cfg.Relay.Join(room, to)
	all := f.nodes()
	f.connect(to, true, slices.DeleteFunc(slices.Clone(nodes), func(id string) bool {
		i := index(all, id)
		return i < 0 || len(all[i].At) == 0 // nobody relays there
	})...)
}

// connect notes that members of a room are at other nodes, tells those that are new
// what others hold here, and the others of them. Even if that is nothing: then they
// know where to tell of its end.
func (f *Fleet) connect(room string, always bool, nodes ...string) {
	nodes = slices.DeleteFunc(slices.Clone(nodes), func(n string) bool { return n == f.cfg.Node || n == "" })
	if len(nodes) == 0 {
		return
	}
	f.mu.Lock()
	l := f.linkFor(room, keepAway)
	fresh := l.add(nodes...)
	all := slices.Clone(l.nodes)
	f.mu.Unlock()
	if len(fresh) == 0 {
		return
	}
	if f.cfg.Relay != nil {
		for _, node := range fresh {
			f.cfg.Relay.Expect(node, room)
		}
		f.tellRelays(room, always, fresh)
	}
	if len(all) > 1 {
		for _, node := range all {
			f.tell(node, &message{Kind: kindLink, Room: room, Nodes: without(all, node)})
		}
	}
}

func without(nodes []string, node string) []string {
	return slices.DeleteFunc(slices.Clone(nodes), func(n string) bool { return n == node })
}

// Moved is for turnsvc.Config.Moved.
func (f *Fleet) Moved(room string) {
	f.mu.Lock()
	l := f.linkOf(room)
	var nodes []string
	if l != nil {
		nodes = slices.Clone(l.nodes)
		l.told = time.Now()
	}
	f.mu.Unlock()
	if len(nodes) > 0 {
		f.tellRelays(room, true, nodes)
	}
}

// tellRelays tells nodes what the members of a room hold here; always: even if that is
// nothing.
func (f *Fleet) tellRelays(room string, always bool, nodes []string) {
	f.telling.Lock()
	defer f.telling.Unlock()
	list := f.cfg.Relay.RelayedIn(room)
	if len(list) == 0 && !always {
		return
	}
	m := &message{Kind: kindRelays, Room: room, Relayed: asRelayed(room, list)}
	for _, node := range nodes {
		f.tell(node, m)
	}
}

// hearRelays takes what members of a room hold at another node. Of a room that has
// ended here it is told so.
func (f *Fleet) hearRelays(from string, m *message) {
	if m.Room == "" {
		return
	}
	if !f.cfg.Relay.Elsewhere(from, m.Room, m.relayedOf()) {
		f.end(ending{node: from, room: m.Room})
		return
	}
	f.connect(m.Room, false, from)
}

// repeat tells again what was told long ago, of rooms whose members hold something
// here, for what was told may have been lost.
func (f *Fleet) repeat(now time.Time) {
	var due []string
	f.mu.Lock()
	for room, l := range f.links.All(now) {
		if now.Sub(l.told) >= repeatEvery {
			l.told = now
			due = append(due, room)
		}
	}
	f.mu.Unlock()
	for _, room := range due {
		if len(f.cfg.Relay.RelayedIn(room)) == 0 {
			continue
		}
		f.mu.Lock()
		var nodes []string
		if f.linkOf(room) != nil {
			nodes = slices.Clone(f.linkFor(room, keepAway).nodes)
		}
		f.mu.Unlock()
		f.tellRelays(room, true, nodes)
	}
}
