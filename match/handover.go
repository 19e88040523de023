package match

import (
	"cmp"
	"encoding/json"
	"net/netip"
	"slices"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// A process that retires gives its visitors to the one that serves: one after the
// other, each at a moment when nothing is being done for him. From then on he waits
// there, in the place that he had, and is told of his match from there; his connection
// stays here, and he notices nothing.
const (
	// handEvery is how often it is tried again with those for whom something was just
	// being done, and lookEvery how often later, when nearly nobody is left.
	handEvery = 20 * time.Millisecond
	lookEvery = time.Second
	// maxUnderWay is how many are under way at once: the line has room for them.
	maxUnderWay = 1 << 10
)

// handed is what one process tells another of a visitor who goes over to it.
type handed struct {
	Holder  string        `json:"holder"` // the process that keeps his connection
	Pipe    uint64        `json:"pipe"`   // its number there
	Addr    netip.Addr    `json:"addr"`
	Silent  bool          `json:"silent,omitempty"`  // nothing has come from the client for too long
	Stands  bool          `json:"stands,omitempty"`  // by
	Stood   bool          `json:"stood,omitempty"`   // has stood by
	Online  int           `json:"online,omitempty"`  // as he was told who stands by
	Words   [][]byte      `json:"words,omitempty"`   // what the client said and nobody has looked at yet
	Asked   *handedTicket `json:"asked,omitempty"`   // nil: he has not asked yet
	Meeting *pastMeeting  `json:"meeting,omitempty"` // that he was told of last
	Now     time.Time     `json:"now,omitzero"`      // when this is told; zero: by an older version
}

// handedTicket is the rest of one who has asked for a partner.
type handedTicket struct {
	Request   wire.MatchRequest `json:"request"`
	Since     time.Time         `json:"since"`
	NotBefore time.Time         `json:"not_before,omitzero"`
	Standing  seniority         `json:"standing"`
	Told      uint64            `json:"told,omitempty"`    // the numbers of the last WAITING message
	Waits     bool              `json:"waits,omitempty"`   // counts as one who waits
	Through   bool              `json:"through,omitempty"` // his request has counted as a skip
	Alone     bool              `json:"alone,omitempty"`   // his partner has not come
	Room      string            `json:"room,omitempty"`    // that he prepares; empty: none
	Minted    bool              `json:"minted,omitempty"`  // something was given for it
	Renew     time.Time         `json:"renew,omitzero"`
}

// maxHanded bounds what is told of one visitor, in bytes: his words make nearly all
// of it, as base64.
const maxHanded = 1 << 20

func (h *handed) check() error {
	if !within(h.Holder, maxProcessBytes) || !h.Addr.IsValid() || h.Online < 0 || len(h.Words) > maxHeardFrames+1 {
		return errTold
	}
	if h.Meeting != nil && h.Meeting.check() != nil {
		return errTold
	}
	if h.Asked == nil {
		return nil
	}
	tags, err := Tags(h.Asked.Request.Tags)
	if err != nil || !slices.Equal(tags, h.Asked.Request.Tags) {
		return errTold
	}
	if late := cmp.Or(h.Now, time.Now()).Add(time.Hour); h.Asked.Since.After(late) || h.Asked.NotBefore.After(late) {
		return errTold // no cool-down is so long
	}
	if h.Asked.Since.IsZero() || len(h.Asked.Room) > wire.MaxRoomIDBytes || h.Asked.Request.Check() != nil {
		return errTold
	}
	return nil
}

// Retire gives the visitors, and what is known of others, to a process of the Line that
// serves. It does not wait. The lobby goes on with that as long as it is served, for
// those who come late and for the connections that it keeps: they are handed over too,
// or passed on. It writes down no bans any more. Only a lobby with a Memory retires,
// and once.
func (l *Lobby) Retire(heir string) {
	if memory, ours := l.pool.(*Memory); ours && l.kin != nil {
		l.cfg.Bans.retire()
		l.kin.work(func() { l.handOver(memory, heir) }) // Serve waits for it
	}
}

func (l *Lobby) handOver(memory *Memory, heir string) {
	var told time.Time
	if at := l.bequeathed.Load(); at != nil {
		told = *at
	}
	told = l.tellPast(heir, told)
	for {
		again := handEvery
		if l.handAll(memory, heir) {
			again = lookEvery
			told = l.tellPast(heir, told)
			l.kin.look(time.Now())
		}
		wait := time.NewTimer(again)
		select {
		case <-wait.C:
		case <-l.kin.ends:
			wait.Stop()
			return
		}
	}
}

// handAll hands over who is here, in the order in which they stand. False: some are to
// be tried again.
func (l *Lobby) handAll(memory *Memory, heir string) (all bool) {
	all = true
	underWay := l.kin.underWay()
	for _, v := range l.inOrder(memory) {
		if v.pipe.Load() != nil {
			continue
		}
		if underWay >= maxUnderWay {
			return false
		}
		if !v.hand(heir) {
			all = false
			continue
		}
		underWay++
	}
	return all
}

// underWay is how many have been told of and not adopted yet.
func (k *kin) underWay() (n int) {
	k.mu.Lock()
	pipes := make([]*pipe, 0, len(k.pipes))
	for _, p := range k.pipes {
		pipes = append(pipes, p)
	}
	k.mu.Unlock()
	for _, p := range pipes {
		p.mu.Lock()
		if !p.adopted {
			n++
		}
		p.mu.Unlock()
	}
	return n
}

// inOrder is everybody who is here, those who wait in the order in which they stand.
func (l *Lobby) inOrder(memory *Memory) []*visitor {
	here := l.everybody()
	tickets, of := make([]*Ticket, 0, len(here)), make(map[*Ticket]*visitor, len(here))
	list := make([]*visitor, 0, len(here))
	for _, v := range here {
		if ticket := v.asker.Load(); ticket != nil && of[ticket] == nil {
			tickets, of[ticket] = append(tickets, ticket), v
		} else {
			list = append(list, v)
		}
	}
	memory.inOrder(tickets)
	ordered := make([]*visitor, 0, len(here))
	for _, ticket := range tickets {
		ordered = append(ordered, of[ticket])
	}
	return append(ordered, list...)
}

// everybody is all visitors, wherever their connections are; those of connections that
// are kept for another process are not among them.
func (l *Lobby) everybody() []*visitor {
	list := l.kin.visitors()
	for _, session := range l.hub.Sessions() {
		if v, ok := session.(*visitor); ok && v.pipe.Load() == nil {
			list = append(list, v)
		}
	}
	return list
}

// hand gives the visitor to another process. False: something is just being done for
// him, or he is not told of his match yet.
func (v *visitor) hand(heir string) (done bool) {
	if !v.mu.TryLock() {
		return false
	}
	defer v.mu.Unlock()
	if v.away || v.ended {
		return true
	}
	if v.conn.far != nil {
		return v.handOn(heir)
	}
	k := v.lobby.kin
	p := k.open(v, heir)
	if p == nil {
		return true // he stays
	}
	h := &handed{Holder: k.line.Node(), Pipe: p.id}
	if done, gone := v.pack(h); !done || gone {
		k.forgetPipe(p)
		return done
	}
	p.silent = h.Silent
	v.lobby.meetings.letGo(v, h, heir, func() { v.pipe.Store(p) })
	h.leave(time.Now())
	k.line.Tell(heir, toldVisitor, marshal(h))
	return true
}

// handOn is hand for one whose connection an older process keeps: when that one has
// said its last word to this one. v.mu is held.
func (v *visitor) handOn(heir string) (done bool) {
	r := v.conn.far
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.working || len(r.in) > 0 || r.to != "" {
		return r.to != ""
	}
	h := &handed{Holder: r.name.holder, Pipe: r.name.pipe}
	if done, gone := v.pack(h); !done || gone {
		return done
	}
	v.lobby.meetings.letGo(v, h, heir, func() {})
	r.to, r.leaving = heir, h
	r.note()
	r.tell(pipeFrame{op: pipeMove, text: []byte(heir)})
	return true
}

// pack takes the visitor out of everything here. Gone: he is about to be sent away, or
// has left. v.mu is held.
func (v *visitor) pack(h *handed) (done, gone bool) {
	h.Addr, h.Silent, h.Stood = v.conn.Addr(), v.conn.silentFor(v.lobby.cfg.silentAfter), v.stood
	if v.ticket != nil {
		s, here := v.lobby.pool.(*Memory).withdrawFor(v.ticket)
		switch {
		case !here:
			return true, true
		case s.Matched && !v.introduced.Load():
			return false, false
		}
		h.Asked = v.packTicket(s)
	}
	if v.heard != nil {
		if len(v.heard) > maxKeptBytes {
			v.heard = []byte{} // nothing so long is understood there
		}
		h.Words, v.heard = [][]byte{v.heard}, nil
	}
	h.Online, h.Stands = v.lobby.standby.retire(v)
	v.settle()
	v.away = true
	return true, false
}

// packTicket is what there is to tell of the visitor's request.
func (v *visitor) packTicket(s seniority) *handedTicket {
	t := &handedTicket{
		Request: wire.MatchRequest{UserID: v.ticket.User, Device: v.ticket.Device, Tags: v.ticket.Tags, Ext: v.ext}, Since: v.ticket.Since, NotBefore: v.ticket.NotBefore, Standing: s,
		Told: v.told.Load(), Waits: v.waits.Load(), Through: v.through.Load(),
	}
	if v.warm != nil {
		t.Room, t.Minted, t.Renew = v.warm.yield()
	}
	return t
}

// lapse is the end of a visitor who has left on his way to another process.
func (v *visitor) lapse(h *handed) {
	if h.Asked == nil {
		return
	}
	if h.Asked.Minted {
		v.unused(h.Asked.Room)
	}
	if h.Asked.Alone {
		v.lobby.others.place(v.ticket.User, false)
	}
	v.skip()
}

// takeVisitor takes a visitor from another process.
func (k *kin) takeVisitor(_ string, body []byte) {
	h := new(handed)
	if len(body) > maxHanded || json.Unmarshal(body, h) != nil || h.check() != nil {
		k.lobby.others.unread.Add(1)
		return
	}
	h.land(time.Now())
	r := &remote{kin: k, name: remoteName{h.Holder, h.Pipe}, addr: h.Addr}
	r.v = &visitor{lobby: k.lobby, conn: socket{far: r}}
	r.silent.Store(h.Silent)
	if !k.add(r) {
		return // its holder closes it, if nobody adopts it
	}
	k.lobby.adopt(r.v, h)
	r.tell(pipeFrame{op: pipeAdopted})
	for _, text := range h.Words {
		r.receive(pipeFrame{op: pipeText, text: text})
	}
	k.offer(r.v)
	if !slices.Contains(k.line.Kin(), h.Holder) {
		time.AfterFunc(adoptTime, func() { // or it has ended before we came to know it
			if !slices.Contains(k.line.Kin(), h.Holder) {
				r.receive(pipeFrame{op: pipeGone})
			}
		})
	}
}

// adopt lets a visitor stand here as he has stood in another process.
func (l *Lobby) adopt(v *visitor, h *handed) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.stood = h.Stood
	if h.Stands {
		for _, other := range l.standby.enter(v, h.Online, time.Now()) {
			other.conn.Close(wire.CloseGoingAway, wire.ReasonStandby)
		}
	}
	memory, ours := l.pool.(*Memory)
	t := h.Asked
	if t == nil || !ours {
		return
	}
	v.ext = t.Request.Ext
	v.ticket = &Ticket{
		Party: Party{User: t.Request.UserID, Device: t.Request.Device, Addr: h.Addr, Hides: slices.Contains(t.Request.Ext, wire.ExtRelayOnly)},
		Tags:  t.Request.Tags, Since: t.Since, NotBefore: t.NotBefore, Visitor: v, RoomName: t.Room,
	}
	if slices.Contains(t.Request.Ext, wire.ExtWarm) {
		v.warm = &prepared{name: t.Room, minted: t.Minted, renew: t.Renew}
	}
	v.told.Store(t.Told)
	v.through.Store(t.Through)
	v.introduced.Store(t.Standing.Matched)
	v.alone.Store(t.Alone)
	memory.inherit(v.ticket, t.Standing)
	if t.Waits {
		l.turnstile.admit(h.Addr)
		v.waits.Store(true)
		l.visitors.Add(1)
	}
	if h.Meeting != nil {
		l.recall(h.Meeting)
		l.meetings.attach(v, h.Meeting.Room)
	}
	v.asker.Store(v.ticket)
	if l.draining.Load() && memory.Cancel(v.ticket) {
		v.refuse(wire.MatchMessage{Reason: wire.ErrorShuttingDown})
	}
}
