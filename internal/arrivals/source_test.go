package arrivals

import (
	"net/netip"
	"testing"
)

func TestSource(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, addr, want string }{
		{"an IPv4 address counts alone", "192.0.2.1", "192.0.2.1/32"},
		{"its mapped form counts as the same", "::ffff:192.0.2.1", "192.0.2.1/32"},
		{"an IPv6 address counts with its /64", "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"},
		{"a zone makes no difference", "fe80::1%eth0", "fe80::/64"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := Source(netip.MustParseAddr(c.addr)); got.String() != c.want {
				t.Errorf("Source(%s) = %v, want %s", c.addr, got, c.want)
			}
		})
	}
	if got := Source(netip.Addr{}); got != (netip.Prefix{}) {
		t.Errorf("Source of no address = %v, want the zero prefix", got)
	}
}
