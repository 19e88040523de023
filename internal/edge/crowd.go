package edge

import (
	"net"
	"net/netip"
	"sync"
)

// crowd counts the connections that are open, against two limits of which a
// negative one is none.
type crowd struct {
	most, mostPerAddr int

	mu      sync.Mutex // guards the fields below, and those of the seats
	all     int
	sources map[netip.Prefix]int // how many of all are known to come from there
}

func newCrowd(most, mostPerAddr int) *crowd {
	return &crowd{most: most, mostPerAddr: mostPerAddr, sources: map[netip.Prefix]int{}}
}

func (c *crowd) size() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.all
}

// sit counts one connection, or returns nil if that is one too many in all.
func (c *crowd) sit() *seat {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.most >= 0 && c.all >= c.most {
		return nil
	}
	c.all++
	return &seat{crowd: c}
}

// A seat is one connection in a crowd. Where it comes from may be found out
// later: a proxy says so.
type seat struct {
	crowd *crowd
	from  netip.Prefix
	known bool // from is counted
	left  bool
}

// comesFrom counts the connection as one from there, once. It is false if that
// is one too many, or if the seat was left meanwhile.
func (s *seat) comesFrom(from netip.Prefix) bool {
	c := s.crowd
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.left || c.mostPerAddr >= 0 && c.sources[from] >= c.mostPerAddr {
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

// source is whom the limit per address counts: an IPv4 address, or the /64 of an
// IPv6 address, because one customer is given that many. All who come from
// nowhere on the Internet count as one.
func source(addr net.Addr) netip.Prefix {
	ip := address(addr)
	bits := ip.BitLen()
	if ip.Is6() {
		bits = 64
	}
	p, _ := ip.Prefix(bits) // fails for an invalid address only
	return p
}

// address is that of a TCP client, with IPv4 in its plain form and without a
// zone. It is invalid for every other kind of net.Addr.
func address(addr net.Addr) netip.Addr {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	ip, _ := netip.AddrFromSlice(tcp.IP)
	return ip.Unmap()
}

// unmapped are prefixes as address has addresses: ::ffff:10.0.0.0/104 is
// 10.0.0.0/8.
func unmapped(prefixes []netip.Prefix) []netip.Prefix {
	plain := make([]netip.Prefix, len(prefixes))
	for i, p := range prefixes {
		if p.Addr().Is4In6() && p.Bits() >= 96 {
			p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
		}
		plain[i] = p
	}
	return plain
}
