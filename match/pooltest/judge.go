package pooltest

import (
	"fmt"
	"net/netip"
	"slices"
	"testing/synctest"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/match"
	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// standing is what has become of a person.
type standing int

const (
	hopes      standing = iota // has asked, and was told nothing yet
	hasPartner                 // was told of one
	isOver                     // was told the end, has left, or cannot be told anything
)

// person is the model of a client: what anybody can know who reads the rules.
type person struct {
	*client
	is       standing
	look     match.Presence
	vanished bool // will not be here again
	left     bool
	deafened bool

	user      string
	tags      []string
	house     netip.Addr
	since     time.Time
	notBefore time.Time
	deadline  time.Time

	rank   int       // his place, smaller is first
	ranked bool      // nothing has made his place uncertain since he came
	plain  time.Time // since when everybody can meet him; zero: not now
}

// encounter is two users who have met.
type encounter struct {
	a, b string
	at   time.Time
}

// judge knows everybody and the rules, as plain lists.
type judge struct {
	world    *world
	cfg      match.PoolConfig
	people   []*person
	met      []encounter
	judged   int                // of the world's log
	pending  map[string]*person // rooms of which one has been told
	used     map[string]bool    // rooms of which anybody was told
	front    int                // ranks given out
	back     int
	offering *person // whose offer this step is, or nil
	closed   bool
	fault    string // the first
}

func (j *judge) wrong(format string, args ...any) {
	if j.fault == "" {
		j.fault = fmt.Sprintf(format, args...)
	}
}

func (x *person) String() string {
	return fmt.Sprintf("%s %v of %v since %v", x.user, x.tags, x.house, x.since.Format("05.000"))
}

// arrives lets somebody new ask.
func (j *judge) arrives(s step) {
	var likes []string
	for i := range 6 {
		if s.Tags&(1<<i) != 0 {
			likes = append(likes, fmt.Sprint("tag-", i))
		}
	}
	c := j.world.make(fmt.Sprint("user-", s.User), tags(likes...), func(t *match.Ticket) {
		t.First = s.First
		if s.Warm {
			j.world.prepares()(t)
		}
		if s.House > 0 {
			t.Addr = netip.AddrFrom4([4]byte{198, 51, 100, byte(s.House)})
		}
		if s.Cools {
			t.NotBefore = t.Since.Add(5 * time.Second)
		}
	})
	t := c.ticket
	x := &person{
		client: c, user: t.User, tags: likes, house: t.Addr,
		since: t.Since, notBefore: t.NotBefore, deadline: t.Since.Add(j.cfg.MaxWait), ranked: true,
	}
	if s.First {
		j.front--
		x.rank = j.front
	} else {
		j.back++
		x.rank = j.back
	}
	j.people = append(j.people, x)
	j.offers(x, func() { j.world.pool.Offer(t) })
}

func (j *judge) offers(x *person, offer func()) {
	x.look = match.Here
	j.offering = x
	j.survey()
	offer()
}

func (j *judge) looks(x *person, p match.Presence) {
	x.look, x.ranked = p, false
	x.becomes(p)
}

func (j *judge) leaves(x *person) {
	hoped := x.is == hopes
	if was := j.world.pool.Cancel(x.ticket); was != hoped {
		j.wrong("Cancel of %v = %v, want %v", x, was, hoped)
	}
	x.left = true
	if hoped {
		x.is = isOver
	}
}

func (j *judge) comesBack(x *person) {
	x.is, x.ranked, x.deadline = hopes, false, time.Now().Add(j.cfg.MaxWait)
	if x.ticket.RoomName != "" {
		j.world.prepares()(x.ticket)
	}
	j.world.pool.Return(x.ticket)
	j.offers(x, func() { j.world.pool.Offer(x.ticket) })
}

// settle waits until nothing moves, and judges what has happened.
func (j *judge) settle() {
	synctest.Wait()
	j.world.mu.Lock()
	news := j.world.log[j.judged:]
	j.judged = len(j.world.log)
	j.world.mu.Unlock()
	for _, h := range news {
		x := j.people[slices.IndexFunc(j.people, func(x *person) bool { return x.client == h.who })]
		if h.end != "" {
			j.judgeEnd(x, h)
		} else {
			j.judgeMeeting(x, h)
		}
	}
	if len(j.pending) > 0 {
		j.wrong("one of a pair was told, and the other was not: %v", j.pending)
	}
	j.offering = nil
	j.survey()
	j.judgeThoseWhoWait()
}

// survey finds who can be met by everybody: here, not cooling down, the only
// ticket of his user and not one of a crowd. (What of several is met is for
// the checks.)
func (j *judge) survey() {
	now := time.Now()
	users, houses := map[string]int{}, map[netip.Addr]int{}
	for _, x := range j.people {
		if x.is == hopes {
			users[x.user]++
			houses[x.house]++
		}
	}
	for _, x := range j.people {
		plain := x.is == hopes && x.look == match.Here && !now.Before(x.notBefore) &&
			users[x.user] == 1 && (j.cfg.Crowd == 0 || houses[x.house] <= j.cfg.Crowd)
		switch {
		case !plain:
			x.plain, x.ranked = time.Time{}, false
		case x.plain.IsZero():
			x.plain = now
		}
	}
}

// fits is the rules: whether two may meet at a time. Met is for how long the
// same two do not meet again.
func (j *judge) fits(x, y *person, at time.Time, met time.Duration) bool {
	both := min(at.Sub(x.since), at.Sub(y.since))
	if x.user == y.user || at.Before(x.notBefore) || at.Before(y.notBefore) {
		return false
	}
	open := func(x *person) bool { return len(x.tags) == 0 || at.Sub(x.since) >= j.cfg.TagWait }
	if len(overlap(x, y)) == 0 && (!open(x) || !open(y)) {
		return false
	}
	if j.cfg.Crowd > 0 && x.house == y.house && both < match.YoungFor {
		return false
	}
	if j.cfg.Avoid == 0 || both >= match.AloneFor {
		return true
	}
	return !slices.ContainsFunc(j.met, func(e encounter) bool {
		same := e.a == x.user && e.b == y.user || e.a == y.user && e.b == x.user
		return same && at.Sub(e.at) < met
	})
}

func overlap(x, y *person) (both []string) {
	for _, tag := range x.tags {
		if slices.Contains(y.tags, tag) {
			both = append(both, tag)
		}
	}
	return both
}

// judgeMeeting looks at one who was told of a match.
func (j *judge) judgeMeeting(x *person, h happening) {
	if x.is != hopes {
		j.wrong("%v was told of a match, and it was not his to be told", x)
		return
	}
	j.judgeRoom(x, h.meeting)
	a, told := j.pending[h.meeting.RoomID]
	switch {
	case h.meeting.Side == wire.SideA && told, h.meeting.Side == wire.SideB && !told:
		j.wrong("%v is side %v of %s, and the other was told %v", x, h.meeting.Side, h.meeting.RoomID, told)
	case !told && x == j.offering:
		j.wrong("%v is told first, and it is not he who has waited", x)
	case !told && h.failed: // nobody else hears of it; who was to meet him is first now
		x.is = isOver
		for _, y := range j.people {
			y.ranked = y.ranked && y.user != h.meeting.Partner.User
		}
	case !told:
		j.pending[h.meeting.RoomID] = x
	default:
		delete(j.pending, h.meeting.RoomID)
		j.judgePair(a, x, h)
		a.is, x.is = hasPartner, hasPartner
		if h.failed {
			x.is = isOver
		}
		j.met = append(j.met, encounter{a.user, x.user, h.at})
	}
}

// judgeRoom holds that a room is that of the first, if he has prepared one, and
// of no other pair.
func (j *judge) judgeRoom(x *person, m match.Meeting) {
	first, own := m.Side == wire.SideA, x.ticket.RoomName
	switch {
	case m.RoomID != admission(m.RoomName):
		j.wrong("%v was told that %q admits to %q", x, m.RoomID, m.RoomName)
	case first && j.used[m.RoomName]:
		j.wrong("%v was told of %q, which is not new", x, m.RoomName)
	case first && own != "" && own != m.RoomName, first && own == "" && !j.world.drawn[m.RoomName]:
		j.wrong("%v was told of %q, and has prepared %q", x, m.RoomName, own)
	}
	j.used[m.RoomName] = true
}

func (j *judge) judgePair(a, b *person, h happening) {
	switch {
	case h.meeting.Partner != a.ticket.Party:
		j.wrong("%v was told that he meets %v", b, h.meeting.Partner)
	case !slices.Equal(h.meeting.Tags, overlap(a, b)):
		j.wrong("%v and %v were told that they share %v", a, b, h.meeting.Tags)
	case h.meeting.Warm != (a.ticket.RoomName != "" && b.ticket.RoomName != ""):
		j.wrong("%v and %v were told that both have prepared: %v", a, b, h.meeting.Warm)
	case a.look != match.Here || b.look != match.Here:
		j.wrong("%v and %v met, and their connections look %v and %v", a, b, a.look, b.look)
	case !j.fits(a, b, h.at, j.cfg.Avoid):
		j.wrong("%v and %v met at %v, and do not fit", a, b, h.at.Format("05.000"))
	case b != j.offering && a.ranked && b.ranked && a.rank > b.rank:
		j.wrong("%v was told before %v, who waited longer", a, b)
	case b == j.offering:
		j.judgeChoice(a, b, h.at)
	}
}

// judgeChoice holds that a newcomer was given who fits him best.
func (j *judge) judgeChoice(a, b *person, at time.Time) {
	for _, x := range j.people {
		if x == a || x == b || x.is != hopes || !x.ranked || !j.fits(x, b, at, time.Duration(1<<62)) {
			continue
		}
		mine, his := len(overlap(a, b)), len(overlap(x, b))
		equal := mine == his && (mine > 0 || len(a.tags)+len(x.tags) == 0)
		if his > mine || equal && a.ranked && x.rank < a.rank {
			j.wrong("%v was given %v, and not %v", b, a, x)
		}
	}
}

func (j *judge) judgeEnd(x *person, h happening) {
	switch {
	case x.is != hopes:
		j.wrong("%v was told %s, and it was not his to be told", x, h.end)
	case h.end == wire.MatchTimeout && h.at.Before(x.deadline):
		j.wrong("%v was told %s at %v, too early", x, h.end, h.at.Format("05.000"))
	case h.end != wire.MatchTimeout && !j.closed:
		j.wrong("%v was told %s, and the pool is open", x, h.end)
	}
	x.is = isOver
}

// judgeThoseWhoWait holds that nobody waits while a fitting partner waits, nor
// for too long, and that their number is right.
func (j *judge) judgeThoseWhoWait() {
	then := time.Now().Add(-Slack)
	least, most := 0, 0
	var plain []*person // for longer than the slack
	for _, x := range j.people {
		if x.is != hopes {
			continue
		}
		most++
		if x.look == match.Here {
			least++
		}
		if x.deadline.Before(then) || j.closed {
			j.wrong("%v still waits for a word", x)
		}
		if !x.plain.IsZero() && !x.plain.After(then) {
			plain = append(plain, x)
		}
	}
	if n := j.world.pool.Waiting(); n < least || n > most {
		j.wrong("Waiting() = %d, want %d to %d", n, least, most)
	}
	for i, x := range plain {
		for _, y := range plain[:i] {
			if j.fits(x, y, then, time.Duration(1<<62)) {
				j.wrong("%v and %v wait, and fit", x, y)
			}
		}
	}
}
