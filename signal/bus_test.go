package signal

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/wasmp2pchat/wasmp2pchat/internal/pipenet"
)

// bus is a fleet in memory: what Redis is to several processes.
type bus struct {
	mu     sync.Mutex
	nodes  map[string]*station
	claims map[string]string
	down   bool                                 // nobody is reached, nothing is known
	lose   func(from, to string, b []byte) bool // nil: no frame is lost
	frames int                                  // that were sent
	home   string                               // of every room; empty: who claims it first
}

func newBus() *bus { return &bus{nodes: map[string]*station{}, claims: map[string]string{}} }

// station is one node on the bus.
type station struct {
	bus   *bus
	name  string
	inbox chan func()
	rooms *Rooms
	stale []string // guarded by bus.mu: what the next claims say, whatever is true
	mute  bool     // guarded by bus.mu: it neither sends nor is sent to
}

var errBusDown = errors.New("the bus is down")

// join makes a node; open tells it for which rooms.
func (b *bus) join(name string) *station {
	s := &station{bus: b, name: name, inbox: make(chan func(), 1<<14)}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.nodes[name] = s
	return s
}

// serve passes frames on until the inbox is closed.
func (s *station) serve() {
	for f := range s.inbox {
		f()
	}
}

func (s *station) leave() {
	s.bus.mu.Lock()
	defer s.bus.mu.Unlock()
	delete(s.bus.nodes, s.name)
	close(s.inbox)
}

func (s *station) Node() string { return s.name }

func (s *station) Alone() bool { return false }

func (s *station) Claim(_ context.Context, room string) (string, error) {
	s.bus.mu.Lock()
	defer s.bus.mu.Unlock()
	switch {
	case s.bus.down || s.mute:
		return "", errBusDown
	case len(s.stale) > 0:
		node := s.stale[0]
		s.stale = s.stale[1:]
		return node, nil
	case s.bus.home != "":
		return s.bus.home, nil
	case s.bus.claims[room] == "":
		s.bus.claims[room] = s.name
	}
	return s.bus.claims[room], nil
}

func (s *station) TakeOver(_ context.Context, room, from string) (string, error) {
	s.bus.mu.Lock()
	defer s.bus.mu.Unlock()
	if s.bus.down || s.mute {
		return "", errBusDown
	}
	if had := s.bus.claims[room]; had == "" || had == from {
		s.bus.claims[room] = s.name
	}
	return s.bus.claims[room], nil
}

func (s *station) Lost(string) {}

func (s *station) Send(node string, frame []byte) {
	s.bus.mu.Lock()
	defer s.bus.mu.Unlock()
	s.bus.frames++
	to := s.bus.nodes[node]
	if s.bus.nodes[s.name] != s {
		return // it has left
	}
	if to == nil && !s.bus.down {
		s.post(func() { s.rooms.Unheard(node) })
		return
	}
	if s.bus.down || s.mute || to.mute || s.bus.lose != nil && s.bus.lose(s.name, node, frame) {
		return
	}
	to.post(func() { to.rooms.Receive(frame) })
}

// post has something done by the one who serves. bus.mu is held.
func (s *station) post(f func()) {
	select {
	case s.inbox <- f:
	default:
	}
}

func (b *bus) set(change func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	change()
}

// onNode is a world whose node is on a bus.
func onNode(t *testing.T, b *bus, name string, options ...func(*Config)) *world {
	t.Helper()
	s := b.join(name)
	l := pipenet.Listen()
	w := newWorldOn(t, l, l.Dial, append(options, sealing("s"), func(c *Config) { c.Fleet = s })...)
	s.rooms = w.rooms
	served := make(chan struct{})
	go func() { // waited for in stop
		defer close(served)
		s.serve()
	}()
	stop := w.stop
	w.stop = func() {
		stop()
		s.leave()
		<-served
	}
	return w
}

// spread says who of a world's clients are on another node than the room, by the
// name of the test: nobody, unless it runs within TestAcrossNodes.
func spread(t *testing.T) (elsewhere func(n int) bool) {
	switch {
	case strings.HasPrefix(t.Name(), "TestAcrossNodes/first/"):
		return func(n int) bool { return n%2 == 0 }
	case strings.HasPrefix(t.Name(), "TestAcrossNodes/second/"):
		return func(n int) bool { return n%2 == 1 }
	case strings.HasPrefix(t.Name(), "TestAcrossNodes/both/"), inOldProcess(t):
		return func(int) bool { return true }
	default:
		return nil
	}
}

// newWorld is a set of rooms on a listener. Within TestAcrossNodes it is on two
// nodes: w.rooms are those of the home.
func newWorld(t *testing.T, l net.Listener, dial func(context.Context) (net.Conn, error), options ...func(*Config)) *world {
	t.Helper()
	elsewhere := spread(t)
	if elsewhere == nil {
		return newWorldOn(t, l, dial, options...)
	}
	if inOldProcess(t) {
		return newFamilyOn(t, l, dial, options...)
	}
	options = append([]func(*Config){sealing("fleet")}, options...)
	b := newBus()
	b.home = "home.1"
	home, proxy := b.join("home.1"), b.join("proxy.1")
	w := newWorldOn(t, l, dial, append(options, func(c *Config) { c.Fleet = home })...)
	other := pipenet.Listen()
	p := newWorldOn(t, other, other.Dial, append(options, func(c *Config) { c.Fleet = proxy })...)
	p.came = w.came
	home.rooms, proxy.rooms = w.rooms, p.rooms
	var serving sync.WaitGroup
	serving.Go(home.serve)
	serving.Go(proxy.serve)
	var dialled atomic.Int64
	w.dial = func(ctx context.Context) (net.Conn, error) {
		if elsewhere(int(dialled.Add(1)) - 1) {
			return p.dial(ctx)
		}
		return dial(ctx)
	}
	stop := w.stop
	w.stop = func() {
		p.stop()
		stop()
		proxy.leave()
		home.leave()
		serving.Wait()
	}
	return w
}
