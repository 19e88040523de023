package main

import (
	"strings"
	"testing"

	"github.com/wasmp2pchat/wasmp2pchat/internal/redisdb/redistest"
)

// ofFleets are the packages whose goroutines only a node in a fleet has.
var ofFleets = []string{"redis/rueidis", "internal/redisdb", "internal/fleet", "match/redispool", "turnsvc/relays", "turnsvc/redisbudget", "match/redisbans"}

// TestAloneNothingOfTheFleetRuns holds that without REDIS_URL no goroutine and no
// connection is there for a fleet; with it there are some, so that they were looked
// for at the right place.
func TestAloneNothingOfTheFleetRuns(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	shared := []string{"ROOM_SECRET=the room secret of all", "TURN_SECRETS=the turn secret of all"}
	connections := func() int { return strings.Count(redis.Do(t, "CLIENT", "LIST"), "name=wasmp2pchat") }

	alone := startProcess(t, append(shared, "NODE_ID=alone", "NODE_URL=http://n1.example.org")...)
	for _, pkg := range ofFleets {
		if strings.Contains(alone.stacks(t), pkg) {
			t.Errorf("a process that is alone runs %s", pkg)
		}
	}
	if n := connections(); n != 0 {
		t.Errorf("%d connections to Redis of a process that is alone", n)
	}

	node := startProcess(t, append(shared, "REDIS_URL="+redis.URL)...)
	until(t, "a node in a fleet has connected", func() bool { return connections() > 0 })
	if stacks := node.stacks(t); !strings.Contains(stacks, "internal/redisdb") {
		t.Errorf("a node in a fleet runs nothing of it:\n%s", stacks)
	}
	if err := node.terminate(); err != nil {
		t.Errorf("the node ended with %v", err)
	}
	until(t, "it has gone from Redis", func() bool { return connections() == 0 })
}

// TestReadyWithoutRedis holds that a node serves its own visitors when Redis is
// away, and says so: if all nodes said that they are not ready, nobody were served.
func TestReadyWithoutRedis(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	s := startServer(t, "ROOM_SECRET=the room secret of all", "TURN_SECRETS=the turn secret of all", "REDIS_URL="+redis.URL, "NODE_ID=n1")
	until(t, "nothing is to be warned of", func() bool { return !strings.Contains(s.ready(t), "redis") })
	redis.Stop(t)
	where := "redis://" + redis.Addr
	until(t, "it is ready, and warns", func() bool {
		body := s.ready(t)
		return strings.Contains(body, "\nwarning: redis is down: ") && strings.Contains(body, where)
	})
	redis.Restart(t)
	until(t, "the warning has gone", func() bool { return !strings.Contains(s.ready(t), "redis") })
	if lines := s.log.with(`"msg":"redis is down"`); len(lines) != 1 {
		t.Errorf("the log says %d times that Redis is down, want once: %q", len(lines), lines)
	}
}
