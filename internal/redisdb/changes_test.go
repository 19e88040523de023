package redisdb

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/rueidis"
)

// TestWhoIsSlowIsToldTheEnd: watchers hear each change, or where they are slow only
// as many as they can, which take turns and end with how it is.
func TestWhoIsSlowIsToldTheEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for changes := 1; changes < 8; changes++ {
			db, err := Open("redis://127.0.0.1:1", Options{})
			if err != nil {
				t.Fatal(err)
			}
			var told []bool
			first := make(chan struct{})
			db.Watch(func(up bool) {
				told = append(told, up)
				<-first
			})
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan struct{})
			go func() { defer close(done); db.tell(ctx) }()
			up := false
			for range changes {
				if up = !up; up {
					db.set(&present{})
				} else {
					db.set(absent(errors.New("gone")))
				}
				synctest.Wait() // the first is being told
			}
			close(first)
			cancel()
			<-done
			if len(told) > 3 || told[len(told)-1] != up {
				t.Errorf("after %d changes: told %v, want the last to be %v", changes, told, up)
			}
			for i, is := range told {
				if is != (i%2 == 0) {
					t.Errorf("after %d changes: told %v, which do not take turns", changes, told)
				}
			}
		}
	})
}

// TestEverythingFailsAtOnce that can be asked of a client without a Redis.
func TestEverythingFailsAtOnce(t *testing.T) {
	t.Parallel()
	db, err := Open("redis://127.0.0.1:1", Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, c := t.Context(), db.Client()
	dedicated, release := c.Dedicate()
	defer release()
	for name, err := range map[string]error{
		"a script":              rueidis.NewLuaScript("return 1").Exec(ctx, c, []string{"a", "b"}, nil).Error(),
		"scripts":               rueidis.NewLuaScript("return 1").ExecMulti(ctx, c, rueidis.LuaExec{Keys: []string{"a"}})[0].Error(),
		"a blocking read":       c.Do(ctx, c.B().Xread().Block(0).Streams().Key("a").Id("$").Build()).Error(),
		"a subscription":        c.Receive(ctx, c.B().Ssubscribe().Channel("a").Build(), func(rueidis.PubSubMessage) {}),
		"a connection":          dedicated.Do(ctx, dedicated.B().Get().Key("a").Build()).Error(),
		"one after a long time": c.Do(ctx, c.B().Get().Key("a").Build()).Error(),
	} {
		if !errors.Is(err, ErrDown) {
			t.Errorf("%s: %v, want one that is ErrDown", name, err)
		}
	}
}

// TestTheLogIsBounded: a Redis that comes and goes each second for a day.
func TestTheLogIsBounded(t *testing.T) {
	t.Parallel()
	var v voice
	lines, now := 0, time.Now()
	const seconds = 24 * 3600
	for i := range seconds {
		now = now.Add(time.Second)
		if v.down(fmt.Sprint(i%3), now) {
			lines++
		}
		if v.down(fmt.Sprint(i%3), now) {
			t.Fatal("the same reason is said twice")
		}
		if v.up(now) {
			lines++
		}
	}
	if want := linesAtOnce + seconds/int(linesEvery/time.Second); lines > want || lines < want-1 {
		t.Errorf("%d lines in a day, want %d", lines, want)
	}
	v = voice{}
	lines = 0
	for i := range 100 { // away, for ever other reasons
		if v.down(fmt.Sprint(i), now.Add(time.Duration(i)*time.Hour)) {
			lines++
		}
	}
	if lines != maxReasons {
		t.Errorf("%d reasons are said, want %d", lines, maxReasons)
	}
}
