package main

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/wasmp2pchat/wasmp2pchat/internal/admin"
	"github.com/wasmp2pchat/wasmp2pchat/internal/redisdb/redistest"
)

// ofFleets are the packages whose goroutines only a node in a fleet has.
func ofFleets() []string {
	return []string{"redis/rueidis", "internal/redisdb", "internal/fleet", "match/redispool", "signal/redisrooms", "turnsvc/relays", "turnsvc/redisbudget", "match/redisbans"}
}

// TestAloneNothingOfTheFleetRuns holds that without REDIS_URL no goroutine and no
// connection is there for a fleet; with it there are some, so that they were looked
// for at the right place.
func TestAloneNothingOfTheFleetRuns(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	shared := []string{"ROOM_SECRET=the room secret of all", "TURN_SECRETS=the turn secret of all"}
	connections := func() int { return strings.Count(redis.Do(t, "CLIENT", "LIST"), "name=wasmp2pchat") }

	alone := startProcess(t, append(shared, "NODE_ID=alone", "NODE_URL=http://n1.example.org")...)
	for _, pkg := range ofFleets() {
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
	s.log.await(t, 1, `"msg":"redis is down"`)
	redis.Restart(t)
	until(t, "the warning has gone", func() bool { return !strings.Contains(s.ready(t), "redis") })
	said := map[string]bool{}
	for _, line := range s.log.with(`"msg":"redis is down"`) {
		_, why, _ := strings.Cut(line, `"why":`)
		if said[why] {
			t.Errorf("the log says again that Redis is down: %s", line)
		}
		said[why] = true
	}
}

// fleetOf is the settings of a node in the fleet of a Redis.
func fleetOf(redis *redistest.Server, id string, more ...string) []string {
	return append([]string{"REDIS_URL=" + redis.URL, "NODE_ID=" + id, "ROOM_SECRET=the room secret of all", "TURN_SECRETS=the turn secret of all"}, more...)
}

// nodesAt is the list of nodes that a server has, by id.
func nodesAt(t *testing.T, s *server) map[string]admin.Node {
	t.Helper()
	var list []admin.Node
	client := &admin.Client{URL: s.admin, HTTP: http.DefaultClient}
	if err := client.Do(t.Context(), http.MethodGet, "/api/nodes", nil, &list); err != nil {
		t.Fatal(err)
	}
	nodes := map[string]admin.Node{}
	for _, n := range list {
		nodes[n.ID] = n
	}
	return nodes
}

// TestNodesOfAFleet holds that each node lists all, what they do and how they are,
// and that one that ends has gone from the list.
func TestNodesOfAFleet(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	one := startServer(t, fleetOf(redis, "n1", "NODE_URL=http://n1.example.org/", "NODE_REGION=eu")...)
	two := startServer(t, fleetOf(redis, "n2", "ROLES=match,signal")...)
	for _, s := range []*server{one, two} {
		until(t, "each lists both", func() bool { return len(nodesAt(t, s)) == 2 })
	}
	seen, own := nodesAt(t, two)["n1"], nodesAt(t, one)["n1"]
	if seen.Self || !own.Self {
		t.Errorf("who is who: %+v, and of itself %+v", seen, own)
	}
	if seen.URL != "http://n1.example.org" || seen.Region != "eu" || !slices.Equal(seen.Roles, []string{"web", "match", "signal", "turn"}) || seen.MaxAllocations == 0 || seen.Epoch == "" || seen.Epoch != own.Epoch {
		t.Errorf("the other one sees %+v", seen)
	}
	if seen.LagMS > 5000 || own.LagMS != 0 {
		t.Errorf("the first one has told its state %d ms ago, says the second, and %d ms, says itself", seen.LagMS, own.LagMS)
	}
	if seen := nodesAt(t, one)["n2"]; !slices.Equal(seen.Roles, []string{"match", "signal"}) || seen.MaxAllocations != 0 || seen.URL != "" {
		t.Errorf("the first one sees %+v", seen)
	}

	for origin, ok := range map[string]bool{"http://n1.example.org": true, "http://n2.example.org": false, "https://n1.example.org": false, two.url: true} {
		if status := fromPage(t, two.url+"/signaling", origin); (status != http.StatusForbidden) != ok {
			t.Errorf("a page of %s is answered %d, want it let in: %v", origin, status, ok)
		}
	}

	client := &admin.Client{URL: two.admin, HTTP: http.DefaultClient}
	must(t, client.Do(t.Context(), http.MethodPost, "/api/drain", nil, nil))
	until(t, "the first one sees the second drain", func() bool { return nodesAt(t, one)["n2"].Draining })
	must(t, client.Do(t.Context(), http.MethodDelete, "/api/drain", nil, nil))
	until(t, "the first one sees the second open", func() bool { return !nodesAt(t, one)["n2"].Draining })
	must(t, two.stop())
	until(t, "the second has gone", func() bool { return len(nodesAt(t, one)) == 1 })
	one.log.calm(t, "no public address found")
}

// fromPage asks for something as a page of another site does.
func fromPage(t *testing.T, url, origin string) (status int) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	must(t, err)
	req.Header.Set("Origin", origin)
	resp, err := http.DefaultClient.Do(req)
	must(t, err)
	must(t, resp.Body.Close())
	return resp.StatusCode
}

// TestTwoOfOneName holds that two processes with one NODE_ID are warned of at both,
// until one of them has gone.
func TestTwoOfOneName(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	one, two := startServer(t, fleetOf(redis, "n1")...), startServer(t, fleetOf(redis, "n1")...)
	warns := func(s *server) bool {
		return strings.Contains(s.ready(t), "\nwarning: two processes are called n1: set WASMP2PCHAT_NODE_ID")
	}
	until(t, "both warn", func() bool { return warns(one) && warns(two) })
	must(t, two.stop())
	until(t, "the warning has gone", func() bool { return !warns(one) })
}

// TestNodesSayThatSecretsDiffer holds that a secret which one node has alone is
// warned of at each, in the log once, until it has gone; not one that is being
// rotated.
func TestNodesSayThatSecretsDiffer(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	one := startServer(t, fleetOf(redis, "n1")...)
	differs := func(s *server) bool { return strings.Contains(s.ready(t), "\nwarning: secrets differ: ") }

	rotates := startServer(t, fleetOf(redis, "n2", "TURN_SECRETS=the turn secret of all,one that comes next")...)
	until(t, "both are there", func() bool { return len(nodesAt(t, one)) == 2 && len(nodesAt(t, rotates)) == 2 })
	if differs(one) || differs(rotates) {
		t.Errorf("a secret that only verifies is warned of: %s", one.ready(t))
	}
	must(t, rotates.stop())

	other := startServer(t, fleetOf(redis, "n3", "ROOM_SECRET=the room secret of nobody")...)
	until(t, "both warn", func() bool { return differs(one) && differs(other) })
	if line := one.log.await(t, 1, `"msg":"the fleet is at odds"`); !strings.Contains(line, "n3") || strings.Contains(line, "nobody") {
		t.Errorf("the log says %s", line)
	}
	must(t, other.stop())
	until(t, "the warning has gone", func() bool { return !differs(one) })
	one.log.await(t, 1, `"msg":"the fleet agrees again"`)
	if lines := one.log.with(`"msg":"the fleet is at odds"`); len(lines) != 1 {
		t.Errorf("the log says it %d times, want once: %q", len(lines), lines)
	}
}

// TestTwoAtTwoNodesChat is the story of START in a fleet: one who waits at one node
// and one who comes to another meet, whether nodes have URLs of their own or not.
func TestTwoAtTwoNodesChat(t *testing.T) {
	t.Parallel()
	for name, withURLs := range map[string]bool{"with NODE_URL": true, "without": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			redis := redistest.Start(t)
			var nodes []*server
			for _, id := range []string{"n1", "n2"} {
				settings := fleetOf(redis, id)
				if withURLs {
					addr := "127.0.0.1:" + strconv.Itoa(freePort(t))
					settings = append(settings, "ADDR="+addr, "NODE_URL=http://"+addr)
				}
				nodes = append(nodes, startServer(t, settings...))
			}
			for _, s := range nodes {
				until(t, "each lists both", func() bool { return len(nodesAt(t, s)) == 2 })
			}
			a := openTerminal(t, nodes[0].url)
			a.expect("* looking")
			until(t, "one waits at the first", func() bool { return nodesAt(t, nodes[1])["n1"].Waiting == 1 })
			b := openTerminal(t, nodes[1].url)
			a.expect("* connected")
			b.expect("* connected")
			a.say("bonjour from the first node")
			b.expect("stranger: bonjour from the first node")
			b.say("bonjour from the second")
			a.expect("stranger: bonjour from the second")
		})
	}
}
