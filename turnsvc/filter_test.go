package turnsvc

import (
	"net/netip"
	"testing"
)

// reserved is THREATS.md §1, rows 1 and 2, an address of each range and more.
func reserved() []netip.Addr {
	return addrs("0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.255.255.254",
		"168.63.129.16", "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.2.1", "192.88.99.1",
		"192.168.1.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.1.2.3", "240.0.0.1", "255.255.255.255",
		"::", "::1", "::ffff:10.0.0.1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "::8.8.8.8",
		"::ffff:0:127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::808:808", "64:ff9b:1::7f00:1", "64:ff9b:1:7f00:0:100::", "2002:7f00:1::1", "2002:808:808::1",
		"2001::1", "2001:0:808:808::80ff:fffe", "2001:db8::1", "2001:2::1", "2001:10::1", "2001:20::1", "3fff::1", "5f00::1",
		"100::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "fec0::1", "ff02::1")
}

func TestFilter(t *testing.T) {
	t.Parallel()
	public := newFilter(PeersPublic, nil, nil)
	for _, ip := range reserved() {
		if public.allows(ip) {
			t.Errorf("allows(%v) = true under the policy public", ip)
		}
		if !newFilter(PeersAny, nil, nil).allows(ip) {
			t.Errorf("allows(%v) = false under the policy any", ip)
		}
	}
	for _, ip := range addrs("8.8.8.8", "::ffff:8.8.8.8", "1.0.0.1", "172.32.0.1", "223.255.255.255", "2001:4860:4860::8888", "2a00::1") {
		if !public.allows(ip) {
			t.Errorf("allows(%v) = false under the policy public", ip)
		}
	}
	if public.allows(netip.Addr{}) {
		t.Error("no address is allowed")
	}
}

func TestEveryDeniedPrefixIsDenied(t *testing.T) {
	t.Parallel()
	f := newFilter(PeersPublic, nil, nil)
	for _, p := range deniedPrefixes() {
		first, last := p.Masked().Addr(), lastOf(p)
		if f.allows(first) || f.allows(last) {
			t.Errorf("of %v the first, %v, or the last, %v, is allowed", p, first, last)
		}
	}
}

func lastOf(p netip.Prefix) netip.Addr {
	b := p.Masked().Addr().AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	ip, _ := netip.AddrFromSlice(b)
	return ip
}

func TestFilterExceptions(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name        string
		policy      PeerPolicy
		allow, deny string
		ip          string
		want        bool
	}{
		{"an allowed prefix wins over the built-in list", PeersPublic, "127.0.0.0/8", "", "127.0.0.1", true},
		{"and only there", PeersPublic, "127.0.0.0/8", "", "10.0.0.1", false},
		{"it holds for the mapped form", PeersPublic, "127.0.0.0/8", "", "::ffff:127.0.0.1", true},
		{"it may be written in the mapped form", PeersPublic, "::ffff:127.0.0.0/104", "", "127.0.0.1", true},
		{"a denied prefix wins over a public address", PeersPublic, "", "8.8.0.0/16", "8.8.8.8", false},
		{"a denied prefix wins over an allowed one", PeersPublic, "10.0.0.0/8", "10.1.0.0/16", "10.1.0.1", false},
		{"a denied prefix wins over the policy any", PeersAny, "", "10.0.0.0/8", "::ffff:10.0.0.1", false},
		{"NAT64 that is allowed still checks what is inside", PeersPublic, "64:ff9b::/96", "", "64:ff9b::10.0.0.1", false},
		{"and lets public addresses through", PeersPublic, "64:ff9b::/96", "", "64:ff9b::8.8.8.8", true},
		{"local NAT64 checks the end", PeersPublic, "64:ff9b:1::/48", "", "64:ff9b:1:808:8:800:10.0.0.1", false},
		{"local NAT64 checks the middle", PeersPublic, "64:ff9b:1::/48", "", "64:ff9b:1:a00:0:100:8.8.8.8", false},
		{"6to4 that is allowed checks what is inside", PeersPublic, "2002::/16", "", "2002:a00:1::1", false},
		{"Teredo that is allowed checks the server", PeersPublic, "2001::/32", "", "2001:0:a00:1::f7f7:f7f7", false},
		{"Teredo that is allowed checks the inverted client", PeersPublic, "2001::/32", "", "2001:0:808:808::f5ff:fffe", false},
		{"Teredo between public addresses passes then", PeersPublic, "2001::/32", "", "2001:0:808:808::f7f7:f7f7", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := newFilter(c.policy, prefixes(c.allow), prefixes(c.deny))
			if got := f.allows(netip.MustParseAddr(c.ip)); got != c.want {
				t.Errorf("allows(%s) = %v, want %v", c.ip, got, c.want)
			}
		})
	}
}

func prefixes(text string) []netip.Prefix {
	if text == "" {
		return nil
	}
	return []netip.Prefix{netip.MustParsePrefix(text)}
}

// FuzzFilter holds that the verdict is on the address and not on how it is
// written: IPv4 plain, mapped, or with a zone; and that an address in which a
// denied IPv4 address travels is denied.
func FuzzFilter(f *testing.F) {
	for _, ip := range reserved() {
		b := ip.As16()
		f.Add(b[:])
	}
	strict := newFilter(PeersPublic, nil, nil)
	f.Fuzz(func(t *testing.T, b []byte) {
		ip, ok := netip.AddrFromSlice(b)
		if !ok {
			return
		}
		want := strict.allows(ip)
		for _, form := range []netip.Addr{netip.AddrFrom16(ip.As16()), ip.Unmap(), ip.WithZone("eth0")} {
			if got := strict.allows(form); got != want {
				t.Errorf("allows(%v) = %v, but allows(%v) = %v", ip, want, form, got)
			}
		}
		if !ip.Unmap().Is4() || want {
			return
		}
		v4 := ip.Unmap().As4()
		nat64 := [16]byte{0, 0x64, 0xff, 0x9b, 12: v4[0], v4[1], v4[2], v4[3]}
		lifted := newFilter(PeersPublic, prefixes("64:ff9b::/96"), nil)
		if lifted.allows(netip.AddrFrom16(nat64)) {
			t.Errorf("%v is denied, but within NAT64 it is allowed", ip)
		}
	})
}
