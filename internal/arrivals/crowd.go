package arrivals

import (
	"net/netip"
	"sync"
)

// Limits bound the connections of a Crowd; a negative one is none.
type Limits struct {
	Conns        int // open at once, in all
	ConnsPerAddr int // open at once from one Source
}

// Crowd counts connections, of one listener or of several, against Limits.
type Crowd struct {
	mu      sync.Mutex // guards the fields below, and those of the seats
	limits  Limits
	all     int
	sources map[netip.Prefix]int // how many of all are known to come from there
}

// NewCrowd returns a Crowd that is empty.
func NewCrowd(limits Limits) *Crowd {
	return &Crowd{limits: limits, sources: map[netip.Prefix]int{}}
}

// SetLimits changes the limits. Who has a seat keeps it.
func (c *Crowd) SetLimits(limits Limits) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.limits = limits
}

// Len is how many connections are counted.
func (c *Crowd) Len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.all
}

// Sources is how many places they are known to come from.
func (c *Crowd) Sources() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.sources)
}

// Full reports whether the next connection is one too many in all.
func (c *Crowd) Full() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return over(c.all, c.limits.Conns)
}

// over reports whether one more would be too many.
func over(n, limit int) bool { return limit >= 0 && n >= limit }

// Sit counts one connection, or returns nil if that is one too many in all.
func (c *Crowd) Sit() *Seat {
	c.mu.Lock()
	defer c.mu.Unlock()
	if over(c.all, c.limits.Conns) {
		return nil
	}
	c.all++
	return &Seat{crowd: c}
}

// A Seat is one connection in a Crowd. Where it comes from may be found out
// later: a proxy says so.
type Seat struct {
	crowd *Crowd
	from  netip.Prefix
	known bool // from is counted
	left  bool
}

// ComesFrom counts the connection as one from there, once. It is false if that is
// one too many, or if the seat was left meanwhile.
func (s *Seat) ComesFrom(from netip.Prefix) bool {
	c := s.crowd
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.left || over(c.sources[from], c.limits.ConnsPerAddr) {
		return false
	}
	c.sources[from]++
	s.from, s.known = from, true
	return true
}

// Leave undoes Sit and ComesFrom. It may be called again and again.
func (s *Seat) Leave() {
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
