package turnsvc

import (
	"net"
	"testing"

	"github.com/pion/stun/v3"
)

// TestManyHomes holds that an answer comes from the address that was asked: a
// connected socket, as the clients have here, takes no other.
func TestManyHomes(t *testing.T) {
	t.Parallel()
	s := serve(t, everywhere(t))
	for _, host := range []string{"127.0.0.1", "127.0.0.2", "127.1.2.3"} {
		var lc net.ListenConfig
		conn, err := lc.ListenPacket(t.Context(), "udp", net.JoinHostPort(host, "0"))
		if err != nil {
			t.Skipf("%s is not ours: %v", host, err) // not on every system all of 127/8 is loopback
		}
		_ = conn.Close()
		for _, transport := range []string{"udp", "dtls"} {
			c := s.dialVia(t, transport, host, host+transport)
			relayed := c.mustAllocate()
			conn, peer := newPeer(t)
			if !c.permit(peer) {
				t.Fatal("CreatePermission was refused")
			}
			exchange(t, c, conn, peer, relayed, []byte("there and back"))
		}
	}
}

// TestCores holds that many clients on several sockets all meet the socket that
// knows them, again and again.
func TestCores(t *testing.T) {
	t.Parallel()
	s := serve(t, func(c *Config) { c.cores, c.MaxPerAddr = 4, 100 })
	var clients []*client
	for i := range 40 {
		c := s.dial(t, "udp", "user "+string(rune('A'+i)))
		c.mustAllocate()
		clients = append(clients, c)
	}
	_, peer := newPeer(t)
	for range 3 {
		for _, c := range clients {
			if got := code(c.do(stun.MethodRefresh)); got != 0 || !c.permit(peer) {
				t.Fatalf("Refresh = %d, want success, and a permission", got)
			}
		}
	}
	if got := s.Stats().Allocations; got != len(clients) {
		t.Errorf("%d allocations, want %d", got, len(clients))
	}
}

// TestAPortThatIsTaken holds that a second server on the same UDP port is an
// error, although the sockets of one server share it.
func TestAPortThatIsTaken(t *testing.T) {
	t.Parallel()
	s := serve(t, func(c *Config) { c.cores = 2 })
	cfg := s.cfg
	cfg.UDPAddrs, cfg.TCPAddr = []string{s.udp[0].LocalAddr().String()}, ""
	if again, err := Listen(t.Context(), cfg); err == nil {
		t.Error("a second Listen on the same UDP address succeeded")
		_ = again.closeSockets()
	}
}
