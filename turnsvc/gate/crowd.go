package gate

import (
	"net/netip"
	"sync"
)

// Limits bound the connections of a Crowd.
type Limits struct {
	Conns        int // open at once, in all
	ConnsPerAddr int // open at once from one Source
}

// Crowd counts connections, of one Listener or of several, against Limits.
type Crowd struct {
	limits Limits

	mu      sync.Mutex // guards the fields below, and those of the seats
	all     int
	sources map[netip.Prefix]int // how many of all are known to come from there
}

// NewCrowd returns a Crowd that is empty.
func NewCrowd(limits Limits) *Crowd {
	return &Crowd{limits: limits, sources: map[netip.Prefix]int{}}
}

// Full reports whether the next connection is one too many in all.
func (c *Crowd) Full() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.all >= c.limits.Conns
}

// sit counts one connection, or returns nil if that is one too many in all.
func (c *Crowd) sit() *seat {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.all >= c.limits.Conns {
		return nil
	}
	c.all++
	return &seat{crowd: c}
}

// A seat is one connection in a Crowd. Where it comes from may be found out
// later: a proxy says so.
type seat struct {
	crowd *Crowd
	from  netip.Prefix
	known bool // from is counted
	left  bool
}

// comesFrom counts the connection as one from there, once. It is false if that is
// one too many, or if the seat was left meanwhile.
func (s *seat) comesFrom(from netip.Prefix) bool {
	c := s.crowd
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.left || c.sources[from] >= c.limits.ConnsPerAddr {
		return false
	}
	c.sources[from]++
	s.from, s.known = from, true
	return true
}

// leave undoes sit and comesFrom. It may be called again and again.
func (s *seat) leave() {
	c := s.crowd
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.left {
		return
	}
	s.left = true
	c.all--
	if !s.known {
		return
	}
	if c.sources[s.from]--; c.sources[s.from] == 0 {
		delete(c.sources, s.from)
	}
}
