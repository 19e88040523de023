package match

import (
	"cmp"
	"encoding/json"
	"net/netip"
	"slices"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// What a process tells the one after it of what has happened so far: who has met whom
// in the last hour, who comes back because his partner did not come, how often
// everybody has come and skipped, and who was reported. Nearly all of it is the
// estate, which is told while nobody waits for it; what is newer follows when the
// other one serves.
const (
	pastFormat = 1
	// maxEstate bounds the estate, in bytes: of what is more the oldest is forgotten.
	maxEstate = 32 << 20
	// maxPast bounds one message of what is newer, in bytes, and maxNews all of it.
	maxPast = 64 << 10
	maxNews = 8 << 20
)

// past is several things that have happened, each of which can be read or not.
type past struct {
	Format int               `json:"format"`
	Now    time.Time         `json:"now,omitzero"` // when this is told; zero: by an older version
	Items  []json.RawMessage `json:"items"`
}

// pastItem is one of them: one field is set.
type pastItem struct {
	Meeting *pastMeeting `json:"meeting,omitempty"`
	Alone   *pastAlone   `json:"alone,omitempty"`
	Level   *pastLevel   `json:"level,omitempty"`
	Record  *savedRecord `json:"record,omitempty"`
	Ruling  *ruling      `json:"ruling,omitempty"`
}

// pastMeeting is a meeting; who waited is the first.
type pastMeeting struct {
	Room string       `json:"room"`
	At   time.Time    `json:"at"`
	Two  [2]pastGuest `json:"two"`
}

type pastGuest struct {
	User     string     `json:"user"`
	Device   string     `json:"device,omitempty"`
	Addr     netip.Addr `json:"addr"`
	Hides    bool       `json:"hides,omitempty"`
	Node     string     `json:"node,omitempty"` // that his connection is at; empty: it is closed
	Reported bool       `json:"reported,omitempty"`
}

// pastAlone is a user who comes back because his partner did not come or, moved, his
// node took nobody any more.
type pastAlone struct {
	User  string    `json:"user"`
	At    time.Time `json:"at"`
	Moved bool      `json:"moved,omitempty"`
}

// pastLevel is one of the levels of a turnstile.
type pastLevel struct {
	Of     levelKind `json:"of"`
	Key    string    `json:"key"`
	Height float64   `json:"height"`
	At     time.Time `json:"at"`
}

func (m *pastMeeting) check() error {
	if !within(m.Room, wire.MaxRoomIDBytes) || m.At.IsZero() {
		return errTold
	}
	for i := range m.Two {
		if g := &m.Two[i]; !within(g.User, wire.MaxUserIDBytes) || len(g.Device) > wire.MaxDeviceBytes || len(g.Node) > maxProcessBytes {
			return errTold
		}
	}
	return nil
}

func (i *pastItem) check() error {
	switch {
	case i.Meeting != nil:
		return i.Meeting.check()
	case i.Alone != nil && within(i.Alone.User, wire.MaxUserIDBytes) && !i.Alone.At.IsZero():
		return nil
	case i.Level != nil:
		return i.Level.check()
	case i.Record != nil && i.Record.valid():
		return nil
	case i.Ruling != nil:
		return i.Ruling.check()
	}
	return errTold
}

// at is when it happened.
func (i *pastItem) at() time.Time {
	switch {
	case i.Meeting != nil:
		return i.Meeting.At
	case i.Alone != nil:
		return i.Alone.At
	case i.Level != nil:
		return i.Level.At
	case i.Record != nil:
		return i.Record.At
	default:
		return i.Ruling.at()
	}
}

// Estate is what has happened so far, for a process that is about to take over. It is
// asked for once for each. Nothing is stopped for it.
func (l *Lobby) Estate() []byte {
	now := time.Now()
	l.bequeathed.Store(&now)
	return marshal(&past{Format: pastFormat, Now: now, Items: l.happenedSince(time.Time{}, maxEstate)})
}

// Inherit takes over an Estate, before the lobby serves. What cannot be read of it is
// left out: another version of this program may have written it.
func (l *Lobby) Inherit(estate []byte) { l.remember(estate) }

// tellPast tells the heir what has happened since a time, and returns the time until
// which it knows all.
func (l *Lobby) tellPast(heir string, since time.Time) (until time.Time) {
	until = time.Now()
	p, size := past{Format: pastFormat}, 0
	flush := func() {
		if len(p.Items) > 0 {
			p.Now = time.Now()
			l.kin.line.Tell(heir, toldPast, marshal(&p))
		}
		p.Items, size = nil, 0
	}
	for _, text := range l.happenedSince(since, maxNews) {
		if size += len(text) + 1; size > maxPast {
			flush()
			size = len(text)
		}
		p.Items = append(p.Items, text)
	}
	flush()
	return until
}

// happenedSince is what has happened at a time or later, each kind in the order of
// time. Of what is more than so many bytes the oldest meetings are left out first.
func (l *Lobby) happenedSince(since time.Time, most int) (texts []json.RawMessage) {
	items := l.meetings.since(since)
	items = append(items, l.turnstile.since(since)...)
	items = append(items, l.cfg.Bans.since(since)...)
	now := time.Now()
	for i := range slices.Backward(items) {
		items[i].move(now, now)
		text := marshal(&items[i])
		if most -= len(text) + 1; most < 0 {
			break
		}
		texts = append(texts, text)
	}
	slices.Reverse(texts)
	return texts
}

// takePast takes what has happened in another process.
func (k *kin) takePast(_ string, body []byte) { k.lobby.remember(body) }

// remember takes over what has happened in another process.
func (l *Lobby) remember(body []byte) {
	var p past
	if json.Unmarshal(body, &p) != nil || p.Format != pastFormat {
		l.unreadable()
		return
	}
	now := time.Now()
	then := cmp.Or(p.Now, now)
	for _, text := range p.Items {
		var i pastItem
		if json.Unmarshal(text, &i) != nil || i.check() != nil || i.at().After(then.Add(maxAhead)) {
			l.unreadable()
			continue
		}
		i.move(then, now)
		switch {
		case i.Meeting != nil:
			l.recall(i.Meeting)
		case i.Alone != nil:
			l.meetings.recallAlone(i.Alone)
		case i.Level != nil:
			l.turnstile.recall(i.Level, now)
		case i.Record != nil:
			l.cfg.Bans.recall(i.Record, now)
		case i.Ruling != nil:
			l.cfg.Bans.learn(i.Ruling, now)
		}
	}
}

func (l *Lobby) unreadable() {
	if l.others != nil {
		l.others.unread.Add(1)
	}
}

// recall takes over a meeting: the two do not meet again soon, may report each other,
// and come back if they are alone.
func (l *Lobby) recall(m *pastMeeting) {
	memory, ours := l.pool.(*Memory)
	if news := l.meetings.recall(m); news && ours {
		memory.acquaint(m.Two[0].User, m.Two[1].User, m.At)
	}
}

// since is the meetings at a time or later, and who has come to be alone then.
func (s *meetings) since(since time.Time) (items []pastItem) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	for e := s.rooms.oldest; e != nil; e = e.newer {
		if !e.at.Before(since) && now.Sub(e.at) <= s.rooms.life {
			items = append(items, pastItem{Meeting: s.tell(e.key, e)})
		}
	}
	s.alone.all(func(at time.Time, user string, moved *bool) {
		if !at.Before(since) && now.Sub(at) <= s.alone.life {
			items = append(items, pastItem{Alone: &pastAlone{user, at, *moved}})
		}
	})
	return items
}

// tell is a meeting as another process is told of it. s.mu is held.
func (s *meetings) tell(room string, e *entry[string, meeting]) *pastMeeting {
	told := &pastMeeting{Room: room, At: e.at}
	for i := range e.value {
		g := &e.value[i]
		told.Two[i] = pastGuest{g.User, g.Device, g.Addr, g.Hides, g.node, g.reported}
		if g.visitor != nil {
			told.Two[i].Node = s.node
			if p := g.visitor.pipe.Load(); p != nil {
				told.Two[i].Node = p.destination()
			}
		}
	}
	return told
}

// recall takes over a meeting. It tells whether that is news.
func (s *meetings) recall(m *pastMeeting) (news bool) {
	if time.Since(m.At) > rememberMeeting {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	mine := s.rooms.find(m.Room, time.Now())
	if news = mine == nil; news {
		mine = s.rooms.touch(m.Room, m.At)
	}
	for i := range mine {
		g, told := &mine[i], &m.Two[i]
		g.reported = g.reported || told.Reported
		if news {
			g.Party = Party{told.User, told.Device, told.Addr, told.Hides}
			if told.Node != s.node {
				g.node = told.Node
			}
		}
	}
	return news
}

func (s *meetings) recallAlone(a *pastAlone) {
	if time.Since(a.At) > rememberAlone {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	*s.alone.touch(a.User, a.At) = a.Moved
}
