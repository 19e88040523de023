package redisdb_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/redisdb"
	"github.com/wasmp2pchat/wasmp2pchat/internal/redisdb/redistest"
)

// patience is how long anything may take that is sure to come.
const patience = 20 * time.Second

// served is a DB that is served until the test ends, and what its watchers hear.
func served(t *testing.T, url string, log *slog.Logger) (*redisdb.DB, <-chan bool) {
	t.Helper()
	db, err := redisdb.Open(url, redisdb.Options{Log: log})
	if err != nil {
		t.Fatal(err)
	}
	changes := make(chan bool, 100)
	db.Watch(func(up bool) { changes <- up })
	ctx, cancel := context.WithCancel(context.Background()) //nolint:usetesting // it ends before the server does
	done := make(chan error, 1)
	go func() { done <- db.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return db, changes
}

// await takes the next change, which is to be want.
func await(t *testing.T, db *redisdb.DB, changes <-chan bool, want bool) {
	t.Helper()
	select {
	case up := <-changes:
		if up != want {
			t.Fatalf("redis up is told as %v, want %v; %v", up, want, db.Reason())
		}
	case <-time.After(patience):
		t.Fatalf("redis up: %v is not told; %v", want, db.Reason())
	}
}

// set writes something.
func set(t *testing.T, db *redisdb.DB) error {
	t.Helper()
	c := db.Client()
	return c.Do(t.Context(), c.B().Set().Key(redisdb.Prefix+"test").Value("x").Build()).Error()
}

func TestComesAndGoes(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	db, changes := served(t, server.URL, nil)
	await(t, db, changes, true)
	if err := set(t, db); err != nil || !db.Up() || db.Reason() != nil {
		t.Fatalf("set: %v; up %v; reason %v", err, db.Up(), db.Reason())
	}
	server.Kill()
	await(t, db, changes, false)
	if err := set(t, db); !errors.Is(err, redisdb.ErrDown) || db.Up() || !errors.Is(db.Reason(), redisdb.ErrDown) {
		t.Fatalf("without a server: set: %v; up %v; reason %v", err, db.Up(), db.Reason())
	}
	server.Restart(t)
	await(t, db, changes, true)
	if err := set(t, db); err != nil {
		t.Fatal(err)
	}
}

func TestFailsAtOnceBeforeServe(t *testing.T) {
	t.Parallel()
	db, err := redisdb.Open("redis://127.0.0.1:1", redisdb.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := set(t, db); !errors.Is(err, redisdb.ErrDown) {
		t.Fatalf("set: %v, want one that is ErrDown", err)
	}
	c := db.Client()
	for _, r := range c.DoMulti(t.Context(), c.B().Get().Key("a").Build(), c.B().Get().Key("b").Build()) {
		if !errors.Is(r.Error(), redisdb.ErrDown) {
			t.Errorf("get: %v, want one that is ErrDown", r.Error())
		}
	}
}
