package turnsvc

import (
	"maps"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/stun/v3"
)

func TestQuotaIsExactUnderConcurrency(t *testing.T) {
	t.Parallel()
	q := newQuota(50, 10, 1000)
	var taken atomic.Int32
	var wg sync.WaitGroup
	for i := range 400 {
		wg.Go(func() {
			if q.take(strconv.Itoa(i%20), netip.Prefix{}) {
				taken.Add(1)
			}
		})
	}
	wg.Wait()
	if taken.Load() != 50 || q.count() != 50 {
		t.Errorf("take succeeded %d times and counts %d, want 50", taken.Load(), q.count())
	}
	for user, n := range maps.Clone(q.users) {
		if n > 10 {
			t.Errorf("user %s has %d, want at most 10", user, n)
		}
		for range n {
			wg.Go(func() { q.giveBack(user, netip.Prefix{}) })
		}
	}
	wg.Wait()
	if q.count() != 0 || len(q.users) != 0 || len(q.sources) != 0 {
		t.Errorf("after all was given back: %d allocations, %d users, %d sources", q.count(), len(q.users), len(q.sources))
	}
}

func TestQuotaRefusesWith486(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		limit func(*Config)
		user  func(i int) string
	}{
		{"per user, whatever the timestamps", func(c *Config) { c.MaxPerUser = 5 }, func(int) string { return "ann" }},
		{"per address, whatever the user", func(c *Config) { c.MaxPerAddr = 5 }, strconv.Itoa},
		{"in all", func(c *Config) { c.MaxAllocations = 5 }, strconv.Itoa},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, c.limit)
			var made, refused atomic.Int32
			var wg sync.WaitGroup
			for i := range 10 {
				cl := s.dial(t, []string{"udp", "tcp"}[i%2], "")
				cl.username = formatUsername(s.clock.now().Unix()+int64(i)+1, c.user(i))
				cl.password = password("new", cl.username)
				wg.Go(func() {
					switch _, code := cl.allocate(); code {
					case 0:
						made.Add(1)
					case stun.CodeAllocQuotaReached:
						refused.Add(1)
					}
				})
			}
			wg.Wait()
			stats := s.Stats()
			if made.Load() != 5 || refused.Load() != 5 || stats.RefusedQuota != 5 || stats.Allocations != 5 || stats.AllocationsTotal != 5 {
				t.Errorf("%d of 10 were made and %d refused, with %+v, want 5 and 5", made.Load(), refused.Load(), stats)
			}
		})
	}
}

func TestQuotaIsGivenBack(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		end  func(t *testing.T, s *service)
	}{
		{"by Refresh 0", func(t *testing.T, s *service) {
			c := s.dial(t, "udp", "ann")
			c.mustAllocate()
			c.do(stun.MethodRefresh, attr(stun.AttrLifetime, 0, 0, 0, 0))
		}},
		{"by the end of its room", func(t *testing.T, s *service) {
			c := s.dial(t, "udp", "ann")
			c.mustAllocate()
			s.EndUser("ann")
			s.clock.advance(11 * time.Minute) // then the name may be used again
		}},
		{"by the end of the TCP connection", func(t *testing.T, s *service) {
			c := s.dial(t, "tcp", "ann")
			c.mustAllocate()
			_ = c.conn.Close()
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, func(c *Config) { c.MaxPerUser = 1 })
			c.end(t, s)
			again := s.dial(t, "udp", "ann")
			for deadline := time.Now().Add(patience); ; {
				_, code := again.allocate() // its round trip is the pause
				if code == 0 {
					return
				}
				if code != stun.CodeAllocQuotaReached || time.Now().After(deadline) {
					t.Fatalf("the next Allocate = %d, want success", code)
				}
			}
		})
	}
}

func TestPortsRunOut(t *testing.T) {
	t.Parallel()
	r := freePorts(t, 1)
	addr := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), r.Min)
	foreign, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(addr)) // holds the only port of the range
	if err != nil {
		t.Fatal(err)
	}
	s := serve(t, func(c *Config) { c.RelayPorts = r })
	c := s.dial(t, "udp", "ann")
	if _, code := c.allocate(); code != stun.CodeInsufficientCapacity {
		t.Errorf("Allocate with a foreign socket on the port = %d, want 508", code)
	}
	_ = foreign.Close()
	if relayed := c.mustAllocate(); relayed != addr {
		t.Errorf("Allocate = %v, want %v", relayed, addr)
	}
	if _, code := s.dial(t, "tcp", "bob").allocate(); code != stun.CodeInsufficientCapacity {
		t.Errorf("Allocate with no port left = %d, want 508", code)
	}
	if stats := s.Stats(); stats.RefusedPorts != 2 || stats.Allocations != 1 {
		t.Errorf("Stats() = %+v, want 2 refused for ports and 1 allocation", stats)
	}
}

func TestEvenPort(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	relayed, code := s.dial(t, "udp", "ann").allocate(attr(stun.AttrEvenPort, 0))
	if code != 0 || relayed.Port()%2 != 0 {
		t.Errorf("Allocate with EVEN-PORT = %v, %d, want an even port", relayed, code)
	}
	if stats := s.Stats(); stats.Allocations != 1 || stats.AllocationsTotal != 1 {
		t.Errorf("Stats() = %+v, want the sockets that pion tried not counted", stats)
	}
}

// TestLateNewsOfAnOldAllocation holds that the end of an allocation that comes
// late does not end the next one of the same client.
func TestLateNewsOfAnOldAllocation(t *testing.T) {
	t.Parallel()
	client := netip.MustParseAddrPort("192.0.2.1:5000")
	from := net.UDPAddrFromAddrPort(client)
	d := &door{held: map[netip.AddrPort]*grant{}, parted: map[string]*grant{}}
	first := &grant{id: "1", client: client}
	d.hold(first)
	next := &grant{id: "2", client: client}
	d.hold(next)
	if d.part(first); d.at(client) != next {
		t.Error("the leave of the first allocation took the next one")
	}
	if d.deleted(from, nil, "", "1", ""); d.at(client) != next {
		t.Error("the end of the first allocation took the next one")
	}
	if o := d.coming(); o != nil {
		t.Error("pion is to forget what it has deleted, and would take the next one for it")
	}
	if d.deleted(from, nil, "", "2", ""); d.holds() {
		t.Error("an allocation is held after all were deleted")
	}
}
