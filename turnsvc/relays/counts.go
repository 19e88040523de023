package relays

import (
	"cmp"
	"encoding/binary"
	"maps"
	"math"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	keyBytes   = 8
	countBytes = 2
	// wholeEvery is how often all counts are told, in case something got lost.
	wholeEvery = time.Minute
	// maxKeys bounds how many users and addresses of one node are known: more than its
	// allocations can be of.
	maxKeys = 1 << 18
	// maxSpeakers bounds how many nodes are known, and unlisted for how many ticks one is
	// that has spoken before it was on the list of those that live.
	maxSpeakers = 1 << 10
	unlisted    = 5
	// youngest is what may still be ended because it was too much: who could not know
	// that it was is a second or two late, and a chat that runs is not cut.
	youngest = 5 * time.Second
)

// key stands for a user or for an address: a MAC, for nodes need not know one
// another's visitors to count them.
type key [keyBytes]byte

// Counts are how many allocations users and addresses have in a fleet, so that the
// limits for one hold in the sum over all nodes. What each node has is told to the
// others every tickEvery; nobody asks before he admits somebody. So for that long,
// and for what the bus takes, a user may have his limit at each node; what was too
// much of it ends then. Without a bus each node goes by what it has heard last, until
// it holds the others for dead.
//
// It is a turnsvc.Counts.
type Counts struct {
	seal func(text []byte) [16]byte

	mu     sync.Mutex // guards the fields below
	mine   map[key]*mine
	dirty  map[key]struct{} // changed since it was told
	others map[string]*others
	whole  time.Time // when all was told
	told   bool      // there was something in it

	shed atomic.Uint64 // allocations that were too much
}

// mine is what a user or an address has here.
type mine struct {
	n      int
	user   string       // or
	source netip.Prefix // of a client
}

// others is what another node has said.
type others struct {
	listed bool // it is among those that live; else it has spoken before this node heard of it
	ticks  int  // since it was first heard of
	n      map[key]int
	next   map[key]int // all of it, which is being told; nil: it is not
}

// NewCounts counts by keys that seal makes, which is the same at all nodes.
func NewCounts(seal func(text []byte) [16]byte) *Counts {
	return &Counts{seal: seal, mine: map[key]*mine{}, dirty: map[key]struct{}{}, others: map[string]*others{}}
}

func (c *Counts) userKey(user string) key { return c.key('u', user) }

func (c *Counts) sourceKey(source netip.Prefix) key {
	var space [64]byte
	return c.key('a', string(source.AppendTo(space[:0])))
}

func (c *Counts) key(kind byte, name string) key {
	var space [64]byte
	sum := c.seal(append(append(space[:0], kind), name...))
	return key(sum[:keyBytes])
}

// Elsewhere is how many allocations a user and a source have at other nodes; no user:
// it is not asked.
func (c *Counts) Elsewhere(user string, source netip.Prefix) (ofUser, ofSource int) {
	byUser, bySource := c.userKey(user), c.sourceKey(source)
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, o := range c.others {
		ofSource += o.n[bySource]
		if user != "" {
			ofUser += o.n[byUser]
		}
	}
	return ofUser, ofSource
}

// Count adds to what a user and a source have here.
func (c *Counts) Count(user string, source netip.Prefix, n int) {
	byUser, bySource := c.userKey(user), c.sourceKey(source)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.add(bySource, mine{source: source}, n)
	if user != "" {
		c.add(byUser, mine{user: user}, n)
	}
}

// add adds to one; c.mu is held.
func (c *Counts) add(k key, who mine, n int) {
	m := c.mine[k]
	if m == nil {
		m = &who
		c.mine[k] = m
	}
	if m.n += n; m.n == 0 {
		delete(c.mine, k)
	}
	c.dirty[k] = struct{}{}
}

// tell is what the others are to be told now: what has changed or, if all is due, all.
func (c *Counts) tell(now time.Time) (list []*message) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now.Sub(c.whole) < wholeEvery {
		list = c.messages(slices.Collect(maps.Keys(c.dirty)))
		clear(c.dirty)
		return list
	}
	before := c.told || c.whole.IsZero() // a node that was started anew has nothing, and the others do not know
	c.whole = now
	clear(c.dirty)
	if c.told = len(c.mine) > 0; !c.told && !before {
		return nil
	}
	list = c.messages(slices.Collect(maps.Keys(c.mine)))
	if len(list) == 0 {
		list = []*message{{Kind: kindCounts}}
	}
	list[0].Whole, list[len(list)-1].Done = true, true
	return list
}

// messages are about some keys; c.mu is held.
func (c *Counts) messages(keys []key) (list []*message) {
	for part := range slices.Chunk(keys, maxCounts) {
		m := &message{Kind: kindCounts, Counts: make([]byte, 0, len(part)*entryBytes)}
		for _, k := range part {
			n := 0
			if here := c.mine[k]; here != nil {
				n = min(here.n, math.MaxUint16)
			}
			m.Counts = binary.BigEndian.AppendUint16(append(m.Counts, k[:]...), uint16(n))
		}
		list = append(list, m)
	}
	return list
}

// hear takes what a node has said.
func (c *Counts) hear(from string, m *message) {
	c.mu.Lock()
	defer c.mu.Unlock()
	o := c.others[from]
	if o == nil { // it may have heard of this node before this one has heard of it
		if len(c.others) >= maxSpeakers {
			return
		}
		o = &others{n: map[key]int{}}
		c.others[from] = o
	}
	if m.Whole {
		o.next = map[key]int{}
	}
	known := o.n
	if o.next != nil {
		known = o.next
	}
	for e := range slices.Chunk(m.Counts, entryBytes) {
		k, n := key(e[:keyBytes]), int(binary.BigEndian.Uint16(e[keyBytes:]))
		switch _, again := known[k]; {
		case n == 0:
			delete(known, k)
		case again || len(known) < maxKeys:
			known[k] = n
		}
	}
	if m.Done && o.next != nil {
		o.n, o.next = o.next, nil
	}
}

// live says which nodes there are beside this one. What those had that are gone is
// over; to those that are new all is told soon.
func (c *Counts) live(nodes []Node, self string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	live := map[string]bool{}
	for _, n := range nodes {
		if live[n.ID] = true; n.ID == self {
			continue
		}
		if c.others[n.ID] == nil {
			c.others[n.ID] = &others{n: map[key]int{}}
		}
		if o := c.others[n.ID]; !o.listed {
			o.listed, c.whole = true, time.Time{}
		}
	}
	maps.DeleteFunc(c.others, func(id string, o *others) bool {
		o.ticks++
		return !live[id] && (o.listed || o.ticks > unlisted)
	})
}

// An excess is what a user or a source has too much of at this node.
type excess struct {
	user   string
	source netip.Prefix
	n      int
}

// excesses are what is too much here. Of what several nodes have let in at once those
// whose names come first keep theirs, so that not each of them ends all of it.
func (c *Counts) excesses(self string, perUser, perSource int) (list []excess) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.others) == 0 {
		return nil
	}
	for k, m := range c.mine {
		limit := perSource
		if m.user != "" {
			limit = perUser
		}
		for id, o := range c.others {
			if strings.Compare(id, self) < 0 {
				limit -= o.n[k]
			}
		}
		if over := min(m.n, m.n-limit); over > 0 {
			list = append(list, excess{user: m.user, source: m.source, n: over})
		}
	}
	slices.SortFunc(list, func(a, b excess) int { return cmp.Compare(a.user, b.user) })
	return list
}

// count keeps the counts of a fleet, once in a tick.
func (f *Fleet) count(now time.Time) {
	c, r := f.cfg.Counts, f.cfg.Relay
	if c == nil || r == nil {
		return
	}
	c.live(f.cfg.Nodes(), f.cfg.Node)
	perUser, perSource := r.PerMember()
	for _, e := range c.excesses(f.cfg.Node, perUser, perSource) {
		c.shed.Add(uint64(r.EndYoungest(e.user, e.source, e.n, youngest)))
	}
	if !f.cfg.Up() {
		return
	}
	for _, m := range c.tell(now) {
		f.told.Add(1)
		f.cfg.TellAll(m.text())
	}
}
