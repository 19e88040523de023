package relays

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/turnsvc"
)

// bus carries messages between the nodes of a test, each node's in order.
type bus struct {
	mu     sync.Mutex
	down   bool
	drains map[string]bool
	fleets map[string]*Fleet
	counts map[string]*Counts
	nodes  map[string]Node // that live; what a node announces of itself is asked of it
	inbox  map[string]chan [2]string
	sent   map[string]int // by kind
	lose   func(to, kind string) bool
}

func newBus() *bus {
	return &bus{drains: map[string]bool{}, counts: map[string]*Counts{}, fleets: map[string]*Fleet{}, nodes: map[string]Node{}, inbox: map[string]chan [2]string{}, sent: map[string]int{}}
}

// node adds a node with a relay that only remembers, or with none.
func (b *bus) node(t *testing.T, id, region string, r Relay) *Fleet {
	t.Helper()
	f := New(Config{
		Node: id, Region: region, Relay: r, Nodes: b.list, Counts: b.counts[id],
		Draining: func() bool { b.mu.Lock(); defer b.mu.Unlock(); return b.drains[id] },
		Tell:     func(node string, message []byte) { b.tell(t, id, node, message) },
		TellAll:  func(message []byte) { b.tell(t, id, "", message) },
		Up:       func() bool { b.mu.Lock(); defer b.mu.Unlock(); return !b.down },
	})
	in := make(chan [2]string, 1<<14)
	b.mu.Lock()
	b.fleets[id], b.inbox[id] = f, in
	b.mu.Unlock()
	b.announce(f)
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	var running sync.WaitGroup
	running.Go(func() { _ = f.Serve(ctx) })
	running.Go(func() {
		for {
			select {
			case m := <-in:
				f.Hear(m[0], []byte(m[1]))
			case <-ctx.Done():
				return
			}
		}
	})
	t.Cleanup(func() { stop(); running.Wait() })
	return f
}

// announce makes the others know what a node says of itself now.
func (b *bus) announce(f *Fleet) {
	n := f.Self()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.nodes[n.ID] = n
}

// drain has a node drain, and the others know.
func (b *bus) drain(f *Fleet) {
	b.set(func() { b.drains[f.cfg.Node] = true })
	b.announce(f)
}

func (b *bus) list() []Node {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Collect(maps.Values(b.nodes))
}

func (b *bus) tell(t *testing.T, from, to string, message []byte) {
	m, err := parse(message)
	if err != nil {
		t.Errorf("%s tells %s what cannot be understood: %v", from, to, err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.down {
		return
	}
	b.sent[m.Kind]++
	for id, in := range b.inbox {
		if id != from && (to == "" || to == id) && (b.lose == nil || !b.lose(id, m.Kind)) {
			in <- [2]string{from, string(message)}
		}
	}
}

func (b *bus) set(change func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	change()
}

func (b *bus) sentOf(kind string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.sent[kind]
}

// memo is a Relay that remembers what it was told.
type memo struct {
	id     string
	load   int
	budget bool

	mu    sync.Mutex
	holds map[string][]turnsvc.Relayed            // by room
	knows map[string]map[string][]turnsvc.Relayed // by room and server
	said  []string
	ended map[string]bool
	near  map[string][]netip.Addr
	ends  func(user string, source netip.Prefix, n int)
}

func newMemo(id string) *memo {
	return &memo{id: id, holds: map[string][]turnsvc.Relayed{}, knows: map[string]map[string][]turnsvc.Relayed{}, ended: map[string]bool{}}
}

// at is the address of a node's relay: that of n3 is 192.0.2.3.
func (r *memo) at() netip.Addr { return netip.MustParseAddr("192.0.2." + r.id[1:]) }

// hold makes a member hold something in a room.
func (r *memo) hold(f *Fleet, room, annex, side string, port uint16) {
	r.mu.Lock()
	r.holds[room] = append(r.holds[room], turnsvc.Relayed{Room: annex, Side: side, At: netip.AddrPortFrom(r.at(), port)})
	r.mu.Unlock()
	f.Moved(room)
}

func (r *memo) note(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.said = append(r.said, fmt.Sprintf(format, args...))
}

func (r *memo) heard(line string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Contains(r.said, line)
}

func (r *memo) over(room string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ended[room]
}

// known is what is known of the room called so at a server; -1: nothing is expected there.
func (r *memo) known(server string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	list, known := r.knows["room"][server]
	if !known {
		return -1
	}
	return len(list)
}

func (r *memo) URLs() []string {
	return []string{"stun:" + r.at().String() + ":3478", "turn:" + r.at().String() + ":3478?transport=udp", "turn:" + r.at().String() + ":3478?transport=tcp"}
}
func (r *memo) RelayedAt() []netip.Addr { return []netip.Addr{r.at()} }
func (r *memo) RelayedIn(room string) []turnsvc.Relayed {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.holds[room])
}
func (r *memo) InUse(netip.Addr) (all, ofAddr int) { return r.load, 0 }
func (r *memo) Capacity() (all, perAddr int)       { return 100, 32 }
func (r *memo) BudgetIsSpent() bool                { return r.budget }
func (r *memo) Introduce(room, side string, p netip.Addr) {
	r.note("introduce %s.%s %v", room, side, p)
}

func (r *memo) Join(room, to string) {
	r.note("join %s to %s", room, to)
	r.mu.Lock()
	r.holds[to] = append(r.holds[to], r.holds[room]...)
	delete(r.holds, room)
	r.mu.Unlock()
}
func (r *memo) Expect(server, room string) { r.elsewhere(server, room, nil, false) }
func (r *memo) Elsewhere(server, room string, list []turnsvc.Relayed) bool {
	return r.elsewhere(server, room, list, true)
}

func (r *memo) elsewhere(server, room string, list []turnsvc.Relayed, replace bool) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended[room] {
		return false
	}
	if r.knows[room] == nil {
		r.knows[room] = map[string][]turnsvc.Relayed{}
	}
	if _, again := r.knows[room][server]; !again || replace {
		r.knows[room][server] = list
	}
	return true
}

func (r *memo) SetNeighbours(at map[string][]netip.Addr) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.near = at
}

func (r *memo) EndRoom(room string) {
	r.note("end %s", room)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended[room] = true
	delete(r.knows, room)
	delete(r.holds, room)
}
func (r *memo) PerMember() (perUser, perAddr int) { return 8, 32 }
func (r *memo) EndYoungest(user string, source netip.Prefix, most int, _ time.Duration) int {
	r.note("end %d of %q %v", most, user, source)
	if r.ends != nil {
		r.ends(user, source, most)
	}
	return most
}

// someone is the address of a partner.
func someone() netip.Addr { return netip.MustParseAddr("8.8.4.4") }

// soon is when all that was told was heard.
func soon() {
	pass(2 * endsAfter)
}

// pass lets time pass, by the clock of a bubble.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}
