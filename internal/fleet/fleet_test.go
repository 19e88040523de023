package fleet_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
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
	end   func() // ends it as SIGTERM does; twice is once
}

// join has a node join a fleet, until the test ends.
func join(t *testing.T, url, id string, what fleet.Announcement) *member {
	t.Helper()
	db, err := redisdb.Open(url, redisdb.Options{})
	if err != nil {
		t.Fatal(err)
	}
	f, err := fleet.Open(fleet.Config{DB: db, Node: id, URL: "https://" + id + ".example", Region: "eu"})
	if err != nil {
		t.Fatal(err)
	}
	m := &member{Fleet: f, heard: make(heard, 10000)}
	f.Announce(func() fleet.Announcement { return what })
	f.On("test", func(from string, body []byte) { m.heard <- from + ": " + string(body) })
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
	if !found || n.Allocations != 7 || n.URL != "https://a.example" || n.Region != "eu" || n.Self || n.Since.IsZero() {
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

func TestTheFirstLineOfADifference(t *testing.T) {
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
