package match

import (
	"testing"
	"time"
)

// TestThePoolAsksWithoutWaiting asks for a visitor of another process, as the pool does
// while it is locked, when somebody holds his connection who may be waiting for the pool,
// as who hands him on is.
func TestThePoolAsksWithoutWaiting(t *testing.T) {
	t.Parallel()
	r := new(remote)
	r.mu.Lock()
	defer r.mu.Unlock()
	answered := make(chan bool, 1)
	go func() { answered <- r.quiet() }()
	select {
	case quiet := <-answered:
		if !quiet {
			t.Error("nothing has come, and it is not quiet")
		}
	case <-time.After(10 * time.Second):
		t.Error("the pool waits for who may be waiting for it")
	}
}
