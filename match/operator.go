package match

import (
	"errors"
	"net/netip"
	"strconv"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/wasmp2pchat/wasmp2pchat/internal/arrivals"
	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// The bounds of what the one who runs the lobby bans.
const (
	MinBan         = time.Minute
	MaxBan         = longestBan
	DefaultBan     = firstBan
	MaxReasonBytes = 200
)

// A Sentence is for how long the one who runs the lobby bans somebody, and why.
type Sentence struct {
	For    time.Duration // MinBan to MaxBan
	Reason string        // for himself, at most MaxReasonBytes, printable; the banned one is not told
}

// Errors of a Sentence.
var (
	ErrBanLength = errors.New("a ban lasts 1m to " + strconv.Itoa(int(MaxBan.Hours())) + "h")
	ErrBanReason = errors.New("a reason is one line of at most " + strconv.Itoa(MaxReasonBytes) + " bytes")
)

func (s Sentence) check() error {
	switch {
	case s.For < MinBan || s.For > MaxBan:
		return ErrBanLength
	case len(s.Reason) > MaxReasonBytes || !utf8.ValidString(s.Reason):
		return ErrBanReason
	}
	for _, r := range s.Reason {
		if !unicode.IsPrint(r) {
			return ErrBanReason
		}
	}
	return nil
}

// Banned is what came of a ban.
type Banned struct {
	Bans  []Ban
	Rooms []string // ids of the rooms of the last hour of those who are banned now
}

// BanAddr bans the address (/64 for IPv6) that addr belongs to: who waits or
// looks for a partner there is told so and sent away. An error that comes with a
// ban means that it holds, but could not be written down.
func (l *Lobby) BanAddr(addr netip.Addr, s Sentence) (Banned, error) {
	return l.ban([]culprit{{kind: BanAddress, addr: addr}}, s)
}

// BanMember bans whoever was matched into a room as the user that a client says
// he is or, if he was not, from addr: kind is BanDevice, BanAddress or, empty, both.
// A device can be banned for as long as the match is remembered.
func (l *Lobby) BanMember(room, clientID string, addr netip.Addr, kind string, s Sentence) (Banned, error) {
	var who []culprit
	if device := l.meetings.deviceOf(room, clientID, addr); device != "" && kind != BanAddress {
		who = append(who, culprit{kind: BanDevice, device: device})
	}
	if addr.IsValid() && kind != BanDevice {
		who = append(who, culprit{kind: BanAddress, addr: addr})
	}
	return l.ban(who, s)
}

// culprit is a device or an address that is to be banned.
type culprit struct {
	kind   string
	device string
	addr   netip.Addr
}

func (c *culprit) is(p *Party) bool {
	if c.kind == BanDevice {
		return p.Device == c.device
	}
	return arrivals.Source(p.Addr) == arrivals.Source(c.addr)
}

func (l *Lobby) ban(who []culprit, s Sentence) (b Banned, err error) {
	if err := s.check(); err != nil {
		return b, err
	}
	for i := range who {
		c := &who[i]
		made := l.cfg.Bans.impose(c.kind, c.value(), s, time.Now())
		ban := made.Ban
		if made.Device = c.device; c.kind == BanAddress {
			made.Addr = c.value()
		}
		l.cfg.Bans.share(made)
		b.Bans = append(b.Bans, ban)
		l.sendAway(c, ban)
		b.Rooms = append(b.Rooms, l.meetings.roomsOf(c.is)...)
	}
	if len(who) > 0 {
		err = l.cfg.Bans.save()
	}
	return b, err
}

// sendAway ends the connections of one who was banned. Who asks at this moment
// has let himself be seen, or sees the ban.
func (l *Lobby) sendAway(c *culprit, ban Ban) {
	for _, v := range l.everybody() {
		p := Party{Addr: v.conn.Addr()}
		ticket := v.asker.Load()
		if ticket != nil {
			p = ticket.Party
		}
		if !c.is(&p) {
			continue
		}
		if ticket != nil {
			l.pool.Cancel(ticket)
		}
		v.refuse(wire.MatchMessage{Reason: wire.ErrorBanned, Wait: seconds(time.Until(ban.Until)), Ban: ban.Name})
	}
}

// Drain matches nobody any more: who waits or stands by is told that the server
// takes nobody just now, and who comes is refused with 503. Who was matched before
// has the time that he always has. In a fleet, who is sent away by it is the first of
// all at another node. Reopen takes it back.
func (l *Lobby) Drain() {
	l.draining.Store(true)
	l.hub.Pause(true)
	l.moveOut()
	for _, v := range l.everybody() {
		if ticket := v.asker.Load(); ticket == nil || l.pool.Cancel(ticket) {
			v.refuse(wire.MatchMessage{Reason: wire.ErrorShuttingDown})
		}
	}
}

// Reopen ends a Drain.
func (l *Lobby) Reopen() {
	l.draining.Store(false)
	l.hub.Pause(false)
}

// impose bans on the word of the operator, instead of whatever holds now.
func (b *Bans) impose(kind, value string, s Sentence, now time.Time) ruling {
	who := b.mark(kind, value)
	b.mu.Lock()
	defer b.mu.Unlock()
	var r record
	if old := b.culprits.find(who, now); old != nil {
		r.Times = old.Times
	}
	r.Kind = kind
	r.Times++
	r.Ban = Ban{
		Name: b.nameOf(who, now), Kind: kind, Reasons: map[string]int{}, Operator: true, Reason: s.Reason,
		Since: now.UTC(), Until: now.UTC().Add(s.For),
	}
	b.suspects.drop(who)
	*b.culprits.touch(who, now) = r
	b.changed, b.urgent = true, true
	return ruling{Mark: who, Times: r.Times, Ban: r.Ban}
}

// deviceOf is the device of a member of a room, empty if it is not known.
func (s *meetings) deviceOf(room, clientID string, addr netip.Addr) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.rooms.find(room, time.Now())
	if m == nil {
		return ""
	}
	if g := m.who(clientID, addr); g != nil {
		return g.Device
	}
	return ""
}

// roomsOf lists the rooms that somebody was told of; is must not wait.
func (s *meetings) roomsOf(is func(*Party) bool) (rooms []string) {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rooms.all(func(at time.Time, room string, m *meeting) {
		if now.Sub(at) <= rememberMeeting && (is(&m[0].Party) || is(&m[1].Party)) {
			rooms = append(rooms, room)
		}
	})
	return rooms
}
