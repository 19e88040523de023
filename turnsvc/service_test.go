package turnsvc

import (
	"context"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"
)

// testClock is a clock that only the test moves; the service reads it.
type testClock struct{ unix atomic.Int64 }

func (c *testClock) now() time.Time          { return time.Unix(c.unix.Load(), 0) }
func (c *testClock) advance(d time.Duration) { c.unix.Add(int64(d / time.Second)) }

// service is a running Server on loopback with a clock of its own.
type service struct {
	*Server
	clock *testClock
	done  chan error         // what Serve returned
	stop  context.CancelFunc // ends Serve's context

	offered chan struct{} // has a value when URLs have changed
}

// serve starts a Server that allows every peer, unless change says otherwise,
// and stops it when the test ends.
func serve(t testing.TB, change func(*Config)) *service {
	t.Helper()
	s := listen(t, change)
	s.begin(t)
	return s
}

// listen is serve before Serve.
func listen(t testing.TB, change func(*Config)) *service {
	t.Helper()
	clock := new(testClock)
	clock.unix.Store(1_800_000_000)
	cfg := Config{
		Secrets: []string{"new", "old"}, UDPAddrs: []string{"127.0.0.1:0"}, TCPAddr: "127.0.0.1:0",
		PublicIPs: addrs("127.0.0.1"), Peers: PeersAny, DrainTimeout: time.Millisecond, now: clock.now,
		blind: true, DataPlane: planeOfTests,
	}
	offered := make(chan struct{}, 1)
	cfg.Offered = func() {
		select {
		case offered <- struct{}{}:
		default: // nobody has looked yet
		}
	}
	if change != nil {
		change(&cfg)
	}
	srv, err := Listen(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return &service{Server: srv, clock: clock, done: make(chan error, 1), offered: offered}
}

// begin serves until the test ends.
func (s *service) begin(t testing.TB) {
	t.Helper()
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	s.stop = stop
	go func() { s.done <- s.Serve(ctx) }() // stopped waits
	t.Cleanup(func() { s.stopped(t) })
}

// stopped ends Serve and waits for it; it may be called again.
func (s *service) stopped(t testing.TB) {
	t.Helper()
	s.stop()
	select {
	case err := <-s.done:
		if err != nil {
			t.Errorf("Serve = %v, want nil", err)
		}
		s.done <- nil
	case <-time.After(10 * time.Second):
		t.Fatal("Serve does not return")
	}
	if n := s.Stats().Allocations; n != 0 {
		t.Errorf("after Serve %d allocations are counted, want 0", n)
	}
}

// within waits until something is so, and says what is wrong if it never is.
func (s *service) within(t testing.TB, wrong string, so func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(4 * patience); !so(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatal(wrong)
		}
	}
}

// credentials are good for ten minutes of the service's clock.
func (s *service) credentials(claims string) (username, password string) {
	username, password, _ = Issuer{Secret: "new", Now: s.clock.now}.Credentials(claims)
	return username, password
}

func addrs(texts ...string) []netip.Addr {
	list := make([]netip.Addr, len(texts))
	for i, text := range texts {
		list[i] = netip.MustParseAddr(text)
	}
	return list
}
