package turnsvc

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
)

func TestURLs(t *testing.T) {
	t.Parallel()
	change := everywhere(t)
	public := []string{"192.0.2.1", "::ffff:192.0.2.2", "2001:db8::1"}
	for _, c := range []struct {
		name   string
		change func(*Config)
		want   []string
	}{
		{"every transport on every address", func(*Config) {}, []string{
			"stun:192.0.2.1:UDP", "stun:192.0.2.2:UDP", "stun:[2001:db8::1]:UDP",
			"turn:192.0.2.1:UDP?transport=udp", "turn:192.0.2.2:UDP?transport=udp", "turn:[2001:db8::1]:UDP?transport=udp",
			"turn:192.0.2.1:TCP?transport=tcp", "turn:192.0.2.2:TCP?transport=tcp", "turn:[2001:db8::1]:TCP?transport=tcp",
			"turns:turn.example:TLS?transport=tcp",
		}},
		{"TLS without a domain", func(c *Config) { c.UDPAddr, c.TCPAddr, c.Domain = "", "", "" }, nil},
		{"a domain without TLS", func(c *Config) { c.UDPAddr, c.TCPAddr, c.TLSAddr = "127.0.0.1:0", "", "" }, nil},
		{"loopback that is the public address", func(c *Config) {
			c.UDPAddr, c.TCPAddr, c.TLSAddr = "127.0.0.1:0", "", "127.0.0.1:0"
			c.PublicIPs = addrs("127.0.0.1", "192.0.2.1")
		}, []string{"stun:127.0.0.1:UDP", "turn:127.0.0.1:UDP?transport=udp", "turns:turn.example:TLS?transport=tcp"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, func(cfg *Config) {
				change(cfg)
				cfg.PublicIPs = addrs(public...)
				c.change(cfg)
			})
			if got, want := s.URLs(), s.named(c.want); !slices.Equal(got, want) {
				t.Errorf("URLs() = %q, want %q", got, want)
			}
		})
	}
}

// named puts the ports of the sockets into what is wanted.
func (s *service) named(want []string) []string {
	var udp, tcp, tls string
	if s.udp != nil {
		udp = portOf(s.udp.LocalAddr())
	}
	if s.tcp != nil {
		tcp = portOf(s.tcp.Addr())
	}
	if s.tls != nil {
		tls = portOf(s.tls.Addr())
	}
	ports := strings.NewReplacer("UDP", udp, "TCP", tcp, "TLS", tls)
	list := make([]string, len(want))
	for i, w := range want {
		list[i] = ports.Replace(w)
	}
	return list
}

func TestReached(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, local  string
		public, want []string
	}{
		{"all addresses", "::", []string{"192.0.2.1", "2001:db8::1"}, []string{"192.0.2.1", "2001:db8::1"}},
		{"all IPv4 addresses", "0.0.0.0", []string{"192.0.2.1", "2001:db8::1"}, []string{"192.0.2.1"}},
		{"one of the public addresses", "192.0.2.1", []string{"192.0.2.2", "192.0.2.1"}, []string{"192.0.2.1"}},
		{"the inner side of a 1:1 NAT", "10.0.0.5", []string{"192.0.2.1", "2001:db8::1"}, []string{"192.0.2.1"}},
		{"the inner side of a carrier NAT", "100.64.0.5", []string{"192.0.2.1"}, []string{"192.0.2.1"}},
		{"the inner side of NAT66", "fd00::5", []string{"192.0.2.1", "2001:db8::1"}, []string{"2001:db8::1"}},
		{"loopback", "127.0.0.1", []string{"192.0.2.1"}, nil},
		{"loopback of IPv6", "::1", []string{"2001:db8::1"}, nil},
		{"a link", "169.254.1.1", []string{"192.0.2.1"}, nil},
		{"another public address", "192.0.2.7", []string{"192.0.2.1"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := reached(netip.MustParseAddr(c.local), addrs(c.public...))
			if !slices.Equal(got, addrs(c.want...)) {
				t.Errorf("reached(%s, %v) = %v, want %v", c.local, c.public, got, c.want)
			}
		})
	}
}
