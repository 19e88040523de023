//go:build !js

package peer

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// connStub is a connection that is closed or not.
type connStub struct{ closed atomic.Bool }

func (c *connStub) Close() error {
	c.closed.Store(true)
	return nil
}

// TestALostSYNIsNotWaitedFor dials a relay that takes some of the connections, each
// after a while, and says when which is tried.
func TestALostSYNIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	const lost = time.Hour
	for name, c := range map[string]struct {
		takes   []time.Duration // each try
		refuses bool            // in place of taking it
		want    int             // which one it is; -1: none
		at      time.Duration   // that it is known
		tried   int
	}{
		"at once":            {[]time.Duration{time.Millisecond}, false, 0, time.Millisecond, 1},
		"far away":           {[]time.Duration{150 * time.Millisecond, 150 * time.Millisecond}, false, 0, 150 * time.Millisecond, 2},
		"the first is lost":  {[]time.Duration{lost, 20 * time.Millisecond}, false, 1, 120 * time.Millisecond, 2},
		"two are lost":       {[]time.Duration{lost, lost, 20 * time.Millisecond}, false, 2, 220 * time.Millisecond, 3},
		"everything is lost": {[]time.Duration{lost, lost, lost}, false, -1, 10 * time.Second, 3},
		"nobody is there":    {[]time.Duration{20 * time.Millisecond}, true, -1, 20 * time.Millisecond, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				start := time.Now()
				conns := make([]connStub, len(c.takes))
				var tried atomic.Int32
				got, err := hedge(ctx, func(ctx context.Context) (*connStub, error) {
					try := tried.Add(1) - 1
					if c.takes[try] == lost {
						<-ctx.Done()
						return nil, ctx.Err()
					}
					<-time.After(c.takes[try]) // and does not look whether it is needed any more
					if c.refuses {
						return nil, syscall.ECONNREFUSED
					}
					return &conns[try], nil
				})
				if at := time.Since(start); at != c.at || int(tried.Load()) != c.tried || (err == nil) != (c.want >= 0) || c.refuses && !errors.Is(err, syscall.ECONNREFUSED) {
					t.Errorf("hedge() has tried %d times, %v, after %v; want %d after %v", tried.Load(), err, at, c.tried, c.at)
				}
				<-time.After(time.Second) // all that were tried have come
				for i := range conns {
					if taken := got == &conns[i]; taken != (i == c.want) {
						t.Errorf("connection %d is taken: %t", i, taken)
					}
					if came := c.takes[i] < lost && !c.refuses; conns[i].closed.Load() != (came && i != c.want) {
						t.Errorf("connection %d is closed: %t", i, conns[i].closed.Load())
					}
				}
			})
		})
	}
}

// TestTLSWaitsForTCPThatIsReached holds that a relay by TLS is gone to when those by
// TCP do not answer, later if one was reached, and not if one answers.
func TestTLSWaitsForTCPThatIsReached(t *testing.T) {
	t.Parallel()
	const never = time.Hour
	for name, c := range map[string]struct {
		reached, answers, over time.Duration
		want                   error
		at                     time.Duration
	}{
		"nothing is reached":   {never, never, never, nil, relayHeadStart},
		"it answers":           {10 * time.Millisecond, 20 * time.Millisecond, never, errNotNeeded, relayHeadStart},
		"the request was lost": {10 * time.Millisecond, 600 * time.Millisecond, never, errNotNeeded, 750 * time.Millisecond},
		"it never answers":     {10 * time.Millisecond, never, never, nil, answerTime},
		"all is over":          {10 * time.Millisecond, never, 300 * time.Millisecond, net.ErrClosed, 300 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				u := &underlay{done: make(chan struct{})}
				time.AfterFunc(c.reached, u.reached.now)
				time.AfterFunc(c.answers, u.tcp.now)
				time.AfterFunc(c.over, u.giveUp)
				start := time.Now()
				if err := u.awaitTCP(start); !errors.Is(err, c.want) || time.Since(start) != c.at {
					t.Errorf("awaitTCP() = %v after %v, want %v after %v", err, time.Since(start), c.want, c.at)
				}
			})
		})
	}
}
