package match

import (
	"net/netip"
	"sync"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// warmMargin is how long before their end credentials of somebody who waits are
// replaced, or a quarter of their life before it: two more WAITING messages can
// carry the new ones in time.
const warmMargin = 2 * NewsEvery

// Warm is what a lobby needs for visitors who prepare their connection while
// they wait (wire.ExtWarm): each has a room to come, of which he is side A. If
// he is met, it becomes the room of the two. What is nil is not done.
type Warm struct {
	// ICEServers mints what a visitor, who came from an address and may hide it,
	// is given to prepare with, and says until when it is good. It may give
	// nothing, if others need it more; then it is asked again a second later.
	ICEServers func(room string, visitor netip.Addr, hides bool) ([]wire.ICEServer, time.Time)
	// Introduce is told, before the visitor is, what he would want for the room
	// that he meets somebody in, which is his own: from where the partner came,
	// and through which relay he can be reached. Only rooms for which something
	// was minted matter.
	Introduce func(Wanted)
	// Join is told the same of a visitor who is met in the room of another one:
	// what he holds of his own room belongs to that one, the wanted, now.
	Join func(room string, to Wanted)
	// Unused is told when a visitor, to whom something was given, will not
	// meet anybody in his room.
	Unused func(room string)
}

// prepared is the room to come of one visitor: its name is taken once, by who
// meets him or by who ends it.
type prepared struct {
	mu     sync.Mutex // guards the fields below; never held while minting, and not for long
	name   string     // empty: taken
	minted bool       // something was given for it
	renew  time.Time  // when that is to be replaced
}

// draw makes name the room to come.
func (p *prepared) draw(name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.name, p.minted, p.renew = name, false, time.Time{}
}

// due is the room for which something is to be minted now; empty: none.
func (p *prepared) due(now time.Time) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now.Before(p.renew) {
		return ""
	}
	return p.name
}

// give notes that something was minted for a room. It is false if the room was
// taken meanwhile: then nobody may get it.
func (p *prepared) give(name string, now, expires time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.name != name {
		return false
	}
	p.minted, p.renew = true, expires.Add(-max(expires.Sub(now)/4, warmMargin))
	return true
}

// take is the name, once, and whether something was given for it.
func (p *prepared) take() (name string, minted bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	name, p.name = p.name, ""
	return name, p.minted
}

// yield takes the name for another process, which has to know the rest too.
func (p *prepared) yield() (name string, minted bool, renew time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	name, p.name = p.name, ""
	return name, p.minted, p.renew
}

// whileOpen does what must not come after the match. It must not wait.
func (p *prepared) whileOpen(do func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.name != "" {
		do()
	}
}

// prepare draws a room for a visitor who prepares his connection.
func (v *visitor) prepare() {
	if v.warm != nil {
		v.ticket.RoomName = v.lobby.cfg.RoomName()
		v.warm.draw(v.ticket.RoomName)
	}
}

// warmUp is what a visitor is to be given now, to prepare with; nil: nothing.
func (v *visitor) warmUp() ([]wire.ICEServer, time.Time) {
	l := v.lobby
	if v.warm == nil || l.cfg.Warm.ICEServers == nil {
		return nil, time.Time{}
	}
	now := time.Now()
	room := v.warm.due(now)
	if room == "" {
		return nil, time.Time{}
	}
	servers, expires := l.cfg.Warm.ICEServers(room, v.conn.Addr(), v.ticket.Hides)
	if len(servers) == 0 || !v.warm.give(room, now, expires) {
		return nil, time.Time{}
	}
	l.warmed.Add(1)
	return servers, expires
}

// open takes the room that a visitor has prepared, for he is about to be told of
// a match: it becomes that of the two, if he is side A, else a part of it. False
// means that it has ended: he has left.
func (v *visitor) open(both Meeting) bool {
	if v.warm == nil {
		return true
	}
	name, minted := v.warm.take()
	told := v.lobby.cfg.Warm
	switch {
	case name == "":
		return false
	case !minted:
	case both.Side == wire.SideA && told.Introduce != nil:
		told.Introduce(v.wanted(both))
	case both.Side == wire.SideB && told.Join != nil:
		told.Join(name, v.wanted(both))
	}
	return true
}

// forgo ends the room that a visitor has prepared, unless it was taken.
func (v *visitor) forgo() {
	if v.warm == nil {
		return
	}
	if name, minted := v.warm.take(); minted {
		v.unused(name)
	}
}

// unused ends a room, if there is one.
func (v *visitor) unused(room string) {
	if end := v.lobby.cfg.Warm.Unused; end != nil && room != "" {
		end(room)
	}
}

// role is what a visitor does in a room where both have prepared.
func role(both Meeting) string {
	switch {
	case !both.Warm:
		return ""
	case both.Side == wire.SideA:
		return wire.RoleOffer
	default:
		return wire.RoleAnswer
	}
}
