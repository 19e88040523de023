package redispool_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/redisdb"
	"github.com/wasmp2pchat/wasmp2pchat/internal/redisdb/redistest"
	"github.com/wasmp2pchat/wasmp2pchat/match"
	"github.com/wasmp2pchat/wasmp2pchat/match/pooltest"
	"github.com/wasmp2pchat/wasmp2pchat/match/redispool"
)

// connect is a served DB that is up.
func connect(t testing.TB, url string) *redisdb.DB {
	t.Helper()
	db, err := redisdb.Open(url, redisdb.Options{})
	if err != nil {
		t.Fatal(err)
	}
	up := make(chan bool, 16)
	db.Watch(func(is bool) { up <- is })
	served := make(chan error, 1)
	go func() { served <- db.Serve(t.Context()) }() // waited for in Cleanup
	t.Cleanup(func() {
		if err := <-served; err != nil {
			t.Errorf("Serve = %v, want nil", err)
		}
	})
	for is := db.Up(); !is; {
		select {
		case is = <-up:
		case <-time.After(10 * time.Second):
			t.Fatalf("redis is not up within 10 s: %v", db.Reason())
		}
	}
	return db
}

// promises runs the checks of pooltest, all at once: they do little but wait.
func promises(t *testing.T, db *redisdb.DB, slow bool) {
	t.Helper()
	var pools atomic.Int64
	newPool := func(_ *testing.T, cfg match.PoolConfig) match.Pool {
		return redispool.New(redispool.Config{PoolConfig: cfg, DB: db, Name: fmt.Sprint("p", pools.Add(1)), Node: "one"})
	}
	var running sync.WaitGroup
	for _, c := range pooltest.Checks() {
		if c.Slow == slow {
			running.Go(func() { t.Run(c.Name, func(t *testing.T) { c.RunPatiently(t, newPool, 2*time.Second, recovery) }) })
		}
	}
	running.Wait()
}

// TestPromises is alone on the machine, as far as its package goes: what it holds is
// held within pooltest.Slack.
func TestPromises(t *testing.T) {
	for program, start := range redistest.Programs(t) {
		t.Run(program, func(t *testing.T) { promises(t, connect(t, start(t).URL), false) })
	}
}
