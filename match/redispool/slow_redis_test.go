//go:build redis

package redispool_test

import (
	"strings"
	"testing"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/redisdb"
	"github.com/wasmp2pchat/wasmp2pchat/internal/redisdb/redistest"
	"github.com/wasmp2pchat/wasmp2pchat/match"
)

// TestSlowPromises is what takes tens of seconds of pooltest.
func TestSlowPromises(t *testing.T) {
	t.Parallel()
	for program, start := range redistest.Programs(t) {
		t.Run(program, func(t *testing.T) {
			t.Parallel()
			promises(t, connect(t, start(t).URL), true)
		})
	}
}

// TestARedisThatSaysNothing stops Redis without closing a connection: nodes pair by
// themselves, and come back.
func TestARedisThatSaysNothing(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	one := startNode(t, connect(t, server.URL), "one", match.PoolConfig{TagWait: time.Hour})
	two := startNode(t, connect(t, server.URL), "two", match.PoolConfig{TagWait: time.Hour})
	c := newCrowd()
	a, stays := c.waits(t, one, "a", "x"), c.waits(t, two, "stays", "z")
	server.Pause(t)
	c.meet(t, a, c.comes(one, "meets a", "x"))
	server.Resume(t)
	c.meet(t, stays, c.comes(one, "meets who stays", "z"))
}

// TestCluster runs on a cluster: all keys of a call are in one slot.
func TestCluster(t *testing.T) {
	t.Parallel()
	url, _ := redistest.StartCluster(t)
	one := startNode(t, connect(t, url), "one", match.PoolConfig{Avoid: time.Minute, Crowd: 8})
	two := startNode(t, connect(t, url), "two", match.PoolConfig{Avoid: time.Minute, Crowd: 8})
	c := newCrowd()
	a := c.waits(t, one, "a", "x", "y")
	c.meet(t, a, c.comes(two, "b", "y", "z"))
}

// TestACL runs as the user of the manual, who may do no more than is needed.
func TestACL(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	server.Do(t, append([]string{"ACL", "SETUSER", "chat", "on", ">secret"}, strings.Fields(redisdb.ACL)...)...)
	url := strings.Replace(server.URL, "redis://", "redis://chat:secret@", 1)
	one := startNode(t, connect(t, url), "one", match.PoolConfig{Avoid: time.Minute, Crowd: 8})
	two := startNode(t, connect(t, url), "two", match.PoolConfig{Avoid: time.Minute, Crowd: 8})
	c := newCrowd()
	a := c.waits(t, one, "a", "x", "y")
	c.meet(t, a, c.comes(two, "b", "y", "z"))
	c.within(t, recovery, "two leases renewed", func() bool { return one.Stats().Nodes == 2 && one.Stats().Epochs == 1 })
	if log := server.Do(t, "ACL", "LOG"); log != "" {
		t.Errorf("the user was refused: %s", log)
	}
}
