package redispool_test

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/redisdb"
	"github.com/wasmp2pchat/wasmp2pchat/internal/redisdb/redistest"
	"github.com/wasmp2pchat/wasmp2pchat/match"
	"github.com/wasmp2pchat/wasmp2pchat/match/redispool"
	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// crowdOf is many visitors of several pools, and what they were told.
type crowdOf struct {
	mu     sync.Mutex
	told   map[string][]telling // by room id
	faults []string
	met    int
	more   chan struct{} // a token when something was told, if there is room
}

type telling struct {
	who *guest
	m   match.Meeting
}

func newCrowd() *crowdOf {
	return &crowdOf{told: map[string][]telling{}, more: make(chan struct{}, 1)}
}

func (c *crowdOf) happened() {
	select {
	case c.more <- struct{}{}:
	default:
	}
}

func (c *crowdOf) fault(format string, args ...any) {
	c.faults = append(c.faults, fmt.Sprintf(format, args...))
}

// guest is one visitor.
type guest struct {
	crowd  *crowdOf
	pool   *redispool.Pool
	node   string
	ticket *match.Ticket

	met  int // the rest is guarded by crowd.mu
	ends []string
	news int
	left bool
}

// Presence implements match.Visitor.
func (g *guest) Presence() match.Presence {
	g.crowd.mu.Lock()
	defer g.crowd.mu.Unlock()
	if g.left {
		return match.Busy
	}
	return match.Here
}

// Probe implements match.Visitor.
func (g *guest) Probe() {}

// News implements match.Visitor.
func (g *guest) News(int) {
	g.crowd.mu.Lock()
	defer g.crowd.mu.Unlock()
	g.news++
	g.crowd.happened()
}

// Meet implements match.Visitor.
func (g *guest) Meet(m match.Meeting) error {
	c := g.crowd
	c.mu.Lock()
	defer c.mu.Unlock()
	if g.left {
		return context.Canceled
	}
	if g.met++; g.met > 1 {
		c.fault("%s was told of %d meetings", g.ticket.User, g.met)
	}
	if m.Partner.User == g.ticket.User {
		c.fault("%s meets himself", g.ticket.User)
	}
	c.told[m.RoomID] = append(c.told[m.RoomID], telling{g, m})
	c.met++
	c.happened()
	return nil
}

// End implements match.Visitor.
func (g *guest) End(reason string) {
	g.crowd.mu.Lock()
	defer g.crowd.mu.Unlock()
	g.ends = append(g.ends, reason)
}

// node is a pool that is served.
type node struct {
	*redispool.Pool
	id   string
	stop func()
}

var rooms = func() func() string { //nolint:gochecknoglobals // names of rooms are unique over all pools of the tests
	var mu sync.Mutex
	n := 0
	return func() string {
		mu.Lock()
		defer mu.Unlock()
		n++
		return fmt.Sprint("room-", n)
	}
}()

func startNode(t testing.TB, db *redisdb.DB, id string, cfg match.PoolConfig) *node {
	t.Helper()
	cfg.RoomName, cfg.RoomID = rooms, func(name string) string { return "admission to " + name }
	n := &node{id: id, Pool: redispool.New(redispool.Config{
		PoolConfig: cfg, DB: db, Node: id, URL: "https://" + id + ".example",
		Relay: func(string) string { return "relay-of-" + id },
	})}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- n.Serve(ctx) }() // waited for in stop
	n.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-served; err != nil {
			t.Errorf("Serve = %v, want nil", err)
		}
	})
	t.Cleanup(n.stop)
	return n
}

// comes lets somebody ask at a node.
func (c *crowdOf) comes(n *node, user string, tags ...string) *guest {
	g := &guest{crowd: c, pool: n.Pool, node: n.id}
	g.ticket = &match.Ticket{
		Party: match.Party{User: user, Device: "device of " + user, Addr: netip.MustParseAddr("2001:db8::7")},
		Tags:  tags, Since: time.Now(), Visitor: g,
	}
	n.Offer(g.ticket)
	return g
}

func (g *guest) leaves() {
	g.crowd.mu.Lock()
	g.left = true
	g.crowd.mu.Unlock()
	g.pool.Cancel(g.ticket)
}

// within waits until something is true of the crowd.
func (c *crowdOf) within(t testing.TB, d time.Duration, what string, is func() bool) {
	t.Helper()
	deadline := time.NewTimer(d)
	defer deadline.Stop()
	look := time.NewTicker(20 * time.Millisecond) // what is no telling has no token
	defer look.Stop()
	for {
		c.mu.Lock()
		ok := is()
		c.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-c.more:
		case <-look.C:
		case <-deadline.C:
			c.mu.Lock()
			defer c.mu.Unlock()
			t.Fatalf("not %s within %v: %d tellings, faults %v", what, d, c.met, c.faults)
		}
	}
}

// judge holds that every room has two who were told the same, and counts those in
// which one is alone: his partner has left or could not be told.
func (c *crowdOf) judge(t testing.TB) (ghosts int) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	for room, told := range c.told {
		if len(told) == 1 {
			ghosts++
			continue
		}
		if len(told) != 2 {
			c.fault("%d were told of %s", len(told), room)
			continue
		}
		c.judgePair(told[0], told[1])
	}
	for _, fault := range c.faults {
		t.Error(fault)
	}
	return ghosts
}

func (c *crowdOf) judgePair(a, b telling) {
	if a.m.Side == wire.SideB {
		a, b = b, a
	}
	switch {
	case a.m.Side != wire.SideA || b.m.Side != wire.SideB:
		c.fault("sides %v and %v", a.m.Side, b.m.Side)
	case a.m.Partner != b.who.ticket.Party || b.m.Partner != a.who.ticket.Party:
		c.fault("%s meets %+v, %s meets %+v", a.who.ticket.User, a.m.Partner, b.who.ticket.User, b.m.Partner)
	case a.m.Node != a.who.node || b.m.Node != a.who.node:
		c.fault("the room is kept by %s and %s, want %s", a.m.Node, b.m.Node, a.who.node)
	case a.m.PartnerNode != b.who.node || b.m.PartnerNode != a.who.node:
		c.fault("partners at %s and %s, want %s and %s", a.m.PartnerNode, b.m.PartnerNode, b.who.node, a.who.node)
	case a.m.URL != b.m.URL || a.m.Relay != b.m.Relay || a.m.RoomName != b.m.RoomName || a.m.Warm != b.m.Warm || fmt.Sprint(a.m.Tags) != fmt.Sprint(b.m.Tags):
		c.fault("told %+v and %+v", a.m, b.m)
	}
}

func TestTwoNodesMeet(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	one := startNode(t, connect(t, server.URL), "one", match.PoolConfig{})
	two := startNode(t, connect(t, server.URL), "two", match.PoolConfig{})
	c := newCrowd()
	a := c.comes(one, "a", "art", "go")
	c.within(t, 5*time.Second, "told how many wait", func() bool { return a.news > 0 })
	b := c.comes(two, "b", "go", "tea")
	c.within(t, 5*time.Second, "told of each other", func() bool { return c.met == 2 })
	if ghosts := c.judge(t); ghosts != 0 {
		t.Errorf("%d are alone in a room", ghosts)
	}
	told := c.told["admission to "+c.anyRoom()]
	if len(told) != 2 || fmt.Sprint(told[0].m.Tags) != "[go]" {
		t.Errorf("told %+v, want both of the tag that they share", told)
	}
	if one.Cancel(a.ticket) || two.Cancel(b.ticket) {
		t.Error("Cancel of who was matched = true, want false")
	}
}

func (c *crowdOf) anyRoom() string {
	for _, told := range c.told {
		return told[0].m.RoomName
	}
	return ""
}

// TestThousandsAtTwoNodes lets many come to two nodes in turn, each with a tag that
// only one at the other node shares. Every tenth leaves at once.
func TestThousandsAtTwoNodes(t *testing.T) {
	t.Parallel()
	const (
		many  = 4000
		group = 200 // who come together
		pairs = 80  // of these, of whom none leaves
	)
	server := redistest.Start(t)
	nodes := []*node{
		startNode(t, connect(t, server.URL), "one", match.PoolConfig{TagWait: time.Second}),
		startNode(t, connect(t, server.URL), "two", match.PoolConfig{TagWait: time.Second}),
	}
	c := newCrowd()
	var stay []*guest
	var leaving sync.WaitGroup
	leavers := map[string]bool{}
	for i := range many {
		user := fmt.Sprint("user-", i)
		g := c.comes(nodes[i%2], user, fmt.Sprint("tag-", i/2))
		if i%10 == 9 {
			leavers[user] = true
			leaving.Go(g.leaves)
		} else {
			stay = append(stay, g)
		}
		if came := i + 1; came%group == 0 {
			c.within(t, 30*time.Second, "matched", func() bool { return c.met >= came/group*pairs*2 })
		}
	}
	leaving.Wait()
	stranded := func() (n int) {
		for _, g := range stay {
			if g.met == 0 {
				n++
			}
		}
		return n
	}
	c.within(t, 30*time.Second, "all but one matched", func() bool { return stranded() <= 1 })
	for _, n := range nodes {
		n.stop()
	}
	ghosts := c.judge(t)
	t.Logf("%d of %d are alone in a room; %+v and %+v", ghosts, many, nodes[0].Stats(), nodes[1].Stats())
	for room, told := range c.told {
		if partner := told[0].m.Partner.User; len(told) == 1 && !leavers[partner] {
			t.Errorf("%s is alone in %s, and %s has not left", told[0].who.ticket.User, room, partner)
		}
	}
	if r := server.Do(t, "HLEN", key("t")); r != "0" {
		t.Errorf("%s tickets are left in Redis, want none", r)
	}
}
