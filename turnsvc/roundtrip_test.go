package turnsvc

import (
	"net"
	"testing"

	"github.com/pion/stun/v3"
	"github.com/pion/turn/v4"
)

func TestBinding(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	for _, network := range []string{"udp", "tcp"} {
		t.Run("STUN over "+network+" tells the client's address", func(t *testing.T) {
			t.Parallel()
			c := s.dial(t, network, "ann")
			m := c.raw(stun.MethodBinding)
			if got, want := c.addr(m, stun.AttrXORMappedAddress).String(), c.conn.LocalAddr().String(); got != want {
				t.Errorf("XOR-MAPPED-ADDRESS = %s, want %s", got, want)
			}
		})
	}
}

func TestRelayByHand(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	for _, network := range []string{"udp", "tcp"} {
		t.Run("datagrams go there and back over "+network, func(t *testing.T) {
			t.Parallel()
			c := s.dial(t, network, "hand "+network)
			relayed := c.mustAllocate()
			conn, peer := newPeer(t)
			if !c.permit(peer) {
				t.Fatal("CreatePermission was refused")
			}
			c.sendTo(peer, "there")
			p := make([]byte, 100)
			n, from, err := conn.ReadFromUDPAddrPort(p)
			if err != nil || string(p[:n]) != "there" || from != relayed {
				t.Fatalf("the peer got %q from %v, %v, want there from %v", p[:n], from, err, relayed)
			}
			if _, err := conn.WriteToUDPAddrPort([]byte("back"), relayed); err != nil {
				t.Fatal(err)
			}
			if from, data := c.data(); from != peer || data != "back" {
				t.Errorf("the client got %q from %v, want back from %v", data, from, peer)
			}
		})
	}
}

// TestSmallChannelData holds that messages of less than 9 bytes are not kept
// back: pion's own stream reader waits with them until more arrives.
func TestSmallChannelData(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	c := s.dial(t, "tcp", "ann")
	relayed := c.mustAllocate()
	conn, peer := newPeer(t)
	if !c.bind(peer) {
		t.Fatal("ChannelBind was refused")
	}
	p := make([]byte, 100)
	for _, want := range []string{"", "a", "abcd", "abcde"} {
		c.send(channelData(want))
		if n, _, err := conn.ReadFromUDPAddrPort(p); err != nil || string(p[:n]) != want {
			t.Fatalf("the peer got %q, %v, want %q", p[:n], err, want)
		}
		if _, err := conn.WriteToUDPAddrPort([]byte(want), relayed); err != nil {
			t.Fatal(err)
		}
		if got, err := c.read(); err != nil || string(got) != string(channelData(want)) {
			t.Fatalf("the client got %x, %v, want %x", got, err, channelData(want))
		}
	}
	// A datagram is counted after it was sent: its answer may be quicker.
	s.within(t, "not 4 packets and 10 bytes both ways", func() bool {
		stats := s.Stats()
		return stats.RelayedPacketsIn == 4 && stats.RelayedPacketsOut == 4 && stats.RelayedBytesIn == 10 && stats.RelayedBytesOut == 10
	})
}

// TestRelayByPion lets pion's client do the same, as browsers do.
func TestRelayByPion(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	for _, network := range []string{"udp", "tcp"} {
		t.Run("pion's client over "+network, func(t *testing.T) {
			t.Parallel()
			alloc := s.pionClient(t, network)
			conn, peer := newPeer(t)
			p := make([]byte, 100)
			for _, want := range []string{"first by Send", "then by ChannelData"} {
				if _, err := alloc.WriteTo([]byte(want), net.UDPAddrFromAddrPort(peer)); err != nil {
					t.Fatal(err)
				}
				n, from, err := conn.ReadFrom(p)
				if err != nil || string(p[:n]) != want || from.String() != alloc.LocalAddr().String() {
					t.Fatalf("the peer got %q from %v, %v, want %q from %v", p[:n], from, err, want, alloc.LocalAddr())
				}
				if _, err := conn.WriteTo([]byte("answer"), from); err != nil {
					t.Fatal(err)
				}
				if n, _, err := alloc.ReadFrom(p); err != nil || string(p[:n]) != "answer" {
					t.Fatalf("the client got %q, %v, want answer", p[:n], err)
				}
			}
		})
	}
}

// pionClient allocates with pion's client.
func (s *service) pionClient(t *testing.T, network string) net.PacketConn {
	t.Helper()
	addr := s.udp[0].LocalAddr()
	var conn net.PacketConn
	if network == "tcp" {
		conn = turn.NewSTUNConn(s.dial(t, "tcp", "").conn)
		addr = s.tcp.Addr()
	} else {
		conn, _ = newPeer(t)
	}
	username, password := s.credentials("pion " + network)
	c, err := turn.NewClient(&turn.ClientConfig{
		TURNServerAddr: addr.String(), Conn: conn, Username: username, Password: password, LoggerFactory: pionLog{s.log},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	if err := c.Listen(); err != nil {
		t.Fatal(err)
	}
	alloc, err := c.Allocate()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = alloc.Close() })
	return alloc
}
