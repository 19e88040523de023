//go:build redis

package redisrooms_test

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/redisdb/redistest"
	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// child is a node that is a process of its own, which can be stopped.
type child struct {
	t *testing.T
	node
	process *exec.Cmd
}

// spawn starts a child whose Redis is at a URL.
func spawn(t *testing.T, url string) *child {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := &child{t: t, process: exec.CommandContext(context.WithoutCancel(t.Context()), self, "-test.run=^TestAChild$", url)}
	stdin, err := c.process.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stderr, err := c.process.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = stdin.Close()
		_ = c.process.Wait() // it may have been killed
	})
	line, err := bufio.NewReader(stderr).ReadString('\n')
	if err != nil {
		t.Fatalf("the child does not say where it listens: %v", err)
	}
	c.addr = strings.TrimSpace(line)
	return c
}

func (c *child) signal(s syscall.Signal) {
	c.t.Helper()
	if err := c.process.Process.Signal(s); err != nil {
		c.t.Fatal(err)
	}
}

// TestAChild is no test, but what a child does until its parent ends it.
func TestAChild(t *testing.T) {
	if flag.NArg() == 0 {
		t.Skip("it is for the other tests to start")
	}
	n := start(t, "one", flag.Arg(0))
	fmt.Fprintln(os.Stderr, n.addr)
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// TestAHomeSleeps, as a process that is stopped does: its room is taken over, and
// when it wakes its member finds the other one there.
func TestAHomeSleeps(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	one, two := spawn(t, redis.URL), start(t, "two", redis.URL)
	a, b, tokenA, tokenB := meet(t, &one.node, two, "room1")
	talk(t, a, b)
	one.signal(syscall.SIGSTOP)
	b.mustClose(wire.CloseGoingAway)
	b = two.dial(t)
	if accept := b.register("room1", "bob", tokenB); !accept.Rebuilt {
		t.Errorf("accept = %+v, want a room that was taken over", accept)
	}
	one.signal(syscall.SIGCONT)
	a.mustClose(wire.CloseGoingAway)
	a = one.dial(t)
	if accept := a.register("room1", "alice", tokenA); !accept.Rebuilt {
		t.Errorf("accept = %+v, want the room of the other node", accept)
	}
	talk(t, a, b)
	if s := two.rooms.Stats(); s.Rooms != 1 || s.Hosted != 1 {
		t.Errorf("Stats() = %+v, want the room, with a member at the other node", s)
	}
}

// TestAProxySleeps: what was said meanwhile is kept for its client, who comes to
// another node, and the old socket is closed when the proxy wakes.
func TestAProxySleeps(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	two := start(t, "two", redis.URL)
	a := two.dial(t)
	a.register("room1", "alice", "")
	one := spawn(t, redis.URL)
	b := one.dial(t)
	token := b.register("room1", "bob", "").ResumeToken
	talk(t, a, b)
	one.signal(syscall.SIGSTOP)
	a.send(`{"type":"offer","late":1}`)
	redistest.Until(t, func() bool { return two.rooms.Stats().Lost == 1 })
	again := two.dial(t)
	if accept := again.register("room1", "bob", token); !accept.Resumed || accept.Rebuilt {
		t.Errorf("accept = %+v, want the room that was", accept)
	}
	for got := again.next(); got != `{"type":"offer","late":1}`; got = again.next() {
		if got != `{"type":"answer"}` {
			t.Errorf("got %q, want the answer of before at most", got)
		}
	}
	one.signal(syscall.SIGCONT)
	ends := time.After(patience)
	for open := true; open; {
		select {
		case _, open = <-b.got: // what had come before it was stopped
		case <-ends:
			t.Fatal("the old socket stays open")
		}
	}
	talk(t, a, again)
}

// TestAHomeIsKilled and its room is at another node after a few seconds.
func TestAHomeIsKilled(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	one, two, three := spawn(t, redis.URL), start(t, "two", redis.URL), start(t, "three", redis.URL)
	a, b, tokenA, tokenB := meet(t, &one.node, two, "room1")
	killed := time.Now()
	one.signal(syscall.SIGKILL)
	<-a.ended
	a = three.dial(t)
	a.register("room1", "alice", tokenA)
	t.Logf("the first is back after %v", time.Since(killed).Round(time.Millisecond))
	b.mustClose(wire.CloseGoingAway)
	t.Logf("the other one is told after %v", time.Since(killed).Round(time.Millisecond))
	b = two.dial(t)
	b.register("room1", "bob", tokenB)
	talk(t, a, b)
	if n := two.rooms.Stats().Rooms + three.rooms.Stats().Rooms; n != 1 {
		t.Errorf("there are %d rooms, want 1", n)
	}
}
