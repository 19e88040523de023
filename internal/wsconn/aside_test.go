package wsconn

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
)

// TestAsideNeverWaitsForAnother holds that one who is stuck aside keeps nobody
// from going there, and that the hub ends them all.
func TestAsideNeverWaitsForAnother(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := NewHub(Config{})
		c := &Conn{hub: h}
		const stuck = maxAsides + 10
		var callers sync.WaitGroup
		release := make(chan struct{})
		for range stuck {
			callers.Go(func() { c.Aside(func() { <-release }) })
		}
		synctest.Wait()
		ran := false
		c.Aside(func() { ran = true })
		if !ran {
			t.Error("Aside has returned and f has not run")
		}
		close(release)
		callers.Wait()
		if n := len(h.asides.idle); n != maxAsides {
			t.Errorf("%d goroutines are kept, want %d", n, maxAsides)
		}
		ctx, stop := context.WithCancel(t.Context())
		stop()
		if err := h.Serve(ctx); err != nil { // the bubble fails if a goroutine is left
			t.Error(err)
		}
	})
}
