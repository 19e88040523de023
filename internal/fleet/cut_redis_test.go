//go:build redis

package fleet_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/fleet"
	"github.com/wasmp2pchat/wasmp2pchat/internal/redisdb/redistest"
)

// TestANodeThatIsCutOff is gone when its lease is over, knows itself alone, and
// reads on when it is back.
func TestANodeThatIsCutOff(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	network := redistest.Forward(t, server)
	a := join(t, server.URL, "a", fleet.Announcement{})
	b := join(t, network.URL, "b", fleet.Announcement{})
	a.sees(t, "a", "b")
	b.sees(t, "a", "b")
	network.Silence()
	start := time.Now()
	a.sees(t, "a")
	t.Logf("cut off: gone for the others after %v", time.Since(start).Round(time.Millisecond))
	b.sees(t, "b")
	for i := range 100 {
		a.TellAll("test", fmt.Appendf(nil, "%d", i))
		b.Tell("a", "test", fmt.Appendf(nil, "%d", i))
	}
	network.Resume()
	start = time.Now()
	for i := range 100 {
		b.hears(t, fmt.Sprintf("a: %d", i))
		a.hears(t, fmt.Sprintf("b: %d", i))
	}
	t.Logf("back: has read on %v after the network", time.Since(start).Round(time.Millisecond))
	a.sees(t, "a", "b")
	b.sees(t, "a", "b")
}

// TestMoreThanAnInboxHolds: the oldest are lost, and their reader counts them.
func TestMoreThanAnInboxHolds(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	network := redistest.Forward(t, server)
	a := join(t, server.URL, "a", fleet.Announcement{})
	b := join(t, network.URL, "b", fleet.Announcement{})
	a.sees(t, "a", "b")
	b.sees(t, "a", "b")
	network.Silence()
	b.sees(t, "b")
	const many = 10_000
	sent, received := a.Stats().Sent, b.Stats().Received
	for i := range many {
		a.Tell("b", "test", fmt.Appendf(nil, "%d", i))
		until(t, func() string {
			if s := a.Stats(); s.Queued > 1000 {
				return fmt.Sprintf("%+v", s)
			}
			return ""
		})
	}
	until(t, func() string {
		if s := a.Stats(); s.Sent != sent+many || s.Dropped > 0 {
			return fmt.Sprintf("%+v", s)
		}
		return ""
	})
	network.Resume()
	until(t, func() string {
		if s := b.Stats(); s.Received-received+s.Lost != many || s.Lost < many/4 || s.Received < many/4 {
			return fmt.Sprintf("%+v", s)
		}
		return ""
	})
}

// TestASentinelFailover: the fleet is whole again on the replica.
func TestASentinelFailover(t *testing.T) {
	t.Parallel()
	watched := redistest.StartSentinels(t)
	a := join(t, watched.URL, "a", fleet.Announcement{})
	b := join(t, watched.URL, "b", fleet.Announcement{})
	a.sees(t, "a", "b")
	b.sees(t, "a", "b")
	watched.Primary.Kill()
	start := time.Now()
	sent := 0
	until(t, func() string {
		a.Tell("b", "test", fmt.Appendf(nil, "%d", sent))
		sent++
		select {
		case <-b.heard:
			return ""
		case <-time.After(100 * time.Millisecond):
			return fmt.Sprintf("b hears nothing: a %+v, b %+v", a.Stats(), b.Stats())
		}
	})
	t.Logf("primary killed: the first message passes after %v", time.Since(start).Round(time.Millisecond))
	a.sees(t, "a", "b")
	b.sees(t, "a", "b")
}

// TestTwoOfOneName: both say so, once, and what is for the name reaches both.
func TestTwoOfOneName(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	older := join(t, server.URL, "twin", fleet.Announcement{Online: 1})
	watcher := join(t, server.URL, "watcher", fleet.Announcement{})
	watcher.sees(t, "twin", "watcher")
	younger := join(t, server.URL, "twin", fleet.Announcement{Online: 2})
	const warning = "another process has the id of this node"
	until(t, func() string {
		if n, _ := watcher.Node("twin"); n.Online != 2 || older.log.has(warning) != 1 || younger.log.has(warning) != 1 {
			return fmt.Sprintf("the watcher sees %+v; warnings: %d, %d", n, older.log.has(warning), younger.log.has(warning))
		}
		return ""
	})
	if !older.Twin() || !younger.Twin() || watcher.Twin() {
		t.Errorf("Twin: %v, %v and %v", older.Twin(), younger.Twin(), watcher.Twin())
	}
	watcher.Tell("twin", "test", []byte("hello"))
	older.hears(t, "watcher: hello")
	younger.hears(t, "watcher: hello")
	younger.end()
	until(t, func() string {
		if n, _ := watcher.Node("twin"); n.Online != 1 {
			return fmt.Sprintf("the watcher sees %+v", n)
		}
		return ""
	})
	watcher.Tell("twin", "test", []byte("still there"))
	older.hears(t, "watcher: still there")
	if n := older.log.has(warning); n != 1 {
		t.Errorf("the older one warned %d times, want once", n)
	}
	until(t, func() string {
		if older.Twin() {
			return "the older one still has a twin"
		}
		return ""
	})
}

// TestAFleetOnACluster: the list is on one node of it, the streams on any.
func TestAFleetOnACluster(t *testing.T) {
	t.Parallel()
	url, _ := redistest.StartCluster(t)
	var all []*member
	ids := []string{"a", "b", "c", "d", "e"}
	for _, id := range ids {
		all = append(all, join(t, url, id, fleet.Announcement{}))
	}
	for _, m := range all {
		m.sees(t, ids...)
	}
	for i := range 100 {
		all[0].TellAll("test", fmt.Appendf(nil, "%d", i))
	}
	for i := range 100 {
		for _, m := range all[1:] {
			m.hears(t, fmt.Sprintf("a: %d", i))
		}
	}
}
