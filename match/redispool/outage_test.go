package redispool_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/redisdb/redistest"
	"github.com/wasmp2pchat/wasmp2pchat/match"
)

// recovery is how long a pool may take to notice what has become of Redis, and to
// offer everybody again.
const recovery = 15 * time.Second

// key is a key of the pool, in redis-cli's words.
func key(name string) string { return "wasmp2pchat:{mm:0}:" + name }

// waits lets somebody come, and waits until Redis has him.
func (c *crowdOf) waits(t *testing.T, n *node, user string, tags ...string) *guest {
	t.Helper()
	g := c.comes(n, user, tags...)
	c.within(t, recovery, user+" told how many wait", func() bool { return g.news > 0 })
	return g
}

// meet waits until two are told of each other, and holds that nobody was told of
// anything else.
func (c *crowdOf) meet(t *testing.T, a, b *guest) {
	t.Helper()
	c.within(t, recovery, a.ticket.User+" and "+b.ticket.User+" told", func() bool { return a.met > 0 && b.met > 0 })
	if ghosts := c.judge(t); ghosts != 0 {
		t.Errorf("%d are alone in a room", ghosts)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, told := range c.told {
		if len(told) == 2 && (told[0].who == a && told[1].who == b || told[0].who == b && told[1].who == a) {
			return
		}
	}
	t.Errorf("%s and %s have not met each other", a.ticket.User, b.ticket.User)
}

func TestWhoWaitsOutlivesARestartOfAnEmptyRedis(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	one := startNode(t, connect(t, server.URL), "one", match.PoolConfig{TagWait: time.Hour})
	two := startNode(t, connect(t, server.URL), "two", match.PoolConfig{TagWait: time.Hour})
	c := newCrowd()
	a, b := c.waits(t, one, "a", "x"), c.waits(t, two, "b", "y")
	server.Restart(t)
	x := c.comes(two, "meets a", "x")
	c.meet(t, a, x)
	y := c.comes(one, "meets b", "y")
	c.meet(t, b, y)
	if n := one.Stats().Epochs; n < 2 {
		t.Errorf("%d epochs, want a new one after the restart", n)
	}
}

func TestANodePairsByItselfWithoutRedis(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	one := startNode(t, connect(t, server.URL), "one", match.PoolConfig{TagWait: time.Hour})
	two := startNode(t, connect(t, server.URL), "two", match.PoolConfig{TagWait: time.Hour})
	c := newCrowd()
	a, b, stays := c.waits(t, one, "a", "x"), c.waits(t, two, "b", "y"), c.waits(t, two, "stays", "z")
	server.Stop(t)
	c.meet(t, a, c.comes(one, "meets a", "x"))
	c.meet(t, b, c.comes(two, "meets b", "y"))
	if s := one.Stats(); s.Degraded.IsZero() || s.Nodes != 0 {
		t.Errorf("%+v, want a pool that is degraded", s)
	}
	came := c.comes(one, "came while there was none", "w")
	server.Restart(t)
	c.within(t, recovery, "linked", func() bool { return one.Stats().Nodes == 2 && two.Stats().Nodes == 2 })
	c.meet(t, stays, c.comes(one, "meets who stays", "z"))
	c.meet(t, came, c.comes(two, "meets who came", "w"))
	if s := one.Stats(); !s.Degraded.IsZero() {
		t.Errorf("degraded since %v, want not any more", s.Degraded)
	}
}

func TestADeadNodeIsForgotten(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	one := startNode(t, connect(t, server.URL), "one", match.PoolConfig{})
	c := newCrowd()
	server.Do(t, "XADD", key("in:gone.abc"), "*", "m", "x")
	user := strings.Repeat("u", 12) + strings.Repeat("a", 8) + "0" + "00000001"
	for i := range 100 {
		ticket := fmt.Sprint("gone.abc.", i)
		server.Do(t, "HSET", key("t"), ticket, user+"0000000000000001"+"1")
		server.Do(t, "ZADD", key("q::"), "1", ticket)
	}
	server.Do(t, "HSET", key("n"), "gone.abc", "1|5") // its lease has ended long ago
	a := c.waits(t, one, "a")
	b := c.comes(one, "b")
	c.meet(t, a, b)
	c.within(t, recovery, "swept", func() bool {
		return server.Do(t, "HLEN", key("t")) == "0" && server.Do(t, "HLEN", key("n")) == "1" && server.Do(t, "EXISTS", key("in:gone.abc")) == "0"
	})
}

// TestALeaseThatRanOut takes a node's lease from it, as if it had slept: it takes
// another one, under which its visitors wait on.
func TestALeaseThatRanOut(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	one := startNode(t, connect(t, server.URL), "one", match.PoolConfig{})
	c := newCrowd()
	a := c.waits(t, one, "a")
	server.Do(t, "DEL", key("n"))
	c.within(t, recovery, "under a new epoch", func() bool { return one.Stats().Epochs == 2 })
	c.meet(t, a, c.comes(one, "b"))
}

// TestLostWrites puts back what Redis had before two met, as a replica does that
// becomes the primary without the last writes: who has a partner is not met again.
func TestLostWrites(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	one := startNode(t, connect(t, server.URL), "one", match.PoolConfig{})
	two := startNode(t, connect(t, server.URL), "two", match.PoolConfig{})
	c := newCrowd()
	a := c.waits(t, one, "a")
	server.Do(t, "COPY", key("t"), "copy of t")
	server.Do(t, "COPY", key("q::"), "copy of q")
	b := c.comes(two, "b")
	c.meet(t, a, b)
	server.Do(t, "COPY", "copy of t", key("t"), "REPLACE")
	server.Do(t, "COPY", "copy of q", key("q::"), "REPLACE")
	x := c.comes(two, "x")
	c.within(t, recovery, "told that a does not wait", func() bool { return two.Stats().Nacks == 1 })
	c.meet(t, x, c.comes(one, "y"))
}

// TestATicketThatRedisLostIsOfferedAgain takes the tickets away, and nothing else.
func TestATicketThatRedisLostIsOfferedAgain(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	one := startNode(t, connect(t, server.URL), "one", match.PoolConfig{})
	c := newCrowd()
	a := c.waits(t, one, "a")
	server.Do(t, "DEL", key("t"), key("q::"))
	c.within(t, recovery, "offered again", func() bool { return one.Stats().Lacking == 1 })
	c.meet(t, a, c.comes(one, "b"))
}

// TestForeignEntries puts what is none of ours into every key: it costs nobody but
// itself.
func TestForeignEntries(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		spoil func(do func(args ...string))
	}{
		{"tickets are a string", func(do func(args ...string)) { do("SET", key("t"), "x") }},
		{"nodes are a list", func(do func(args ...string)) { do("DEL", key("n")); do("RPUSH", key("n"), "x") }},
		{"encounters are a hash", func(do func(args ...string)) { do("DEL", key("met")); do("HSET", key("met"), "x", "y") }},
		{"a queue is a string", func(do func(args ...string)) { do("SET", key("q:x"), "x") }},
		{"a queue has strangers", func(do func(args ...string)) {
			do("ZADD", key("q::x"), "-9e18", "nobody", "-9e18", "one.zz.1", "-9e18", "", "-9e18", "one")
		}},
		{"tickets have strangers", func(do func(args ...string)) {
			do("HSET", key("t"), "nobody", "x", "", "", "one.zz.1", strings.Repeat("x", 80))
			do("ZADD", key("q::x"), "-9e18", "nobody", "-9e18", "", "-9e18", "one.zz.1")
		}},
		{"nodes have strangers", func(do func(args ...string)) {
			do("HSET", key("n"), "x", "y", "", "", "a.b", "99999999999999999999|x", "sweep", "nothing")
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t)
			one := startNode(t, connect(t, server.URL), "one", match.PoolConfig{Avoid: time.Minute, TagWait: time.Hour})
			crowd := newCrowd()
			other := crowd.waits(t, one, "other", "y")
			c.spoil(func(args ...string) { server.Do(t, args...) })
			a := crowd.comes(one, "a", "x")
			crowd.meet(t, a, crowd.comes(one, "b", "x"))
			crowd.meet(t, other, crowd.comes(one, "d", "y"))
		})
	}
}

// TestForeignLetters puts what is no letter into an inbox.
func TestForeignLetters(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	one := startNode(t, connect(t, server.URL), "one", match.PoolConfig{})
	two := startNode(t, connect(t, server.URL), "two", match.PoolConfig{})
	c := newCrowd()
	a := c.waits(t, one, "a")
	letters := []string{"x", "M", "Mone\ntwo\n", strings.Repeat("Y", 5000), "C" + strings.Repeat("\n", 10)}
	for owner := range strings.FieldsSeq(server.Do(t, "HKEYS", key("n"))) {
		for _, letter := range letters {
			server.Do(t, "XADD", key("in:"+owner), "*", "m", letter)
		}
	}
	c.within(t, recovery, "dropped", func() bool { return one.Stats().Dropped == uint64(len(letters)) })
	c.meet(t, a, c.comes(two, "b"))
}
