package certs

import (
	"sync"
	"testing"
	"time"
)

// patience is how long a test waits for what must happen. It is never what a
// test measures.
const patience = time.Minute

// stoppedClock stands still while something pauses, until the test lets the
// pause end: then that much time has passed.
type stoppedClock struct {
	mu     sync.Mutex
	passed time.Duration
	pauses chan pause
}

type pause struct {
	length time.Duration
	end    chan time.Time
}

// stopClock gives a keeper a clock that the test moves.
func stopClock(k *Keeper) *stoppedClock {
	c := &stoppedClock{pauses: make(chan pause, 1)}
	k.clock = clock{now: c.now, after: c.after}
	return c
}

func (c *stoppedClock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.passed)
}

func (c *stoppedClock) after(d time.Duration) <-chan time.Time {
	p := pause{d, make(chan time.Time, 1)}
	c.pauses <- p
	return p.end
}

// wait returns when the keeper has nothing to do but wait.
func (c *stoppedClock) wait(t *testing.T) pause {
	t.Helper()
	select {
	case p := <-c.pauses:
		return p
	case <-time.After(patience):
		t.Fatal("the keeper does not pause")
		return pause{}
	}
}

// pass ends a pause.
func (c *stoppedClock) pass(p pause) {
	c.mu.Lock()
	c.passed += p.length
	c.mu.Unlock()
	p.end <- time.Time{}
}
