package wsconn

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"
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
		if n := h.asides.kept(); n != maxAsides {
			t.Errorf("%d goroutines are kept, want %d", n, maxAsides)
		}
		ctx, stop := context.WithCancel(t.Context())
		var serving sync.WaitGroup
		serving.Go(func() { _ = h.Serve(ctx) }) // the bubble fails if a goroutine is left
		<-time.After(h.cfg.PingEvery / parts)
		synctest.Wait()
		c.Aside(func() {}) // one of them is in use
		<-time.After(h.cfg.PingEvery / parts)
		synctest.Wait()
		if n := h.asides.kept(); n != 1 {
			t.Errorf("%d are kept after a while, want the one in use", n)
		}
		<-time.After(2 * h.cfg.PingEvery / parts)
		synctest.Wait()
		if n := h.asides.kept(); n != 0 {
			t.Errorf("%d are kept though none is used", n)
		}
		c.Aside(func() {})
		stop()
		serving.Wait()
	})
}

func (p *asides) kept() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.idle)
}
