//go:build redis

package redisdb_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/redisdb"
	"github.com/wasmp2pchat/wasmp2pchat/internal/redisdb/redistest"
)

// TestSentinelFailover kills the primary: a replica takes over, and the DB finds it
// without being told.
func TestSentinelFailover(t *testing.T) {
	t.Parallel()
	watched := redistest.StartSentinels(t)
	for _, s := range watched.Sentinels {
		s.Do(t, append([]string{"ACL", "SETUSER", "wasmp2pchat", "on", ">secret"}, strings.Fields(redisdb.SentinelACL)...)...)
	}
	db, changes := served(t, watched.URL+"?sentinel_user=wasmp2pchat&sentinel_password=secret", nil)
	await(t, db, changes, true)
	works(t, db)
	watched.Primary.Kill()
	start := time.Now()
	await(t, db, changes, false)
	gone := time.Since(start)
	await(t, db, changes, true)
	t.Logf("the primary was killed: noticed after %v, the replica is used after %v", gone.Round(time.Millisecond), time.Since(start).Round(time.Millisecond))
	if err := set(t, db); err != nil {
		t.Fatal(err)
	}
	if got := watched.Replica.Do(t, "EXISTS", redisdb.Prefix+"test"); got != "1" {
		t.Errorf("the replica has %s keys of ours, want 1", got)
	}
}

// TestSentinelsAndTLS: both the Sentinel and the primary speak only TLS.
func TestSentinelsAndTLS(t *testing.T) {
	t.Parallel()
	db, changes := served(t, redistest.StartTLSSentinel(t), nil)
	await(t, db, changes, true)
	works(t, db)
}

// TestServersOfTheWrongKind holds what is said of them.
func TestServersOfTheWrongKind(t *testing.T) {
	t.Parallel()
	watched := redistest.StartSentinels(t)
	for name, c := range map[string]struct{ url, want string }{
		"a name that nobody knows":      {strings.Replace(watched.URL, "mymaster", "another", 1), "watch no primary of that name"},
		"a server instead of Sentinels": {"redis+sentinel://" + watched.Primary.Addr + "/mymaster", "it is no Sentinel"},
		"a Sentinel instead of servers": {watched.Sentinels[0].URL, "it is a Sentinel"},
		"servers that are no cluster":   {"redis://" + watched.Primary.Addr + "," + watched.Replica.Addr, "several hosts are those of a cluster"},
		"a stranger to the Sentinels":   {watched.URL + "?sentinel_user=x&sentinel_password=s3cret", "the user or the password in the address is wrong"},
	} {
		t.Run(name, func(t *testing.T) {
			db, _ := served(t, c.url, nil)
			redistest.Until(t, func() bool { return strings.Contains(db.Reason().Error(), c.want) })
		})
	}
}

// TestSentinelFailoverByHand has the operator swap the two: both live on.
func TestSentinelFailoverByHand(t *testing.T) {
	t.Parallel()
	watched := redistest.StartSentinels(t)
	db, changes := served(t, watched.URL, nil)
	await(t, db, changes, true)
	start := time.Now()
	watched.Sentinels[0].Do(t, "SENTINEL", "FAILOVER", "mymaster")
	redistest.Until(t, func() bool {
		return watched.Replica.Do(t, "ROLE")[:6] == "master" && db.Up() && set(t, db) == nil && watched.Replica.Do(t, "EXISTS", redisdb.Prefix+"test") == "1"
	})
	t.Logf("swapped by hand: the other one is written to after %v", time.Since(start).Round(time.Millisecond))
	redistest.Until(t, func() bool { return set(t, db) == nil }) // and stays
}

// TestCluster works with keys on each of its nodes, and notices that one is gone.
func TestCluster(t *testing.T) {
	t.Parallel()
	url, nodes := redistest.StartCluster(t)
	db, changes := served(t, url, nil)
	await(t, db, changes, true)
	works(t, db)
	c := db.Client()
	for i := range 50 {
		if err := c.Do(t.Context(), c.B().Set().Key(redisdb.Prefix+"{"+string(rune('A'+i))+"}").Value("x").Build()).Error(); err != nil {
			t.Fatal(err)
		}
	}
	for i, n := range nodes {
		if n.Do(t, "DBSIZE") == "0" {
			t.Errorf("node %d has nothing", i)
		}
	}
	start := time.Now()
	for _, n := range nodes[1:] {
		n.Kill()
	}
	await(t, db, changes, false)
	t.Logf("two of three nodes were killed: noticed after %v: %v", time.Since(start).Round(time.Millisecond), db.Reason())
}

// TestSilence holds what happens while the server is there and says nothing: a
// process that is stopped, and a network that swallows everything.
func TestSilence(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	network := redistest.Forward(t, server)
	for name, c := range map[string]struct {
		url         string
		begin, over func()
	}{
		"the process is stopped": {server.URL, func() { server.Pause(t) }, func() { server.Resume(t) }},
		"the network is silent":  {network.URL, network.Silence, network.Resume},
	} {
		t.Run(name, func(t *testing.T) {
			db, changes := served(t, c.url, nil)
			await(t, db, changes, true)
			client := db.Client()
			read := make(chan error, 1)
			go func() {
				read <- client.Do(t.Context(), client.B().Xread().Block(0).Streams().Key(redisdb.Prefix+"nothing").Id("$").Build()).Error()
			}()
			start := time.Now()
			c.begin()
			await(t, db, changes, false)
			gone := time.Since(start)
			if err := <-read; err == nil {
				t.Error("a read that blocked has no error")
			}
			if err := set(t, db); !errors.Is(err, redisdb.ErrDown) {
				t.Errorf("set: %v, want one that is ErrDown", err)
			}
			tried := db.Stats().Tries
			redistest.Until(t, func() bool { return db.Stats().Tries > tried+1 })
			start = time.Now()
			c.over()
			await(t, db, changes, true)
			t.Logf("%s: noticed after %v (%d tries since); back after %v", name, gone.Round(time.Millisecond), db.Stats().Tries, time.Since(start).Round(time.Millisecond))
			if err := set(t, db); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestUnreachableFor30Seconds is the network of the server gone for half a minute.
func TestUnreachableFor30Seconds(t *testing.T) {
	t.Parallel()
	network := redistest.Forward(t, redistest.Start(t))
	db, changes := served(t, network.URL, nil)
	await(t, db, changes, true)
	network.Silence()
	start := time.Now()
	await(t, db, changes, false)
	gone := time.Since(start)
	<-time.After(30*time.Second - gone)
	network.Resume()
	start = time.Now()
	await(t, db, changes, true)
	t.Logf("unreachable for 30 s: noticed after %v, back %v after the network, with %d tries", gone.Round(time.Millisecond), time.Since(start).Round(time.Millisecond), db.Stats().Tries)
}

// TestRestartsEmpty kills the server and starts it empty, ten times.
func TestRestartsEmpty(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	db, changes := served(t, server.URL, nil)
	await(t, db, changes, true)
	var most time.Duration
	for range 10 {
		server.Kill()
		await(t, db, changes, false)
		server.Restart(t)
		start := time.Now()
		await(t, db, changes, true)
		most = max(most, time.Since(start))
		if err := set(t, db); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("killed and restarted empty, 10 times: back at most %v after it was ready", most.Round(time.Millisecond))
}
