package relays

import (
	"context"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/kept"
	"github.com/wasmp2pchat/wasmp2pchat/turnsvc"
)

const (
	// tickEvery is how often the neighbours are looked at, and counts are told.
	tickEvery = time.Second
	// repeatEvery is how often it is told again what members of a room hold here:
	// twice and more in turnsvc.ElsewhereTTL.
	repeatEvery = 5 * time.Minute
	// endsAfter is how long an end may wait for others to be told together.
	endsAfter = 50 * time.Millisecond
	// maxWaitingEnds bounds how many ends wait, such as while there is no bus; the
	// oldest are not told then, and credentials are good there until they expire.
	maxWaitingEnds = 1 << 16
)

// Relay is the part of a turnsvc.Server that a Fleet uses.
type Relay interface {
	URLs() []string
	RelayedAt() []netip.Addr
	RelayedIn(room string) []turnsvc.Relayed
	InUse(client netip.Addr) (all, ofAddr int)
	Capacity() (all, perAddr int)
	BudgetIsSpent() bool
	Introduce(room, side string, partner netip.Addr)
	Join(room, to string)
	Expect(server, room string)
	Elsewhere(server, room string, list []turnsvc.Relayed) bool
	SetNeighbours(at map[string][]netip.Addr)
	PerMember() (perUser, perAddr int)
	EndYoungest(user string, source netip.Prefix, most int, age time.Duration) int
	EndRoom(room string)
}

// Config is what New needs. Node, Nodes, Tell, TellAll and Up are required.
type Config struct {
	Node, Region string // of this one
	// Relay is that of this node; nil: it has none, and hands out those of others.
	Relay Relay
	// Counts are those of this node, which its relay has (turnsvc.Config); nil: nobody
	// counts.
	Counts *Counts
	// Draining reports that this node takes nobody new. nil: it never does.
	Draining func() bool
	// Nodes are those that live, as they were announced; of this one nothing counts.
	// It must be cheap.
	Nodes func() []Node
	// Tell and TellAll send a message to the Hear of a node or of all; they must not
	// wait. What they cannot send is lost.
	Tell    func(node string, message []byte)
	TellAll func(message []byte)
	// Up reports that Tell can send at present.
	Up func() bool
	// Log receives what happens; nil: nobody does.
	Log *slog.Logger
}

// Stats counts what a Fleet did.
type Stats struct {
	Links   int // rooms known to have to do with other nodes, now
	Waiting int // ends that wait to be told, now

	Told    uint64 // messages sent
	Heard   uint64 // messages understood
	Refused uint64 // messages that were not
	Unsaid  uint64 // ends that were never told: too many waited
	Away    uint64 // rooms sent to the relay of another node
	Nobody  uint64 // rooms for which no relay took anybody
	Shed    uint64 // allocations ended because others had used up the limit meanwhile
}

// Fleet is the relays of a fleet as one node sees them. All methods may be called by
// any number of goroutines.
type Fleet struct {
	cfg Config

	telling sync.Mutex // held from when it is asked what a room holds here until that is told: the latest counts

	mu       sync.Mutex                             // guards the fields below; never held while calling
	links    kept.Map[*link]                        // by room
	given    kept.Map[string]                       // relays, by room
	moved    map[string]bool                        // rooms of which one was sent to another relay than before
	refresh  func(which func(room string) bool) int // nil: nobody is sent elsewhere
	troubled time.Time                              // until then relays have gone lately
	ends     []ending
	wake     chan struct{} // has a value when there are ends

	open map[string]bool // nodes with a relay for everybody, at the last tick; Serve's own

	told, heard, refused, unsaid, away, nobody atomic.Uint64
}

// ending is a room whose end is to be told.
type ending struct {
	node string // to whom; empty: all
	room string
}

// New returns a Fleet. Serve keeps it.
func New(cfg Config) *Fleet {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Draining == nil {
		cfg.Draining = func() bool { return false }
	}
	return &Fleet{cfg: cfg, links: kept.New[*link](maxLinks), given: kept.New[string](maxGiven), moved: map[string]bool{}, wake: make(chan struct{}, 1)}
}

// Self is what this node announces of its relay.
func (f *Fleet) Self() Node {
	n := Node{ID: f.cfg.Node, Region: f.cfg.Region, Draining: f.cfg.Draining()}
	if r := f.cfg.Relay; r != nil {
		n.URLs, n.At, n.Spent = r.URLs(), r.RelayedAt(), r.BudgetIsSpent()
		n.Allocations, _ = r.InUse(netip.Addr{})
		n.MaxAllocations, _ = r.Capacity()
	}
	return n
}

// nodes are all that live, this one as it is now.
func (f *Fleet) nodes() []Node {
	others := f.cfg.Nodes()
	list := make([]Node, 0, len(others)+1)
	list = append(list, f.Self())
	for _, n := range others {
		if n.ID != f.cfg.Node {
			list = append(list, n)
		}
	}
	return list
}

// Stats is what happened until now.
func (f *Fleet) Stats() Stats {
	f.mu.Lock()
	defer f.mu.Unlock()
	var shed uint64
	if f.cfg.Counts != nil {
		shed = f.cfg.Counts.shed.Load()
	}
	return Stats{
		Shed:  shed,
		Links: f.links.Len(), Waiting: len(f.ends),
		Told: f.told.Load(), Heard: f.heard.Load(), Refused: f.refused.Load(),
		Unsaid: f.unsaid.Load(), Away: f.away.Load(), Nobody: f.nobody.Load(),
	}
}

// Serve keeps the neighbours up to date, and tells what is to be told, until ctx ends.
func (f *Fleet) Serve(ctx context.Context) error {
	tick := time.NewTicker(tickEvery)
	defer tick.Stop()
	soon := time.NewTimer(0)
	defer soon.Stop()
	for {
		select {
		case <-ctx.Done():
			f.tellEnds()
			return nil
		case <-f.wake:
			soon.Reset(endsAfter)
		case <-soon.C:
			f.tellEnds()
		case now := <-tick.C:
			f.tick(now)
		}
	}
}

func (f *Fleet) tick(now time.Time) {
	if f.cfg.Relay != nil {
		at := map[string][]netip.Addr{}
		for _, n := range f.cfg.Nodes() {
			if n.ID != f.cfg.Node && len(n.At) > 0 {
				at[n.ID] = n.At
			}
		}
		f.cfg.Relay.SetNeighbours(at)
		f.repeat(now)
		f.count(now)
	}
	f.move()
	f.tellEnds()
}

// tell sends a message to a node.
func (f *Fleet) tell(node string, m *message) {
	f.told.Add(1)
	f.cfg.Tell(node, m.text())
}

// Hear takes what another node has told. It does not wait.
func (f *Fleet) Hear(from string, text []byte) {
	if from == f.cfg.Node {
		return
	}
	m, err := parse(text)
	if err != nil {
		f.refused.Add(1)
		f.cfg.Log.Debug("relays: message refused", "node", from, "err", err.Error())
		return
	}
	f.heard.Add(1)
	if f.cfg.Relay == nil {
		return
	}
	switch m.Kind {
	case kindIntroduce:
		f.cfg.Relay.Introduce(m.Room, m.Side, m.Addr)
	case kindJoin:
		f.joinHere(m.Room, m.To, m.Side, m.Addr, m.Nodes)
	case kindRelays:
		f.hearRelays(from, &m)
	case kindLink:
		f.connect(m.Room, false, m.Nodes...)
	case kindEnd:
		f.hearEnds(from, &m)
	case kindCounts:
		if f.cfg.Counts != nil {
			f.cfg.Counts.hear(from, &m)
		}
	}
}

// hasTURN reports whether there is a URL of a relay among those of a node.
func hasTURN(urls []string) bool {
	return slices.ContainsFunc(urls, func(url string) bool { return strings.HasPrefix(url, "turn") })
}
