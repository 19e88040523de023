package signal

import (
	"cmp"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// room has two seats. Its fields are guarded by registry.mu.
type room struct {
	id      string // as its members call it
	alias   string // as TURN and match know it: the id, if that is one of ours
	named   bool   // by an application, not by us
	rebuilt bool   // with tokens of an earlier process
	seats   [2]seat
	taken   int       // seats that were given
	over    bool      // somebody has left: nobody enters any more
	absent  bool      // it is over because the second member did not come
	stopped bool      // it is over because of Rooms.End
	ended   bool      // Config.Ended was told
	made    int64     // when its first member came: Unix time, milliseconds
	expires time.Time // until when its id admits
	alarm   alarm     // until the second member came: commitWithin; over: when it is forgotten
}

// occupied tells whether one of the seats is somebody's.
func (rm *room) occupied() bool {
	return rm.seats[0].state.occupied() || rm.seats[1].state.occupied()
}

// opposite is the other seat of a room.
func (rm *room) opposite(s *seat) *seat {
	if s == &rm.seats[0] {
		return &rm.seats[1]
	}
	return &rm.seats[0]
}

// registry knows the rooms. Messages travel from seat to seat without it.
type registry struct {
	mu     sync.Mutex // guards the fields below; never held while sending or calling
	rooms  map[string]*room
	agenda agenda
	open   int  // rooms with somebody in them
	held   int  // seats whose member is away
	closed bool // shutting down: who leaves is not missed

	moved map[string]time.Time // rooms that other nodes keep now; nil: none

	term   atomic.Uint32  // how often Retire was called; changed with mu held
	asking map[string]int // rooms of which the webhook is asked, and how often; nil: none

	kept mailBudget // of all mailboxes
}

// seatOn is the seat of one side.
func (rm *room) seatOn(side wire.Side) *seat {
	if side == wire.SideA {
		return &rm.seats[0]
	}
	return &rm.seats[1]
}

// move takes a seat from state to state. r.mu is held.
func (r *registry) move(s *seat, event seatEvent) {
	if s.state == away {
		r.held--
	}
	s.state = s.state.after(event)
	if s.state == away {
		r.held++
	}
}

// verdict is what became of a registration.
type verdict uint8

const (
	seated     verdict = iota
	seatedAnew         // by a token of an earlier process
	roomFull           // both seats were taken
	roomOver           // somebody has left before
	overtaken          // the same client has asked for its seat on another socket since
	tooLate            // the client, or the server, is gone
	notOurs            // the room is to be made by whom the Fleet names now
)

// enter gives a connection a seat. The caller greets it, and introduces it to
// the other one.
func (r *registry) enter(door admission, m *member, c claim, g *grant) (s *seat, n news, v verdict) {
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	if m.ended || r.closed {
		return nil, n, tooLate
	}
	rm := r.rooms[c.RoomID]
	if rm == nil || rm.anew() {
		if !r.makes(c.RoomID, m) {
			return nil, n, notOurs
		}
		rm = r.build(door, c.RoomID, now)
	}
	switch s = rm.seatOfSame(&c); {
	case s != nil && s.overtook(c.attempt):
		return nil, n, overtaken
	case s != nil:
		r.reseat(s, m, c.attempt, &n)
		n.gone = append(n.gone, m.asked) // its stay goes on as the one that was asked about first
		return s, n, seated
	case rm.taken == len(rm.seats):
		return nil, n, roomFull
	case rm.over:
		return nil, n, roomOver
	}
	s = &rm.seats[rm.taken]
	rm.taken++
	if s.state == away { // for one who has not come back, or had not come yet: there is no telling
		r.agenda.cancel(&s.alarm)
		r.move(s, returns)
	} else {
		r.move(s, takes)
	}
	s.claim, s.grant, s.latest = c, g, c.attempt
	r.await(rm, s, now)
	s.seize(m)
	return s, n, seated
}

// await is what the first of a room waits for, and the end of that when the
// second comes. What the first has said early is for one who speaks early, too:
// any other client is sent what Ayame's server would send it. r.mu is held.
func (r *registry) await(rm *room, s *seat, now time.Time) {
	other := rm.opposite(s)
	switch {
	case rm.taken == len(rm.seats):
		r.agenda.cancel(&rm.alarm)
		if !s.early || !other.early {
			s.mail.clear()
		}
		return
	case s.early:
		s.other.Store(other) // whose mailbox there is already
	case rm.named:
		return
	}
	r.agenda.set(&rm.alarm, now.Add(commitWithin))
}

// hush ends the time in which what is said early is kept: of a room in which
// one may wait for as long as one likes. r.mu is held.
func (r *registry) hush(rm *room) {
	rm.seats[0].other.Store(nil)
	rm.seats[1].mail.close()
}

// build makes a room for a first member. r.mu is held.
func (r *registry) build(door admission, id string, now time.Time) *room {
	rm := &room{id: id, alias: door.alias, named: door.expires.IsZero(), made: now.UnixMilli()}
	if !rm.named {
		rm.alias, rm.expires = id, now.Add(time.Until(door.expires)) // by our clock from now on, whoever sets it
	}
	rm.seats[0].side, rm.seats[1].side = wire.SideA, wire.SideB
	for i := range rm.seats {
		rm.seats[i].room = rm
		rm.seats[i].alarm.seat = &rm.seats[i]
		rm.seats[i].mail.budget = &r.kept
	}
	rm.alarm.room = rm
	r.rooms[id] = rm
	r.open++
	return rm
}

// seize makes a connection the one that sits there. registry.mu is held.
func (s *seat) seize(m *member) {
	s.owner, s.addr, s.greeted = m, m.conn.Addr(), false
	s.expect(m)
	m.seat.Store(s)
}

// shown is the address that may be told to the relay for the other one's sake:
// not valid if the member hides it, or nobody has come. A credential that knows
// it would tell who guesses right. registry.mu is held.
func (s *seat) shown() netip.Addr {
	if s.hidden {
		return netip.Addr{}
	}
	return s.addr
}

// prepare gives a seat the token of the accept that is about to be sent. It
// returns the address of the other one, who may not have come yet, or hides.
func (r *registry) prepare(s *seat, m *member, token string) (partner netip.Addr) {
	r.mu.Lock()
	defer r.mu.Unlock()
	first := s.room.opposite(s)
	if s.owner == m {
		s.token, s.alone = token, !first.addr.IsValid()
		if first.state.occupied() && first.greeted {
			s.other.Store(first) // before accept is sent: the offer may come while we still are at it
			first.other.Store(s) // what he says is kept until then
		}
	}
	return first.shown()
}

// introduce makes known that a member was greeted: from now on the two send
// to one another, and are told when the other leaves. Who has left meanwhile
// could not be told of before.
func (r *registry) introduce(s *seat, m *member, refresh time.Time) (n news) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s.owner != m {
		return n // it has come back on another connection already
	}
	s.greeted = true
	if s.state != here {
		s.conn.Store(nil)
	}
	if s.state == left {
		n.bye = s.farewell()
		return n
	}
	if s.state == here && s.refresh && !refresh.IsZero() {
		r.agenda.set(&s.alarm, refresh)
	}
	if first := s.room.opposite(s); first.state.occupied() {
		s.other.Store(first)
		first.other.Store(s)
		n.renewal = cmp.Or(first.catchUp(), s.catchUp())
	}
	return n
}

// leave is the end of a connection. Its seat is held if the client may come
// back, else freed; final means that it will not, and said that it was the
// client who said so.
func (r *registry) leave(m *member, final, said bool) (n news) {
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	m.ended = true
	s := m.seat.Load()
	switch {
	case s == nil:
		n.gone = append(n.gone, m.asked)
	case s.owner != m: // it sits there on another connection
	case s.resume && s.state == here && !final && !r.closed && r.held < maxHeld:
		r.move(s, loses)
		n.happened(s.room, s.side, EventAway)
		s.conn.Store(nil)
		r.agenda.set(&s.alarm, now.Add(holdFor))
	default:
		if s.state.occupied() && !r.closed {
			n.happened(s.room, s.side, EventLeft)
		}
		if said && !s.standalone && s.state.occupied() {
			n.ended = r.end(s.room)
		}
		r.release(s, now, &n)
		n.gone = append(n.gone, s.visit)
	}
	return n
}

// end notes that a chat is over, and returns by which name it has to be told
// to others; nothing if it was told before, or if it is the server that goes.
func (r *registry) end(rm *room) string {
	if rm.ended || r.closed {
		return ""
	}
	rm.ended = true
	return rm.alias
}

// release frees a seat, and that of the other one, who is told. Not if it is a
// standalone member who goes: then the two are connected and need us no more.
// r.mu is held.
func (r *registry) release(s *seat, now time.Time, n *news) {
	if !s.state.occupied() {
		return
	}
	s.room.over = true
	r.free(s, now, n)
	stays := s.room.opposite(s)
	if s.standalone || r.closed || !stays.state.occupied() {
		return
	}
	if stays.state == away {
		n.gone = append(n.gone, stays.visit)
	} else if stays.greeted {
		n.bye = stays.farewell()
	}
	r.free(stays, now, n)
}

// free ends what a seat was for. A room that is over and empty is remembered
// while somebody may still come to it. r.mu is held.
func (r *registry) free(s *seat, now time.Time, n *news) {
	r.move(s, leaves)
	s.conn.Store(nil)
	s.mail.close()
	r.agenda.cancel(&s.alarm)
	rm := s.room
	for i := range rm.seats {
		rm.seats[i].other.Store(nil)
	}
	if rm.occupied() {
		return
	}
	for i := range rm.seats {
		rm.seats[i].mail.close() // that of one who has not come, too
	}
	r.open--
	n.happened(rm, "", EventOver)
	until := rm.expires
	if back := now.Add(holdFor); s.resume && back.After(until) {
		until = back
	}
	if until.After(now) {
		r.agenda.set(&rm.alarm, earlier(until, now.Add(holdFor)))
	} else {
		r.forget(rm)
	}
}

// earlier is the first of two times.
func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// bury drops a room that is over and empty. If its id admits for longer than one may
// come back, as it does where the clock was set back, only what keeps others out is
// remembered, and not its members. r.mu is held.
func (r *registry) bury(rm *room, now time.Time) {
	r.forget(rm)
	if !rm.expires.After(now) {
		return
	}
	stone := &room{
		id: rm.id, alias: rm.alias, named: rm.named, taken: rm.taken, over: true, absent: rm.absent, stopped: rm.stopped, ended: rm.ended,
		made: rm.made, expires: rm.expires,
	}
	stone.alarm.room = stone
	r.rooms[stone.id] = stone
	r.agenda.set(&stone.alarm, stone.expires)
}

// forget drops a room that is over. r.mu is held.
func (r *registry) forget(rm *room) {
	r.agenda.cancel(&rm.alarm)
	if r.rooms[rm.id] == rm {
		delete(r.rooms, rm.id)
	}
}

// close lets members leave without a word from now on.
func (r *registry) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
}

// closing tells whether the server goes.
func (r *registry) closing() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.closed
}

// occupied is how many rooms have somebody in them.
func (r *registry) occupied() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.open
}
