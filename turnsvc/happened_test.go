package turnsvc

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// diary keeps what Config.Happened is told, in words.
type diary struct {
	mu    sync.Mutex
	lines []string
}

func (d *diary) keep(room string, e Event) {
	line := fmt.Sprint(room, " ", e.Side, " ", [...]string{
		EventAllocated: "allocated", EventDeallocated: "deallocated", EventExpired: "expired", EventWrong: "wrong", EventQuota: "quota",
		EventPorts: "ports", EventBudget: "budget", EventBounds: "bounds", EventStranger: "stranger",
	}[e.Kind])
	if e.Kind == EventAllocated {
		line += fmt.Sprint(" ", e.Transport, " ", e.IPv6, " ", e.Client)
	}
	if e.Joined {
		line += " joined"
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, line)
}

// is waits until the diary has these lines.
func (d *diary) is(t *testing.T, s *service, lines ...string) {
	t.Helper()
	seen := func() []string {
		d.mu.Lock()
		defer d.mu.Unlock()
		return slices.Clone(d.lines)
	}
	s.within(t, "the diary does not become as it should", func() bool { return len(seen()) >= len(lines) })
	if got := seen(); !slices.Equal(got, lines) {
		t.Errorf("the diary is\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(lines, "\n"))
	}
}

// TestHappened holds what is told of the members of a room, and that nothing is of
// strangers.
func TestHappened(t *testing.T) {
	t.Parallel()
	var d diary
	s := serve(t, func(c *Config) {
		c.Happened, c.Peers, c.MaxPerUser, c.PublicIPs = d.keep, PeersRoom, 1, addrs("198.51.100.7")
	})
	ann := s.dial(t, "udp", "room.sa")
	ann.mustAllocate()
	ann.permit(netip.MustParseAddrPort("10.0.0.1:9"))
	ann.permit(netip.MustParseAddrPort("8.8.8.8:9"))

	again := s.dial(t, "tcp", "room.sa")
	again.allocate()

	bob := s.dial(t, "tcp", "room.sb")
	right := bob.password
	bob.password = "a guess"
	bob.allocate()
	bob.password = right
	s.clock.advance(time.Hour)
	bob.allocate()

	stranger := s.dial(t, "tcp", "stranger")
	stranger.allocate()
	carl := s.dial(t, "tcp", "other.sb")
	carl.mustAllocate()
	s.EndRoom("other")
	d.is(t, s,
		"room sa allocated 0 false 127.0.0.1",
		"room sa bounds",
		"room sa stranger",
		"room sa quota",
		"room sb wrong",
		"room sb expired",
		"other sb allocated 1 false 127.0.0.1",
		"other sb deallocated",
	)
}

// TestHappenedInAJoinedRoom holds in which room it is told what is held of one that
// was joined to another one.
func TestHappenedInAJoinedRoom(t *testing.T) {
	t.Parallel()
	var d diary
	s := serve(t, func(c *Config) { c.Happened, c.Peers, c.PublicIPs = d.keep, PeersRoom, addrs("198.51.100.7") })
	bob := s.dial(t, "udp", "his.ma")
	bob.mustAllocate()
	s.Join("his", "hers")
	s.dial(t, "udp", "his.ma").mustAllocate()
	bob.permit(netip.MustParseAddrPort("8.8.8.8:9"))
	d.is(t, s,
		"his ma allocated 0 false 127.0.0.1",
		"hers ma allocated 0 false 127.0.0.1 joined",
		"hers ma stranger joined",
	)
}
