//go:build redis && browser

package e2e

import (
	"net/http"
	"strings"
	"testing"
)

// TestFleetTellsOfRedis holds nodes to what an operator sees of their Redis: as long
// as it is away they say so, and are ready all the same, for their own visitors
// meet one another.
func TestFleetTellsOfRedis(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		plan  fleetPlan
		takes func(r *redisHost)
		gives func(r *redisHost)
	}{
		{
			"killed",
			fleetPlan{nodes: 2},
			func(r *redisHost) { r.servers[0].kill() },
			func(r *redisHost) { r.servers[0].start() },
		},
		{
			"unreachable",
			fleetPlan{nodes: 2},
			func(r *redisHost) { r.servers[0].cut() },
			func(r *redisHost) { r.servers[0].mend() },
		},
		{
			"frozen",
			fleetPlan{nodes: 2},
			func(r *redisHost) { r.servers[0].freeze() },
			func(r *redisHost) { r.servers[0].thaw() },
		},
		{
			"both of a pair killed",
			fleetPlan{nodes: 2, sentinel: true},
			func(r *redisHost) { r.servers[0].kill(); r.servers[1].kill() },
			func(r *redisHost) { r.servers[0].start() },
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t, c.plan)
			f.missRedis(false)
			c.takes(f.redis)
			f.missRedis(true)
			c.gives(f.redis)
			f.missRedis(false)
		})
	}
}

// missRedis waits until every node says that it misses Redis, or that it does not.
func (f *fleet) missRedis(missed bool) {
	f.t.Helper()
	for _, n := range f.nodes {
		eventually(f.t, n.id+map[bool]string{true: " misses Redis", false: " has Redis"}[missed], func() bool {
			status, text := n.asks("/readyz")
			if status != 0 && status != http.StatusOK {
				f.t.Fatalf("%s: /readyz = %d %q, want 200", n.id, status, text)
			}
			return status == http.StatusOK && strings.Contains(text, "redis is down") == missed
		})
	}
}
