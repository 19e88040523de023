package redispool

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/match"
	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// player is a visitor on the fake clock. What is told him goes to the stage.
type player struct {
	stage  *theatre
	node   int
	ticket *match.Ticket

	presence match.Presence // guarded by stage.fake.mu, as all that follows
	deaf     bool
	left     bool
	probes   int
	met      []match.Meeting
	ends     []string
}

var errDeaf = errors.New("the connection is gone")

// Presence implements match.Visitor.
func (x *player) Presence() match.Presence {
	x.stage.fake.mu.Lock()
	defer x.stage.fake.mu.Unlock()
	return x.presence
}

// Probe implements match.Visitor.
func (x *player) Probe() { x.stage.fake.set(func() { x.probes++ }) }

// News implements match.Visitor.
func (x *player) News(int) {}

// Meet implements match.Visitor.
func (x *player) Meet(m match.Meeting) error {
	x.stage.fake.mu.Lock()
	defer x.stage.fake.mu.Unlock()
	if x.deaf || x.left {
		return errDeaf
	}
	x.met = append(x.met, m)
	x.stage.rooms[m.RoomName] = append(x.stage.rooms[m.RoomName], x)
	return nil
}

// End implements match.Visitor.
func (x *player) End(reason string) {
	x.stage.fake.set(func() { x.ends = append(x.ends, reason) })
}

// theatre is nodes on one fake Redis, and who comes there.
type theatre struct {
	t       *testing.T
	fake    *fakeRedis
	nodes   []*Pool
	players []*player
	rooms   map[string][]*player // who was told of each
	drawn   int
	stop    func()
}

func newTheatre(t *testing.T, nodes int, seed uint64, cfg match.PoolConfig) *theatre {
	t.Helper()
	s := &theatre{t: t, fake: newFake(seed), rooms: map[string][]*player{}}
	cfg.RoomName = func() string { return "new-" + s.name() }
	cfg.RoomID = func(name string) string { return name }
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, nodes)
	for i := range nodes {
		p := newPool(Config{PoolConfig: cfg, Node: fmt.Sprint("n", i)}, s.fake)
		s.nodes = append(s.nodes, p)
		go func() { served <- p.Serve(ctx) }() // waited for in stop
	}
	s.stop = func() {
		cancel()
		for range nodes {
			if err := <-served; err != nil {
				t.Errorf("Serve = %v, want nil", err)
			}
		}
	}
	return s
}

// comes lets somebody ask at a node.
func (s *theatre) comes(node int, user string, tags ...string) *player {
	x := &player{stage: s, node: node}
	x.ticket = &match.Ticket{Party: match.Party{User: user}, Tags: tags, Since: time.Now(), Visitor: x}
	if len(s.players)%2 == 0 {
		x.prepares()
	}
	s.players = append(s.players, x)
	s.nodes[node].Offer(x.ticket)
	return x
}

// prepares draws a room for x, as the lobby does for who connects while he waits.
func (x *player) prepares() { x.ticket.RoomName = "prepared-" + x.stage.name() }

func (s *theatre) name() string {
	s.fake.mu.Lock()
	defer s.fake.mu.Unlock()
	s.drawn++
	return fmt.Sprint(s.drawn)
}

func (x *player) leaves() {
	x.stage.fake.set(func() { x.left, x.presence = true, match.Busy })
	x.stage.nodes[x.node].Cancel(x.ticket)
}

// returns is what the lobby does for who was alone in his room.
func (x *player) returns() {
	p := x.stage.nodes[x.node]
	if x.ticket.RoomName != "" {
		x.prepares()
	}
	p.Return(x.ticket)
	p.Offer(x.ticket)
}

// pass lets time pass, and everything happen that it brings.
func (s *theatre) pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// told is how often somebody was told of a meeting.
func (x *player) told() int {
	x.stage.fake.mu.Lock()
	defer x.stage.fake.mu.Unlock()
	return len(x.met)
}

func (x *player) probed() int {
	x.stage.fake.mu.Lock()
	defer x.stage.fake.mu.Unlock()
	return x.probes
}

func (s *theatre) met(a, b *player) {
	s.t.Helper()
	s.fake.mu.Lock()
	defer s.fake.mu.Unlock()
	if len(a.met) == 0 || len(b.met) == 0 || a.met[len(a.met)-1].RoomName != b.met[len(b.met)-1].RoomName {
		s.t.Errorf("%s was told %v, %s %v; want them to meet", a.ticket.User, a.met, b.ticket.User, b.met)
	}
}

// TestEveryLetterCanBeLostOrLate loses each letter of the commit once, or keeps it
// for longer than it is waited for: both are told of each other in the end, or whom
// it left alone in a room is known, and never somebody twice.
func TestEveryLetterCanBeLostOrLate(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		kind   letterKind
		delay  time.Duration // 0: it is lost
		within time.Duration // both are told
		ghost  bool          // B is told, and A is offered again
	}{
		{kind: letterMatch, within: 3 * time.Second},
		{kind: letterMatch, delay: 1500 * time.Millisecond, within: 4 * time.Second},
		{kind: letterYes, within: 4 * time.Second},
		{kind: letterYes, delay: 1500 * time.Millisecond, within: 4 * time.Second},
		{kind: letterCommit, ghost: true},
		{kind: letterCommit, delay: 1500 * time.Millisecond, within: 2 * time.Second},
		{kind: letterCommit, delay: 2500 * time.Millisecond, ghost: true},
	} {
		t.Run(fmt.Sprint(string(c.kind), " after ", c.delay), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newTheatre(t, 2, 1, match.PoolConfig{})
				defer s.stop()
				done := false
				s.fake.set(func() {
					s.fake.letter = func(l letter) (bool, time.Duration) {
						if l.kind != c.kind || done {
							return false, 0
						}
						done = true
						return c.delay == 0, c.delay
					}
				})
				a := s.comes(0, "a")
				s.pass(time.Second)
				b := s.comes(1, "b")
				if !c.ghost {
					s.pass(c.within)
					s.met(a, b)
					return
				}
				s.pass(3 * time.Second)
				if a.told() != 0 || b.told() != 1 {
					t.Fatalf("a was told %d times and b %d times, want b only", a.told(), b.told())
				}
				d := s.comes(1, "d")
				s.pass(time.Second)
				s.met(a, d)
				if a.met[0].RoomName == b.met[0].RoomName {
					t.Error("a meets d in the room in which b may be")
				}
			})
		})
	}
}

// TestRedisForgetsACommit empties Redis when C is in it: it is said again under the
// next leases, and nobody is a ghost.
func TestRedisForgetsACommit(t *testing.T) {
	t.Parallel()
	for _, kind := range []letterKind{letterCommit, letterRefuse} {
		synctest.Test(t, func(t *testing.T) {
			s := newTheatre(t, 2, 1, match.PoolConfig{})
			defer s.stop()
			a := s.comes(0, "a")
			s.pass(time.Second)
			done := false
			b := &player{stage: s, node: 1, deaf: kind == letterRefuse}
			b.ticket = &match.Ticket{Party: match.Party{User: "b"}, Since: time.Now(), Visitor: b}
			s.fake.set(func() {
				s.fake.letter = func(l letter) (bool, time.Duration) {
					if l.kind != kind || done {
						return false, 0
					}
					done = true
					s.fake.empty()
					return true, 0
				}
			})
			s.nodes[1].Offer(b.ticket)
			s.pass(100 * time.Millisecond)
			for _, p := range s.nodes { // the DB sees it go and come
				p.watch(true)
			}
			s.pass(500 * time.Millisecond)
			if kind == letterCommit {
				s.met(a, b)
				return
			}
			c := s.comes(1, "c")
			s.pass(100 * time.Millisecond)
			s.met(a, c)
		})
	}
}

// TestARefusalIsLost is R that is lost: A is offered again when its promise ends.
func TestARefusalIsLost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newTheatre(t, 2, 1, match.PoolConfig{})
		defer s.stop()
		a := s.comes(0, "a")
		s.pass(time.Second)
		s.fake.set(func() {
			s.fake.letter = func(l letter) (bool, time.Duration) { return l.kind == letterRefuse, 0 }
		})
		b := s.comes(1, "b")
		b.leaves()
		s.pass(4 * time.Second)
		c := s.comes(1, "c")
		s.pass(time.Second)
		s.met(a, c)
		if b.told() != 0 {
			t.Error("who has left was told")
		}
	})
}

// TestWhoIsBusyAcrossNodes is N and R: who may have left is met by nobody until his
// reader has rested, and the other one loses nothing.
func TestWhoIsBusyAcrossNodes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newTheatre(t, 2, 1, match.PoolConfig{})
		defer s.stop()
		a := s.comes(0, "a")
		s.pass(time.Second)
		s.fake.set(func() { a.presence = match.Silent })
		b := s.comes(1, "b")
		s.pass(time.Second)
		if a.told()+b.told() != 0 || a.probed() != 1 {
			t.Fatalf("told %d and %d, %d probes; want nothing but a probe", a.told(), b.told(), a.probed())
		}
		s.fake.set(func() { b.presence = match.Busy; a.presence = match.Here })
		s.nodes[0].Offer(a.ticket)
		s.pass(time.Second)
		if a.told()+b.told() != 0 {
			t.Fatalf("told %d and %d, want nothing: b is busy", a.told(), b.told())
		}
		s.fake.set(func() { b.presence = match.Here })
		s.nodes[1].Offer(b.ticket)
		s.pass(time.Second)
		s.met(a, b)
		s.fake.set(func() {
			if s.fake.seen[letterNo]+s.fake.seen[letterRefuse] == 0 {
				t.Error("nobody said no")
			}
		})
	})
}

// TestWhoCannotBeToldAcrossNodes: a deaf B costs A nothing.
func TestWhoCannotBeToldAcrossNodes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newTheatre(t, 2, 1, match.PoolConfig{})
		defer s.stop()
		a := s.comes(0, "a")
		s.pass(time.Second)
		b := &player{stage: s, node: 1, deaf: true}
		b.ticket = &match.Ticket{Party: match.Party{User: "b"}, Since: time.Now(), Visitor: b}
		s.nodes[1].Offer(b.ticket)
		s.pass(100 * time.Millisecond)
		c := s.comes(1, "c")
		s.pass(100 * time.Millisecond)
		s.met(a, c)
	})
}

// TestALeaseThatEnds lets a lease run out while its node sleeps: what stood under it
// is met by nobody, and stands again under the next.
func TestALeaseThatEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newTheatre(t, 2, 1, match.PoolConfig{})
		defer s.stop()
		a := s.comes(0, "a")
		s.pass(time.Second)
		s.fake.expire("n0")
		b := s.comes(1, "b")
		s.pass(leaseEvery + time.Second)
		s.met(a, b)
		if n := s.nodes[0].Stats().Epochs; n != 2 {
			t.Errorf("%d epochs, want 2", n)
		}
	})
}

// TestStories lets hundreds come to three nodes while everything goes wrong, then
// lets it be: nobody was told of two partners, no room has three, and nobody who
// stays is left over but the last.
func TestStories(t *testing.T) {
	t.Parallel()
	for seed := range uint64(100) {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { tellStory(t, seed) })
		})
	}
}

func tellStory(t *testing.T, seed uint64) {
	t.Helper()
	random := rand.New(rand.NewPCG(seed, 2))
	s := newTheatre(t, 3, seed, match.PoolConfig{TagWait: 3 * time.Second, MaxWait: time.Hour})
	s.fake.set(func() {
		s.fake.latency = time.Duration(random.Int64N(int64(400 * time.Millisecond)))
		s.fake.letter = func(letter) (bool, time.Duration) {
			return s.fake.random.IntN(20) == 0, time.Duration(s.fake.random.Int64N(int64(1500 * time.Millisecond)))
		}
	})
	for range 300 {
		s.act(random)
		s.pass(time.Duration(random.Int64N(int64(200 * time.Millisecond))))
	}
	s.fake.set(func() { s.fake.failing, s.fake.down, s.fake.letter, s.fake.latency = 0, false, nil, 0 })
	for _, p := range s.nodes {
		p.watch(true)
	}
	s.calm()
	for range 20 { // who is alone in a room comes back, as the lobby lets him
		s.pass(10 * time.Second)
		if !s.comeBack() {
			break
		}
	}
	s.judge()
	s.stop()
	s.fake.holdsNobody(t)
}

// act is one thing that happens.
func (s *theatre) act(random *rand.Rand) {
	node := random.IntN(len(s.nodes))
	var x *player
	if len(s.players) > 0 {
		x = s.players[random.IntN(len(s.players))]
	}
	switch n := random.IntN(100); {
	case n < 60 || x == nil:
		var tags []string
		if random.IntN(3) == 0 {
			tags = []string{fmt.Sprint("tag-", random.IntN(3))}
		}
		s.comes(node, fmt.Sprint("user-", len(s.players)), tags...)
	case n < 75:
		x.leaves()
	case n < 80:
		s.fake.set(func() {
			if !x.left {
				x.presence = match.Presence(random.IntN(3))
			}
		})
	case n < 90:
		s.rests(x)
	case n < 93:
		s.fake.expire(fmt.Sprint("n", node))
	case n < 95:
		s.fake.set(func() { s.fake.failing = []float64{0, 0, 0.05, 0.3}[random.IntN(4)] })
	case n < 97:
		s.fake.set(s.fake.empty)
	default:
		down := random.IntN(2) == 0
		s.fake.set(func() { s.fake.down = down })
		for _, p := range s.nodes {
			p.watch(!down)
		}
	}
}

// rests is what a reader does when it has handled all that came.
func (s *theatre) rests(x *player) {
	s.fake.mu.Lock()
	left := x.left
	if !left {
		x.presence = match.Here
	}
	s.fake.mu.Unlock()
	if !left {
		s.nodes[x.node].Offer(x.ticket)
	}
}

// calm lets everybody be here again.
func (s *theatre) calm() {
	for _, x := range s.players {
		s.rests(x)
	}
}

// comeBack lets those return who were told of a room in which their partner is not,
// and tells whether there were any.
func (s *theatre) comeBack() bool {
	var back []*player
	s.fake.set(func() {
		for _, x := range s.players {
			if !x.left && len(x.met) > 0 && s.isAlone(x) {
				back = append(back, x)
			}
		}
	})
	for _, x := range back {
		x.returns()
	}
	return len(back) > 0
}

// isAlone tells whether nobody else was told of x's last room, or he has left.
func (s *theatre) isAlone(x *player) bool {
	room := x.met[len(x.met)-1].RoomName
	if room == "" {
		return false // it has returned already
	}
	for _, y := range s.rooms[room] {
		if y != x && !y.left {
			return false
		}
	}
	x.met = append(x.met, match.Meeting{}) // marks that it returns
	return true
}

func (s *theatre) judge() {
	s.fake.mu.Lock()
	defer s.fake.mu.Unlock()
	for room, told := range s.rooms {
		if len(told) > 2 || len(told) == 2 && (told[0] == told[1] || told[0].ticket.User == told[1].ticket.User) {
			s.t.Errorf("%d were told of %s", len(told), room)
		}
		if len(told) == 2 && told[0].met[0].Side != wire.SideA && told[0].met[0].Side != wire.SideB {
			s.t.Errorf("nobody has a side in %s", room)
		}
	}
	stranded := 0
	for _, x := range s.players {
		for i, m := range x.met {
			if m.RoomName != "" && i > 0 && x.met[i-1].RoomName != "" {
				s.t.Errorf("%s was told of %s, and has %s", x.ticket.User, m.RoomName, x.met[i-1].RoomName)
			}
		}
		if !x.left && (len(x.met) == 0 || x.met[len(x.met)-1].RoomName == "") {
			stranded++
		}
		if len(x.ends) > 0 {
			s.t.Errorf("%s was told %v", x.ticket.User, x.ends)
		}
	}
	if stranded > 1 {
		s.t.Errorf("%d are left over", stranded)
		for _, x := range s.players {
			if !x.left && (len(x.met) == 0 || x.met[len(x.met)-1].RoomName == "") {
				e := x.ticket.Place.(*entry)
				s.t.Logf("%s at %d: %+v spot %d", x.ticket.User, x.node, e.life, e.spot)
			}
		}
	}
}
