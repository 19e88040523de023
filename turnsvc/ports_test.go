package turnsvc

import (
	"math/rand/v2"
	"net"
	"net/netip"
	"strconv"
	"testing"
	"time"

	"github.com/pion/stun/v3"
)

// freePorts is a range of n ports of loopback from an even one on, which no other test
// gets until this one ends. It lies below those that systems give away by themselves.
func freePorts(t *testing.T, n int) PortRange {
	t.Helper()
	for range 100 {
		low := uint16(10000 + 2*rand.IntN(8000))
		r := PortRange{Min: low, Max: low + uint16(n) - 1}
		if claim(t, r) {
			return r
		}
	}
	t.Fatalf("no %d ports are free", n)
	return PortRange{}
}

// claim holds the TCP ports of a range until the test ends, for a sign to others, in
// whatever process: the test itself needs those of UDP. It is false if any is taken.
func claim(t *testing.T, r PortRange) bool {
	t.Helper()
	var held []net.Listener
	for p := r.Min; p <= r.Max; p++ {
		l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: int(p)})
		if err == nil {
			held = append(held, l)
		}
		if err != nil || !free(p) {
			for _, l := range held {
				_ = l.Close()
			}
			return false
		}
	}
	for _, l := range held {
		t.Cleanup(func() { _ = l.Close() })
	}
	return true
}

// free reports whether nobody has a UDP port of loopback.
func free(port uint16) bool {
	for _, host := range []string{"127.0.0.1", "::1"} {
		conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(host), Port: int(port)})
		if err != nil {
			return false
		}
		_ = conn.Close()
	}
	return true
}

// TestFewPorts gives exactly as many allocations of each family as there are
// ports, refuses the next one with 508, and uses a port again when it is free.
func TestFewPorts(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 2, 4} {
		t.Run(strconv.Itoa(n), func(t *testing.T) {
			t.Parallel()
			var log *lines
			r := freePorts(t, n)
			public := hosts(t)
			s := serve(t, func(c *Config) {
				log = watched(c)
				c.blind, c.RelayPorts, c.PublicIPs = true, r, addrs(public...)
			})
			for _, ip := range addrs(public...) {
				s.fillPorts(t, ip, n)
			}
			if got := s.Stats().RefusedPorts; got != uint64(len(public)) {
				t.Errorf("RefusedPorts = %d, want one for each family", got)
			}
			if got := log.with("WARN", "no relay port left", r.String(), "ports="+strconv.Itoa(n), "taken="+strconv.Itoa(n), "TURN_RELAY_PORTS"); got != 1 {
				t.Errorf("%d warnings, want one a minute", got)
			}
		})
	}
}

// fillPorts takes all n ports of a family, asks for one more, and frees one.
func (s *service) fillPorts(t *testing.T, ip netip.Addr, n int) {
	t.Helper()
	use := func() PortUse {
		if ip.Is4() {
			return s.Stats().PortsIPv4
		}
		return s.Stats().PortsIPv6
	}
	var clients []*client
	seen := map[uint16]bool{}
	for i := range n {
		c := s.dial(t, "udp", ip.String()+" user "+strconv.Itoa(i))
		relayed, code := c.allocate(familyAttr(ip))
		if code != 0 || seen[relayed.Port()] || !s.cfg.RelayPorts.Contains(relayed.Port()) {
			t.Fatalf("Allocate %d of %d = %v, %d, want a port of its own in %v", i+1, n, relayed, code, s.cfg.RelayPorts)
		}
		seen[relayed.Port()] = true
		clients = append(clients, c)
	}
	if got, want := use(), (PortUse{n, n}); got != want {
		t.Errorf("ports = %+v, want %+v", got, want)
	}
	next := s.dial(t, "tcp", ip.String()+" one too many")
	if _, code := next.allocate(familyAttr(ip)); code != stun.CodeInsufficientCapacity {
		t.Errorf("Allocate %d of %d = %d, want 508", n+1, n, code)
	}
	clients[0].do(stun.MethodRefresh, attr(stun.AttrLifetime, 0, 0, 0, 0))
	s.within(t, "a port that was given back is not free", func() bool { return use().Taken == n-1 })
	if _, code := next.allocate(familyAttr(ip)); code != 0 {
		t.Errorf("Allocate with a port that is free again = %d, want success", code)
	}
}

// TestPairsInFewPorts asks for even ports and for pairs where there is hardly
// room.
func TestPairsInFewPorts(t *testing.T) {
	t.Parallel()
	const even, pair = 0, 0x80
	for _, c := range []struct {
		name  string
		ports int
		from  uint16 // how far from an even port the range begins
		want  byte
		codes []stun.ErrorCode
	}{
		{"one even port is no pair, whatever follows the range", 1, 0, pair, []stun.ErrorCode{508}},
		{"one even port is even", 1, 0, even, []stun.ErrorCode{0, 508}},
		{"one odd port is not", 1, 1, even, []stun.ErrorCode{508}},
		{"two ports are one pair", 2, 0, pair, []stun.ErrorCode{0, 508}},
		{"an odd port and an even one are none", 2, 1, pair, []stun.ErrorCode{508}},
		{"four ports are two pairs", 4, 0, pair, []stun.ErrorCode{0, 0, 508}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := freePorts(t, c.ports+1)
			r = PortRange{r.Min + c.from, r.Min + c.from + uint16(c.ports) - 1}
			s := serve(t, func(cfg *Config) { cfg.RelayPorts = r })
			for i, want := range c.codes {
				if relayed, code := s.dial(t, "udp", "user "+strconv.Itoa(i)).allocate(attr(stun.AttrEvenPort, c.want)); code != want {
					t.Errorf("Allocate %d in %v = %v, %d, want %d", i+1, r, relayed, code, want)
				}
			}
		})
	}
}

// TestReservedPortIsTaken takes the second port of the only pair by its token.
func TestReservedPortIsTaken(t *testing.T) {
	t.Parallel()
	s := serve(t, func(c *Config) { c.RelayPorts = freePorts(t, 2) })
	ann, bob := s.dial(t, "udp", "ann"), s.dial(t, "udp", "bob")
	transport := attr(stun.AttrRequestedTransport, 17, 0, 0, 0)
	m := ann.do(stun.MethodAllocate, transport, attr(stun.AttrEvenPort, 0x80))
	token, err := m.Get(stun.AttrReservationToken)
	if err != nil {
		t.Fatalf("no token: %v", err)
	}
	if _, code := s.dial(t, "udp", "carl").allocate(); code != stun.CodeInsufficientCapacity {
		t.Errorf("Allocate with the last port reserved = %d, want 508", code)
	}
	relayed, code := bob.allocate(attr(stun.AttrReservationToken, token...))
	if want := ann.addr(m, stun.AttrXORRelayedAddress).Port() + 1; code != 0 || relayed.Port() != want {
		t.Errorf("Allocate with the token = %v, %d, want port %d", relayed, code, want)
	}
}

func TestPacer(t *testing.T) {
	t.Parallel()
	var p pacer
	for _, c := range []struct {
		after time.Duration
		want  bool
	}{{0, true}, {time.Second, false}, {59 * time.Second, false}, {time.Minute, true}, {61 * time.Second, false}, {2 * time.Minute, true}} {
		if got := p.ready(c.after, time.Minute); got != c.want {
			t.Errorf("ready after %v = %v, want %v", c.after, got, c.want)
		}
	}
}
