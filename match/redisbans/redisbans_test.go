package redisbans_test

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"net/netip"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/redisdb"
	"github.com/wasmp2pchat/wasmp2pchat/internal/redisdb/redistest"
	"github.com/wasmp2pchat/wasmp2pchat/match"
	"github.com/wasmp2pchat/wasmp2pchat/match/redisbans"
)

// patience is how long a test waits for what has to come.
const patience = 20 * time.Second

// dial serves a DB until the test ends, and returns it when it is up.
func dial(t *testing.T, server *redistest.Server, before func(*redisdb.DB)) *redisdb.DB {
	t.Helper()
	db, err := redisdb.Open(server.URL, redisdb.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if before != nil {
		before(db)
	}
	up := make(chan struct{})
	var once sync.Once
	db.Watch(func(is bool) {
		if is {
			once.Do(func() { close(up) })
		}
	})
	serve(t, db.Serve)
	select {
	case <-up:
	case <-time.After(patience):
		t.Fatal("redis did not come up: ", db.Reason())
	}
	return db
}

// serve runs what serves until the test ends.
func serve(t *testing.T, what func(context.Context) error) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- what(ctx) }() // waited for in the cleanup
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestWhatOneNodeSavesOthersLoad(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	one, other := redisbans.New(dial(t, server, nil)), redisbans.New(dial(t, server, nil))
	if kept, err := one.Load(t.Context()); len(kept) != 0 || err != nil {
		t.Fatalf("Load of nothing = %q, %v", kept, err)
	}
	want := map[string][]byte{"a": []byte("\x00any bytes\xff"), "b": []byte("{}"), "c": nil}
	if err := one.Save(t.Context(), want, []string{"nobody"}); err != nil {
		t.Fatal(err)
	}
	kept, err := other.Load(t.Context())
	if err != nil || !maps.EqualFunc(kept, want, bytes.Equal) {
		t.Errorf("Load = %q, %v; want %q", kept, err, want)
	}
	if err := other.Save(t.Context(), map[string][]byte{"b": []byte("new")}, []string{"a", "c"}); err != nil {
		t.Fatal(err)
	}
	if kept, err = one.Load(t.Context()); err != nil || len(kept) != 1 || string(kept["b"]) != "new" {
		t.Errorf("Load = %q, %v; want the new b alone", kept, err)
	}
	if left := server.Do(t, "PTTL", "wasmp2pchat:bans"); len(left) < 10 {
		t.Errorf("what is kept ends in %s ms, want a month", left)
	}
}

func TestTheStoreIsBounded(t *testing.T) {
	t.Parallel()
	store := redisbans.New(dial(t, redistest.Start(t), nil))
	many := map[string][]byte{}
	for i := range 1 << 13 {
		many[strconv.Itoa(i)] = []byte("x")
	}
	if err := store.Save(t.Context(), many, nil); err != nil {
		t.Fatal(err)
	}
	if err := store.Save(t.Context(), map[string][]byte{"one more": []byte("x")}, nil); !errors.Is(err, redisbans.ErrFull) {
		t.Errorf("Save of one too many = %v, want ErrFull", err)
	}
	if err := store.Save(t.Context(), map[string][]byte{"one more": []byte("x")}, []string{"0"}); err != nil {
		t.Errorf("Save in the place of another = %v", err)
	}
}

func TestWithoutRedisThereIsAnError(t *testing.T) {
	t.Parallel()
	db, err := redisdb.Open("redis://127.0.0.1:1", redisdb.Options{})
	if err != nil {
		t.Fatal(err)
	}
	store := redisbans.New(db)
	if _, err := store.Load(t.Context()); !errors.Is(err, redisdb.ErrDown) {
		t.Errorf("Load = %v, want ErrDown", err)
	}
	if err := store.Save(t.Context(), map[string][]byte{"a": nil}, []string{"b"}); !errors.Is(err, redisdb.ErrDown) {
		t.Errorf("Save = %v, want ErrDown", err)
	}
}

// node is a lobby without visitors whose bans are kept in Redis, until the test ends.
func node(t *testing.T, server *redistest.Server) (*match.Lobby, *match.Bans) {
	t.Helper()
	var lobby *match.Lobby
	var bans *match.Bans
	dial(t, server, func(db *redisdb.DB) {
		var err error
		if bans, err = match.OpenBans(match.BansConfig{Key: []byte("the secret of all nodes"), Store: redisbans.New(db)}); err != nil {
			t.Fatal(err)
		}
		name := func() string { return "name" }
		lobby = match.New(match.Config{PoolConfig: match.PoolConfig{RoomName: name, RoomID: func(n string) string { return n }}, Bans: bans})
	})
	serve(t, lobby.Serve)
	return lobby, bans
}

// TestARestartedRedisHasTheBansAgain bans somebody, restarts Redis empty, and lets
// another node join then, which has never heard of it.
func TestARestartedRedisHasTheBansAgain(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	lobby, _ := node(t, server)
	banned, err := lobby.BanAddr(netip.MustParseAddr("192.0.2.66"), match.Sentence{For: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	server.Stop(t)
	server.Restart(t)
	soon(t, "redis has the ban again", func() bool { return server.Do(t, "HLEN", "wasmp2pchat:bans") == "1" })
	_, bans := node(t, server)
	soon(t, "the other node learns of the ban", func() bool { return len(bans.List()) > 0 })
	if list := bans.List(); len(list) != 1 || list[0].Name != banned.Bans[0].Name || !list[0].Operator {
		t.Errorf("the other node has %+v, want %+v", list, banned.Bans)
	}
}

// soon waits until something is true.
func soon(t *testing.T, what string, is func() bool) {
	t.Helper()
	late := time.NewTimer(patience)
	defer late.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-late.C:
			t.Fatal("too late: ", what)
		case <-tick.C:
		}
	}
}
