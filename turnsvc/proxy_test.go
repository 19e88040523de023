package turnsvc

import (
	"crypto/tls"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/pion/stun/v3"
	"github.com/pires/go-proxyproto"
)

// proxied is a connection that a proxy at 127.0.0.1 makes for a client.
func (s *service) proxied(t testing.TB, transport, client string, version byte) *client {
	t.Helper()
	addr := s.tcp.Addr()
	if transport == "tls" {
		addr = s.tls.Addr()
	}
	var d net.Dialer
	conn, err := d.DialContext(t.Context(), "tcp", hostPort("127.0.0.1", addr))
	if err != nil {
		t.Fatal(err)
	}
	local := net.TCPAddrFromAddrPort(netip.MustParseAddrPort("192.0.2.200:3478"))
	if strings.HasPrefix(client, "[") {
		local.IP = net.ParseIP("2001:db8::200")
	}
	header := proxyproto.HeaderProxyFromAddrs(version, net.TCPAddrFromAddrPort(netip.MustParseAddrPort(client)), local)
	if _, err := header.WriteTo(conn); err != nil {
		t.Fatal(err)
	}
	if transport == "tls" {
		conn = tls.Client(conn, s.trusting(t))
	}
	return s.over(t, conn, transport, client)
}

func TestProxyProtocol(t *testing.T) {
	t.Parallel()
	change := everywhere(t)
	s := serve(t, func(c *Config) {
		change(c)
		c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("::ffff:127.0.0.0/104")}
		c.MaxPerAddr = 1 // two connections an address
	})
	for _, transport := range []string{"tcp", "tls"} {
		for version, clients := range map[byte][]string{1: {"192.0.2.1:5000", "[2001:db8::1]:5000"}, 2: {"192.0.2.2:5000", "[2001:db8:1::1]:5000"}} {
			for _, who := range clients {
				c := s.proxied(t, transport, who, version)
				m := c.raw(stun.MethodBinding)
				if got := c.addr(m, stun.AttrXORMappedAddress).String(); got != who {
					t.Errorf("version %d over %s: XOR-MAPPED-ADDRESS = %s, want %s", version, transport, got, who)
				}
			}
		}
	}
	for _, transport := range []string{"tcp", "tls1.3"} { // a health check of the proxy itself
		s.dialVia(t, transport, "127.0.0.1", "proxy").raw(stun.MethodBinding)
	}
}

// TestProxiedClientsAreCountedApart holds that the limits count the clients, not
// the proxy, and every client.
func TestProxiedClientsAreCountedApart(t *testing.T) {
	t.Parallel()
	s := serve(t, func(c *Config) {
		c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
		c.MaxPerAddr = 1 // two connections an address
	})
	for _, who := range []string{"192.0.2.1:1", "192.0.2.1:2", "192.0.2.2:1", "192.0.2.2:2", "192.0.2.3:1"} {
		s.proxied(t, "tcp", who, 2).raw(stun.MethodBinding)
	}
	s.proxied(t, "tcp", "192.0.2.3:2", 1).mustAllocate()
	c := s.proxied(t, "tcp", "192.0.2.1:3", 2)
	c.send(stun.MustBuild(stun.TransactionID, stun.BindingRequest).Raw)
	if _, err := c.read(); err == nil || isTimeout(err) {
		t.Errorf("the third connection of a client reads %v, want it closed", err)
	}
}

// TestProxyHeaderMustMakeSense holds that a broken header, from a trusted proxy,
// ends the connection.
func TestProxyHeaderMustMakeSense(t *testing.T) {
	t.Parallel()
	s := serve(t, func(c *Config) { c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")} })
	for _, header := range []string{
		"PROXY TCP4 192.0.2.1 192.0.2.2 5000\r\n",
		"PROXY TCP4 192.0.2.1 192.0.2.2 5000 3478 " + strings.Repeat("x", 200) + "\r\n",
		"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x01\x00",
		"\r\n\r\n\x00\r\nQUIT\n\x21\x31\x00\xd8" + strings.Repeat("/sock", 44)[:216], // a client on a UNIX socket
	} {
		c := s.dial(t, "tcp", "ann")
		c.send([]byte(header))
		c.send(stun.MustBuild(stun.TransactionID, stun.BindingRequest).Raw)
		if _, err := c.read(); err == nil || isTimeout(err) {
			t.Errorf("%.40q: the connection reads %v, want it closed", header, err)
		}
	}
}
