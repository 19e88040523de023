package turnsvc

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestURLs offers what listens on loopback, where there is a server behind every
// address that a NAT might lead to.
func TestURLs(t *testing.T) {
	t.Parallel()
	change := everywhere(t)
	public := []string{"192.0.2.1", "::ffff:192.0.2.2", "2001:db8::1"}
	for _, c := range []struct {
		name   string
		change func(*Config)
		want   []string
	}{
		{"every transport on one address of each family", func(*Config) {}, []string{
			"stun:192.0.2.1:UDP", "stun:[2001:db8::1]:UDP",
			"turn:192.0.2.1:UDP?transport=udp", "turn:[2001:db8::1]:UDP?transport=udp",
			"turn:192.0.2.1:TCP?transport=tcp", "turn:[2001:db8::1]:TCP?transport=tcp",
			"turns:turn.example:TLS?transport=tcp",
		}},
		{"TLS without a domain", func(c *Config) { c.UDPAddrs, c.TCPAddr, c.Domain = nil, "", "" }, nil},
		{"a domain without TLS", func(c *Config) { c.UDPAddrs, c.TCPAddr, c.TLSAddr = []string{"127.0.0.1:0"}, "", "" }, nil},
		{"loopback that is the public address", func(c *Config) {
			c.UDPAddrs, c.TCPAddr, c.TLSAddr = []string{"127.0.0.1:0"}, "", "127.0.0.1:0"
			c.PublicIPs = addrs("127.0.0.1", "192.0.2.1")
		}, []string{"stun:127.0.0.1:UDP", "turn:127.0.0.1:UDP?transport=udp", "turns:turn.example:TLS?transport=tcp"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, func(cfg *Config) {
				change(cfg)
				cfg.PublicIPs, cfg.blind = addrs(public...), false
				if len(hosts(t)) == 1 { // no IPv6 here
					cfg.PublicIPs = addrs(public[:2]...)
				}
				c.change(cfg)
			})
			s.offers(t, slices.DeleteFunc(s.named(c.want), func(u string) bool {
				return len(hosts(t)) == 1 && strings.Contains(u, "[")
			})...)
		})
	}
}

// offers waits until the URLs are those.
func (s *service) offers(t *testing.T, want ...string) {
	t.Helper()
	for {
		select {
		case <-s.offered:
			if slices.Equal(s.URLs(), want) {
				return
			}
		case <-time.After(reachTimeout + 2*patience):
			t.Fatalf("URLs() = %q, want %q", s.URLs(), want)
		}
	}
}

// TestWhereAProxyPassesOn: who passes on to loopback is on this machine and asked,
// another one is not.
func TestWhereAProxyPassesOn(t *testing.T) {
	t.Parallel()
	ours, outer := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	for _, c := range []struct {
		name        string
		local       string
		ip          netip.Addr
		onInterface bool
		want        string
		inside      bool
	}{
		{"a proxy here", "127.0.0.1:8443", ours, true, "192.0.2.1:443", false},
		{"a proxy here, behind 1:1 NAT", "127.0.0.1:8443", outer, false, "127.0.0.1:8443", true},
		{"a proxy elsewhere, who asks one address", "10.0.0.1:8443", ours, true, "10.0.0.1:8443", true},
		{"a proxy elsewhere, who asks any address", "[::]:8443", ours, true, "127.0.0.1:8443", true},
	} {
		e := entrance{transport: "tls", local: netip.MustParseAddrPort(c.local), port: 443, forwarded: true}
		if got := e.reached([]netip.Addr{c.ip}); !slices.Equal(got, []netip.Addr{c.ip}) {
			t.Errorf("%s: reached at %v, want %v", c.name, got, c.ip)
		}
		if at, inside := e.asked(c.ip, c.onInterface); at.String() != c.want || inside != c.inside {
			t.Errorf("%s: asked at %v, %v, want %s, %v", c.name, at, inside, c.want, c.inside)
		}
	}
}

func TestChoose(t *testing.T) {
	t.Parallel()
	at := func(transport string, port uint16, ip string) way {
		e := entrance{transport: transport, local: netip.AddrPortFrom(netip.IPv6Unspecified(), port), port: port}
		w := way{entrance: e, url: transport + " " + ip, stun: "stun " + ip}
		if transport != "udp" {
			w.stun = ""
		}
		if ip != "name" {
			w.family = familyOf(netip.MustParseAddr(ip))
		}
		w.url += " " + strconv.Itoa(int(port))
		return w
	}
	for _, c := range []struct {
		name string
		ways []way
		want []string
	}{
		{"nothing", nil, nil},
		{"further ports have one address, TLS one port", []way{
			at("udp", 3478, "192.0.2.1"), at("udp", 3478, "2001:db8::1"), at("udp", 443, "192.0.2.1"), at("udp", 443, "2001:db8::1"),
			at("tcp", 3478, "192.0.2.1"), at("tcp", 3478, "2001:db8::1"), at("tcp", 80, "192.0.2.1"), at("tcp", 80, "2001:db8::1"),
			at("tls", 443, "name"), at("tls", 5349, "name"),
		}, []string{
			"stun 192.0.2.1", "stun 2001:db8::1",
			"udp 192.0.2.1 3478", "udp 2001:db8::1 3478", "udp 192.0.2.1 443",
			"tcp 192.0.2.1 3478", "tcp 2001:db8::1 3478", "tcp 192.0.2.1 80", "tls name 443",
		}},
		{
			"the second address of a family when the first is not reached",
			[]way{at("udp", 3478, "192.0.2.2"), at("udp", 3478, "192.0.2.3")},
			[]string{"stun 192.0.2.2", "udp 192.0.2.2 3478"},
		},
		{
			"the second port when the first is not reached",
			[]way{at("udp", 443, "192.0.2.1"), at("udp", 443, "2001:db8::1")},
			[]string{"stun 192.0.2.1", "stun 2001:db8::1", "udp 192.0.2.1 443", "udp 2001:db8::1 443"},
		},
		{"another port for TLS when 443 is not reached", []way{at("tls", 5349, "name")}, []string{"tls name 5349"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := choose(c.ways); !slices.Equal(got, c.want) {
				t.Errorf("choose = %q, want %q", got, c.want)
			}
		})
	}
}

// named puts the ports of the sockets into what is wanted.
func (s *service) named(want []string) []string {
	var udp, tcp, tls string
	if s.udp != nil {
		udp = portOf(s.udp[0].LocalAddr())
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
