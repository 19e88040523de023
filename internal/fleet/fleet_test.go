package fleet_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/fleet"
	"github.com/wasmp2pchat/wasmp2pchat/internal/redisdb"
	"github.com/wasmp2pchat/wasmp2pchat/internal/redisdb/redistest"
)

// patience is how long anything may take that is sure to come.
const patience = 20 * time.Second

// heard is what a node heard, in order.
type heard chan string

// member is a node of a test.
type member struct {
	*fleet.Fleet
	heard heard
	db    *redisdb.DB
	log   *lines
	end   func() // ends it as SIGTERM does; twice is once

	draining atomic.Bool
	told     chan string // what a watcher is told: the ids, with a star if they drain
}

// watches waits until a watcher is told this.
func (m *member) watches(t *testing.T, want string) {
	t.Helper()
	for end := time.After(patience); ; {
		select {
		case got := <-m.told:
			if got == want {
				return
			}
		case <-end:
			t.Fatalf("the watcher of %s is not told %q", m.ID(), want)
		}
	}
}

// join has a node join a fleet, until the test ends.
func join(t *testing.T, url, id string, what fleet.Announcement) *member {
	t.Helper()
	db, err := redisdb.Open(url, redisdb.Options{})
	if err != nil {
		t.Fatal(err)
	}
	log := &lines{}
	f, err := fleet.Open(fleet.Config{
		DB: db, Node: id, URL: "https://" + id + ".example", Region: "eu", Log: slog.New(slog.NewTextHandler(log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	m := &member{Fleet: f, heard: make(heard, 10000), db: db, log: log}
	f.Announce(func() fleet.Announcement {
		said := what
		said.Draining = m.draining.Load()
		return said
	})
	f.On("test", func(from string, body []byte) { m.heard <- from + ": " + string(body) })
	m.told = make(chan string, 100)
	f.Watch(func(nodes []fleet.Node) {
		var all strings.Builder
		for _, n := range nodes {
			all.WriteString(n.ID)
			if n.Draining {
				all.WriteString("*")
			}
		}
		m.told <- all.String()
	})
	below, stopDB := context.WithCancel(context.Background()) //nolint:usetesting // it ends after the fleet
	ctx, stop := context.WithCancel(context.Background())     //nolint:usetesting // the test ends it
	var fleetEnds, dbEnds sync.WaitGroup
	dbEnds.Go(func() { _ = db.Serve(below) })
	fleetEnds.Go(func() { _ = f.Serve(ctx) })
	m.end = sync.OnceFunc(func() {
		stop()
		fleetEnds.Wait()
		stopDB()
		dbEnds.Wait()
	})
	t.Cleanup(m.end)
	return m
}

// lines is a log.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// has is how often the log has a text.
func (l *lines) has(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), text)
}

// sees waits until a node sees just these.
func (m *member) sees(t *testing.T, want ...string) {
	t.Helper()
	until(t, func() string {
		var got []string
		for _, n := range m.Nodes() {
			got = append(got, n.ID)
		}
		if slices.Equal(got, want) {
			return ""
		}
		return fmt.Sprintf("node %s sees %v, want %v", m.ID(), got, want)
	})
}

// hears waits for the next message.
func (m *member) hears(t *testing.T, want string) {
	t.Helper()
	select {
	case got := <-m.heard:
		if got != want {
			t.Fatalf("node %s hears %q, want %q", m.ID(), got, want)
		}
	case <-time.After(patience):
		t.Fatalf("node %s does not hear %q; %+v", m.ID(), want, m.Stats())
	}
}

// until asks until there is nothing wrong any more.
func until(t *testing.T, wrong func() string) {
	t.Helper()
	end := time.After(patience)
	for again := time.NewTicker(10 * time.Millisecond); ; {
		text := wrong()
		if text == "" {
			again.Stop()
			return
		}
		select {
		case <-again.C:
		case <-end:
			t.Fatal(text)
		}
	}
}

func TestNodesKnowAndTellOneAnother(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	a := join(t, server.URL, "a", fleet.Announcement{Allocations: 7})
	b := join(t, server.URL, "b", fleet.Announcement{})
	c := join(t, server.URL, "c", fleet.Announcement{})
	for _, m := range []*member{a, b, c} {
		m.sees(t, "a", "b", "c")
	}
	n, found := b.Node("a")
	if !found || n.Allocations != 7 || n.URL != "https://a.example" || n.Region != "eu" || n.Self || n.Since.IsZero() || time.Since(n.Heard) > time.Minute {
		t.Errorf("b sees a as %+v, %v", n, found)
	}
	for i := range 200 {
		a.Tell("b", "test", fmt.Appendf(nil, "%d", i))
	}
	for i := range 200 {
		b.hears(t, fmt.Sprintf("a: %d", i))
	}
	b.TellAll("test", []byte("all"))
	a.hears(t, "b: all")
	c.hears(t, "b: all")
	c.end()
	a.sees(t, "a", "b")
	if len(b.heard) > 0 {
		t.Errorf("b hears itself: %s", <-b.heard)
	}
}

// TestTheRightsAreEnough: a fleet needs no more than the ACL that operators are
// told to give us.
func TestTheRightsAreEnough(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	server.Do(t, append([]string{"ACL", "SETUSER", "u", "on", ">secret"}, strings.Fields(redisdb.ACL)...)...)
	url := "redis://u:secret@" + server.Addr
	a := join(t, url, "a", fleet.Announcement{})
	b := join(t, url, "b", fleet.Announcement{})
	a.sees(t, "a", "b")
	a.Tell("b", "test", []byte("hello"))
	b.hears(t, "a: hello")
	b.end()
	a.sees(t, "a")
}

// TestNewsTravelsAtOnce: what a node says first, and that it drains, the others do
// not learn with their next look alone.
func TestNewsTravelsAtOnce(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	a := join(t, server.URL, "a", fleet.Announcement{})
	until(t, func() string {
		if n, _ := a.Node("a"); n.Since.IsZero() {
			return "a is not there"
		}
		return ""
	})
	looks := a.Stats().Received
	b := join(t, server.URL, "b", fleet.Announcement{})
	until(t, func() string {
		if n := a.Stats().Received; n != looks+1 || len(a.Nodes()) != 2 {
			return fmt.Sprintf("a was told %d times to look, want once more than %d; %d nodes", n, looks, len(a.Nodes()))
		}
		return ""
	})
	a.watches(t, "ab")
	if b.Joined() {
		t.Error("b has joined at once")
	}
	b.draining.Store(true)
	b.Hurry()
	until(t, func() string {
		if n, _ := a.Node("b"); !n.Draining || a.Stats().Received != looks+2 {
			return fmt.Sprintf("a sees %+v; %+v", n, a.Stats())
		}
		return ""
	})
	a.watches(t, "ab*")
	until(t, func() string {
		if !b.Joined() {
			return "b has not joined"
		}
		return ""
	})
	for len(b.told) > 0 {
		<-b.told
	}
	server.Kill() // b says to itself that it no longer drains; of a it hears nothing
	b.draining.Store(false)
	b.watches(t, "ab")
	b.watches(t, "b")
}

// TestOneTooMany: the fleet is full, which is said, and lets in who comes when
// somebody has left.
func TestOneTooMany(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	a := join(t, server.URL, "a", fleet.Announcement{})
	a.sees(t, "a")
	crowd := []string{"HSET", "wasmp2pchat:{fleet}:nodes"}
	now := time.Now().UnixMilli()
	for i := range fleet.MaxNodes - 1 {
		crowd = append(crowd, fmt.Sprintf("n%d/E", i), fmt.Sprintf("%d %d {\"v\":1}", now, now+30_000))
	}
	server.Do(t, crowd...)
	until(t, func() string {
		if n := len(a.Nodes()); n != fleet.MaxNodes {
			return fmt.Sprintf("a sees %d nodes", n)
		}
		return ""
	})
	b := join(t, server.URL, "b", fleet.Announcement{})
	until(t, func() string {
		if b.log.has("node not announced") != 1 || b.log.has("256 nodes") != 1 {
			return "b does not say that the fleet is full"
		}
		return ""
	})
	server.Do(t, "HDEL", "wasmp2pchat:{fleet}:nodes", "n7/E")
	until(t, func() string {
		if n := len(b.Nodes()); n != fleet.MaxNodes {
			return fmt.Sprintf("b sees %d nodes", n)
		}
		return ""
	})
}

// TestWhatOthersWriteIsCounted: bytes in Redis that are no node and no message hurt
// nobody.
func TestWhatOthersWriteIsCounted(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	a := join(t, server.URL, "a", fleet.Announcement{})
	b := join(t, server.URL, "b", fleet.Announcement{})
	a.sees(t, "a", "b")
	now := time.Now().UnixMilli()
	for _, value := range []string{"", "x y z", "1 2", fmt.Sprintf("%d %d {", now, now+4000), fmt.Sprintf("%d %d {}", now, now+4000)} {
		server.Do(t, "HSET", "wasmp2pchat:{fleet}:nodes", "c/"+fmt.Sprint(len(value)), value)
	}
	server.Do(t, "XADD", "wasmp2pchat:{fleet:a}:inbox", "*", "k", "test", "f", "x")
	server.Do(t, "XADD", "wasmp2pchat:{fleet:a}:inbox", "*", "a", "b")
	server.Do(t, "SET", "wasmp2pchat:{fleet:x}:inbox", "no stream")
	b.Tell("x", "test", nil) // refused, again and again, and then no longer in the way
	b.Tell("a", "test", []byte("after that"))
	a.hears(t, "b: after that")
	until(t, func() string {
		if s := b.Stats(); s.Dropped != 1 || s.Queued != 0 {
			return fmt.Sprintf("stats: %+v", s)
		}
		return ""
	})
	until(t, func() string {
		if s := a.Stats(); s.Bad < 4 {
			return fmt.Sprintf("stats: %+v", s)
		}
		return ""
	})
	a.sees(t, "a", "b")
}

func TestTheFleetIsBackAfterAnEmptyRestart(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	a := join(t, server.URL, "a", fleet.Announcement{})
	b := join(t, server.URL, "b", fleet.Announcement{})
	a.sees(t, "a", "b")
	b.sees(t, "a", "b")
	server.Kill()
	a.Tell("b", "test", []byte("queued"))
	server.Restart(t)
	a.sees(t, "a", "b")
	b.sees(t, "a", "b")
	until(t, func() string {
		a.Tell("b", "test", []byte("again"))
		select {
		case <-b.heard:
			return ""
		case <-time.After(time.Second):
			return fmt.Sprintf("b hears nothing: %+v", b.Stats())
		}
	})
}

func TestOtherSecretsAreSaid(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	one, two := fleet.Fingerprint([]byte("one")), fleet.Fingerprint([]byte("two"))
	a := join(t, server.URL, "a", fleet.Announcement{RoomSecrets: []string{one}})
	b := join(t, server.URL, "b", fleet.Announcement{RoomSecrets: []string{two}})
	a.sees(t, "a", "b")
	b.sees(t, "a", "b")
	lines := a.Differences()
	if len(lines) != 1 || !strings.Contains(lines[0], "node b has another ROOM_SECRET") {
		t.Errorf("differences: %q", lines)
	}
}
