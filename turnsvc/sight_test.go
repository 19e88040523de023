package turnsvc

import (
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"

	"github.com/pion/stun/v3"

	"github.com/wasmp2pchat/wasmp2pchat/turnsvc/gate"
)

// TestRequestsAreSeen holds that who wants to know is told of each request and of
// each answer, by each transport, and never of data.
func TestRequestsAreSeen(t *testing.T) {
	t.Parallel()
	for _, network := range []string{"udp", "tcp"} {
		t.Run(network, func(t *testing.T) {
			t.Parallel()
			var mu sync.Mutex // guards seen
			var seen []Sight
			s := serve(t, func(c *Config) {
				c.Saw = func(s Sight) {
					mu.Lock()
					defer mu.Unlock()
					seen = append(seen, s)
				}
			})
			c := s.dial(t, network, "ann")
			client := gate.AddrPort(c.conn.LocalAddr())
			c.mustAllocate()
			_, peer := newPeer(t)
			c.permit(peer)
			c.sendTo(peer, "data")
			c.raw(stun.MethodBinding) // answered, so all before it was handled

			mu.Lock()
			defer mu.Unlock()
			var codes []int
			for i, now := range seen {
				if now.Client != client || now.Transport() != network || now.At().Addr() != netip.MustParseAddr("127.0.0.1") {
					t.Errorf("sight %d is %+v by %s, want %v by %s", i, now, now.Transport(), client, network)
				}
				if !now.Answered {
					codes = append(codes, -1)
					continue
				}
				if codes = append(codes, now.Code); now.TransactionID != seen[i-1].TransactionID {
					t.Errorf("sight %d is the answer to another request", i)
				}
			}
			if want := []int{-1, 401, -1, 0, -1, 0, -1, 0}; !slices.Equal(codes, want) {
				t.Errorf("requests (-1) and answers are %v, want %v", codes, want)
			}
		})
	}
}

// somewhere is a sink that has an address.
type somewhere struct{ sink }

func (*somewhere) LocalAddr() net.Addr { return new(net.UDPAddr) }

// TestAnAnswerIsSeenBeforeItLeaves holds that who asks what was seen, because he has
// got an answer, is told of that answer.
func TestAnAnswerIsSeenBeforeItLeaves(t *testing.T) {
	t.Parallel()
	conn, seen := new(somewhere), 0
	d := &door{PacketConn: conn, srv: &Server{cfg: Config{Saw: func(s Sight) {
		if seen++; !s.Answered || len(conn.wrote) != 0 {
			t.Errorf("Saw(%+v) when %d answers have left, want it before", s, len(conn.wrote))
		}
	}}}}
	d.answer(&request{Message: stun.MustBuild(stun.TransactionID, stun.BindingRequest)}, stun.ClassSuccessResponse, nil)
	if seen != 1 || len(conn.wrote) != 1 {
		t.Errorf("%d answers were seen and %d have left, want 1 and 1", seen, len(conn.wrote))
	}
}
