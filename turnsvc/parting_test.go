package turnsvc

import (
	"fmt"
	"runtime/pprof"
	"strings"
	"testing"

	"github.com/pion/stun/v3"
)

// TestPionForgetsWhatWasClosed ends allocations for which no client has asked, and
// makes another one from the same address: pion has one of each 5-tuple. Nobody is
// answered but who asks.
func TestPionForgetsWhatWasClosed(t *testing.T) {
	t.Parallel()
	for _, network := range []string{"udp", "tcp"} {
		t.Run(network, func(t *testing.T) {
			t.Parallel()
			s := serve(t, nil)
			c := s.dial(t, network, "")
			for _, name := range []string{"ann", "bob", "cat"} {
				c.username, c.password = s.credentials(name)
				relayed := c.mustAllocate()
				s.EndUser(name)
				if s.homes.at(relayed) != nil {
					t.Fatal("the relay lives on")
				}
				if got := code(c.do(stun.MethodRefresh)); got != stun.CodeUnauthorized {
					t.Errorf("Refresh of who was ended = %d, want 401", got)
				}
			}
			c.username, c.password = s.credentials("dan")
			c.mustAllocate()
			if got := code(c.do(stun.MethodRefresh)); got != 0 {
				t.Errorf("Refresh of the last allocation = %d, want success", got)
			}
		})
	}
}

// TestTheNextAllocationIsAnother ends allocations and makes the next ones from the same
// address in the same moment: what is left of the old one neither stands in the way
// of the new one nor takes it along.
func TestTheNextAllocationIsAnother(t *testing.T) {
	t.Parallel()
	const rounds = 200
	for name, end := range map[string]func(s *service, c *client, user string){
		"given back": func(_ *service, c *client, _ string) { c.do(stun.MethodRefresh, seconds(0)) },
		"ended":      func(s *service, _ *client, user string) { s.EndUser(user) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, nil)
			c := s.dial(t, "udp", "")
			for round := range rounds {
				user := fmt.Sprint("user-", round)
				c.username, c.password = s.credentials(user)
				c.mustAllocate()
				if got := code(c.do(stun.MethodRefresh)); got != 0 {
					t.Fatalf("Refresh of allocation %d = %d, want success", round, got)
				}
				end(s, c, user)
			}
		})
	}
}

// TestPionForgetsAllOfThem ends many allocations while their door is quiet. With the
// next message of anybody pion forgets them all, and nothing waits any more.
func TestPionForgetsAllOfThem(t *testing.T) {
	t.Parallel()
	const many = 20
	s := serve(t, func(c *Config) { c.cores, c.MaxPerUser = 1, many })
	var d *door
	for range many {
		d = s.homes.at(s.dial(t, "udp", "ann").mustAllocate()).owner.door
	}
	parted := func() int {
		d.mu.Lock()
		defer d.mu.Unlock()
		return len(d.parted)
	}
	s.EndUser("ann")
	if n := parted(); n != many || d.holds() {
		t.Errorf("%d allocations have parted, want %d, and none is held", n, many)
	}
	s.dial(t, "udp", "bob").mustAllocate()
	if n := parted(); n != 0 {
		t.Errorf("%d allocations are remembered when another one is made", n)
	}
}

// TestNobodyWaitsWithAnIdleAllocation holds that allocations have no goroutine.
func TestNobodyWaitsWithAnIdleAllocation(t *testing.T) {
	s := inBatches(t, nil)
	for range 3 {
		s.dial(t, "udp", "ann").mustAllocate()
	}
	s.within(t, "a goroutine of pion waits with an allocation", func() bool {
		var all strings.Builder
		if err := pprof.Lookup("goroutine").WriteTo(&all, 1); err != nil {
			t.Fatal(err)
		}
		return !strings.Contains(all.String(), "packetHandler")
	})
}
