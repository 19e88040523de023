package relays

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/turnsvc"
)

// process is the relay of one process of a server, which remembers what it is told.
type process struct {
	*memo
	kin      *Kin
	name     string
	holds    turnsvc.Holdings
	held     map[string]turnsvc.Holdings
	spent    int64 // in all, of the present month
	since    int64 // since the will
	accounts map[string]int64
	total    int64
}

func (p *process) RelayedRooms() []string            { return slices.Sorted(maps.Keys(p.memo.holds)) }
func (p *process) SetKin(at map[string][]netip.Addr) { p.SetNeighbours(at) }

func (p *process) Holdings() turnsvc.Holdings {
	p.mu.Lock()
	defer p.mu.Unlock()
	return turnsvc.Holdings{All: p.holds.All, Users: maps.Clone(p.holds.Users), Sources: maps.Clone(p.holds.Sources)}
}

func (p *process) HeldBy(from string, h turnsvc.Holdings, whole bool) {
	known := p.held[from]
	if whole || known.Users == nil {
		known = turnsvc.Holdings{Users: map[string]int{}, Sources: map[netip.Prefix]int{}}
	}
	known.All = h.All
	maps.Copy(known.Users, h.Users)
	maps.Copy(known.Sources, h.Sources)
	maps.DeleteFunc(known.Users, func(_ string, n int) bool { return n == 0 })
	maps.DeleteFunc(known.Sources, func(_ netip.Prefix, n int) bool { return n == 0 })
	p.held[from] = known
}

func (p *process) HeldOnlyBy(list []string) {
	maps.DeleteFunc(p.held, func(name string, _ turnsvc.Holdings) bool { return !slices.Contains(list, name) })
}

// set changes what a process has.
func (p *process) set(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
}

func (p *process) Spent() (string, int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return "2026-11", p.spent
}

func (p *process) SpentSinceWill() (string, int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return "2026-11", p.since
}

func (p *process) SpentBy(from, _ string, bytes int64)         { p.accounts[from] = bytes }
func (p *process) SpentElsewhere(_ string, here, others int64) { p.total = here + others }

func (p *process) Here() turnsvc.Kin { return asked{p} }

// asked is what the others ask a process for.
type asked struct{ p *process }

func (a asked) EndRoom(room string)          { a.p.EndRoom(room) }
func (a asked) EndUser(owner string)         { a.p.note("end user %s", owner) }
func (a asked) EndFrom(network netip.Prefix) { a.p.note("end from %v", network) }
func (a asked) Join(room, to string)         { a.p.note("join %s to %s", room, to) }
func (a asked) Introduce(room, side string, addr netip.Addr) {
	a.p.note("introduce %s.%s to %v", room, side, addr)
}

// line is the processes of one server: what one tells the others hear at once, but not
// while the one that tells is at it.
type line struct {
	t   *testing.T
	all map[string]*process

	mu   sync.Mutex // guards the fields below
	mail []func()
	sent map[string]int
}

func newLine(t *testing.T) *line {
	return &line{t: t, all: map[string]*process{}, sent: map[string]int{}}
}

// start adds a process, from which on the older ones are retired.
func (l *line) start(name string) *process {
	p := &process{memo: newMemo("n" + name), name: name, held: map[string]turnsvc.Holdings{}, accounts: map[string]int64{}}
	tell := func(to string, message []byte) {
		m, err := parseKin(message)
		if err != nil {
			l.t.Errorf("%s tells what cannot be understood: %v", name, err)
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		l.sent[m.Kind]++
		for _, other := range l.all {
			if other != p && (to == "" || to == other.name) {
				l.mail = append(l.mail, func() { other.kin.Hear(name, message) })
			}
		}
	}
	p.kin = NewKin(KinConfig{Tell: tell, TellAll: func(message []byte) { tell("", message) }})
	p.kin.Keep(p)
	l.t.Cleanup(p.kin.Close)
	for _, older := range l.all {
		older.kin.Retire()
	}
	l.all[name] = p
	l.changed()
	return p
}

// end ends one.
func (l *line) end(p *process) {
	delete(l.all, p.name)
	p.kin.Close()
	l.changed()
}

func (l *line) changed() {
	for _, p := range l.all {
		p.kin.Set(slices.Sorted(maps.Keys(l.without(p))))
	}
	l.settle()
}

func (l *line) without(p *process) map[string]*process {
	others := maps.Clone(l.all)
	delete(others, p.name)
	return others
}

// settle delivers until nobody has anything to say.
func (l *line) settle() {
	for {
		synctest.Wait()
		l.mu.Lock()
		mail := l.mail
		l.mail = nil
		l.mu.Unlock()
		if len(mail) == 0 {
			return
		}
		for _, deliver := range mail {
			deliver()
		}
	}
}

func (l *line) sentOf(kind string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.sent[kind]
}

// knowsOf is what a process knows that members of a room hold at another one.
func (p *process) knowsOf(room string, other *process) []turnsvc.Relayed {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.knows[room][other.name]
}

// TestKinKnowWhatMembersOfARoomHold holds that each of three processes learns what
// members of a room of its own hold at the others, whenever that changes.
func TestKinKnowWhatMembersOfARoomHold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, kinKnowWhatMembersOfARoomHold)
}

func kinKnowWhatMembersOfARoomHold(t *testing.T) {
	l := newLine(t)
	first := l.start("1")
	moves := func(p *process, room, side string, port uint16) {
		p.mu.Lock()
		p.memo.holds[room] = append(p.memo.holds[room], turnsvc.Relayed{Room: room, Side: side, At: netip.AddrPortFrom(p.at(), port)})
		p.mu.Unlock()
		p.kin.Moved(room)
		l.settle()
	}
	moves(first, "room", "ma", 1)
	if len(l.sent) != 0 {
		t.Fatalf("a process that is alone has told %v", l.sent)
	}
	second := l.start("2")
	if got := second.knowsOf("room", first); len(got) != 1 {
		t.Fatalf("after the takeover the newer process knows %v of the room", got)
	}
	moves(second, "room", "mb", 2)
	moves(second, "new", "ma", 3)
	if got := first.knowsOf("room", second); len(got) != 1 || got[0].At.Port() != 2 {
		t.Errorf("the older process knows %v of the partner", got)
	}
	if got := first.knowsOf("new", second); got != nil {
		t.Errorf("the older process knows %v of a room that it has nobody of", got)
	}
	third := l.start("3")
	for _, older := range []*process{first, second} {
		if got := third.knowsOf("room", older); len(got) != 1 {
			t.Errorf("the third process knows %v of the room at %s", got, older.name)
		}
	}
	moves(third, "new", "mb", 4)
	if got := second.knowsOf("new", third); len(got) != 1 {
		t.Errorf("the second process knows %v of the room at the third", got)
	}
	for i := range 1000 {
		second.set(func() {
			second.memo.holds[fmt.Sprint("room", i)] = []turnsvc.Relayed{{Room: fmt.Sprint("room", i), Side: "ma", At: netip.AddrPortFrom(second.at(), 9)}}
		})
	}
	told := l.sentOf(kinRelays)
	fourth := l.start("4")
	if n := l.sentOf(kinRelays) - told; n > 40 {
		t.Errorf("a thousand rooms are told of in %d messages", n)
	}
	if got := fourth.knowsOf("room999", second); len(got) != 1 {
		t.Errorf("the fourth process knows %v of one of many rooms", got)
	}
	l.end(fourth)
	l.end(first)
	moves(third, "room", "mb", 5)
	if got := second.knowsOf("room", third); len(got) != 1 {
		t.Errorf("the second process knows %v of the room at the third", got)
	}
}

// TestKinTellWhatIsHeldAndSpent holds that changes of what is held arrive within a
// second, whole lists when there is somebody new, and that one process has the account.
func TestKinTellWhatIsHeldAndSpent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLine(t)
		first := l.start("1")
		first.holds = turnsvc.Holdings{All: 3000, Users: map[string]int{}}
		for i := range 3000 {
			first.holds.Users[fmt.Sprint("user", i)] = 1
		}
		second := l.start("2")
		if got := second.held["1"]; got.All != 3000 || len(got.Users) != 3000 {
			t.Errorf("the newer process knows of %d allocations of %d users, want 3000", got.All, len(got.Users))
		}
		source := netip.MustParsePrefix("192.0.2.1/32")
		first.set(func() {
			first.holds.All, first.holds.Sources = 2999, map[netip.Prefix]int{source: 2}
			delete(first.holds.Users, "user7")
			first.since = 10
		})
		second.set(func() { second.spent = 1000 })
		told := l.sentOf(kinHoldings)
		<-time.After(2*tickEvery + tickEvery/2)
		synctest.Wait()
		l.settle()
		if got := second.held["1"]; got.All != 2999 || len(got.Users) != 2999 || got.Sources[source] != 2 {
			t.Errorf("a second later it knows of %d allocations of %d users", got.All, len(got.Users))
		}
		if n := l.sentOf(kinHoldings) - told; n != 1 {
			t.Errorf("one change is told in %d messages", n)
		}
		if second.accounts["1"] != 10 || first.total != 1000 {
			t.Errorf("the account has %d of the older process, which knows of %d in all; want 10 and 1000", second.accounts["1"], first.total)
		}
		l.end(first)
		if len(second.held) != 0 {
			t.Errorf("a process that has ended holds %v", second.held)
		}
		<-time.After(time.Minute) // nobody is left to tell: no timer runs, says the bubble's end
	})
}

// TestKinEndTogether holds that what ends, or is introduced, or joined, is so everywhere.
func TestKinEndTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, kinEndTogether)
}

func kinEndTogether(t *testing.T) {
	l := newLine(t)
	first, second := l.start("1"), l.start("2")
	ip := netip.MustParseAddr("192.0.2.9")
	second.kin.Introduce("warm", "ma", ip)
	second.kin.Join("warm", "room")
	second.kin.EndRoom("room")
	second.kin.EndUser("room.mb")
	second.kin.EndFrom(netip.MustParsePrefix("192.0.2.0/24"))
	l.settle()
	want := []string{"introduce warm.ma to 192.0.2.9", "join warm to room", "end user room.mb", "end from 192.0.2.0/24"}
	if said := slices.DeleteFunc(first.said, func(s string) bool { return !slices.Contains(want, s) }); !slices.Equal(said, want) {
		t.Errorf("the other process was told %q, want %q", said, want)
	}
	if !first.ended["room"] {
		t.Error("the room has not ended in the other process")
	}
	if slices.ContainsFunc(second.said, func(s string) bool { return slices.Contains(want, s) }) {
		t.Errorf("a process asks itself for %q", second.said)
	}
}

// FuzzHearKin holds that no message does more than a sane one: whatever comes, nothing
// is told that the others would refuse.
func FuzzHearKin(f *testing.F) {
	for _, kind := range []string{kinHoldings, kinRelays, kinSpent, kinTotal, kinIntroduce, kinJoin, kinEnd, kinEndUser, kinEndFrom, "?"} {
		f.Add([]byte(`{"k":"` + kind + `","r":"room","t":"to","s":"ma","a":"192.0.2.1","u":"user","f":"192.0.2.0/24","l":[{"r":"room","l":[{"s":"mb","a":"192.0.2.1:5"}]}],"n":3,"p":["192.0.2.1"],"o":{"u":1},"c":{"192.0.2.0/24":2},"w":true,"m":"2026-11","b":9}`))
	}
	f.Add([]byte(`{"k":"relays","l":[{"r":"` + strings.Repeat("x", 99) + `"}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		p := &process{memo: newMemo("n1"), name: "1", held: map[string]turnsvc.Holdings{}, accounts: map[string]int64{}}
		check := func(message []byte) {
			if _, err := parseKin(message); err != nil {
				t.Errorf("tells %q: %v", message, err)
			}
		}
		p.kin = NewKin(KinConfig{Tell: func(_ string, message []byte) { check(message) }, TellAll: check})
		p.kin.Keep(p)
		defer p.kin.Close()
		p.memo.holds["room"] = []turnsvc.Relayed{{Room: "room", Side: "ma", At: netip.MustParseAddrPort("192.0.2.1:7")}}
		p.kin.Set([]string{"2"})
		p.kin.Hear("2", text)
		p.kin.Hear("3", text)
		for room := range p.kin.rooms {
			if len(room) > maxName {
				t.Errorf("keeps a room whose name has %d bytes", len(room))
			}
		}
	})
}
