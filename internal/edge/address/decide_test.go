package address

import (
	"slices"
	"strings"
	"testing"
)

// reports by the usual sources.
func fromInterfaces(texts ...string) report {
	return report{interfacesName, kindInterfaces, addrs(texts...)}
}
func fromDNS(texts ...string) report { return report{"DNS", kindDNS, addrs(texts...)} }
func fromAWS(texts ...string) report { return report{"metadata (aws)", kindMetadata, addrs(texts...)} }

func fromSTUN(texts ...string) report {
	return report{"stun stun.example.org:3478", kindSTUN, addrs(texts...)}
}

// see is what is known when these sources say so; a report of the interfaces
// is what the interfaces have.
func see(operator string, reports ...report) view {
	v := view{domain: "chat.example.org", public: isPublic, reports: reports}
	if operator != "" {
		v.publicIPs = addrs(strings.Split(operator, ",")...)
	}
	for _, r := range reports {
		if r.kind == kindInterfaces {
			v.interfaces = r.addrs
		}
	}
	return v
}

// decision is what clients are told, as the log writes it.
type decision struct {
	view       view
	ipv4, ipv6 string
	private    bool
}

func checkDecisions(t *testing.T, decisions map[string]decision) {
	t.Helper()
	for name, c := range decisions {
		got := c.view.decide()
		if text := got.IPv4.LogValue().String(); text != c.ipv4 {
			t.Errorf("%s: IPv4 is %s, want %s", name, text, c.ipv4)
		}
		if text := got.IPv6.LogValue().String(); text != c.ipv6 {
			t.Errorf("%s: IPv6 is %s, want %s", name, text, c.ipv6)
		}
		if got.isPrivate() != c.private {
			t.Errorf("%s: private = %v, want %v", name, got.isPrivate(), c.private)
		}
	}
}

func TestPublicAddressesAreTold(t *testing.T) {
	t.Parallel()
	checkDecisions(t, map[string]decision{
		"a cloud machine with a private interface": {
			view: see("", fromAWS("198.51.100.7"), fromInterfaces("10.0.0.5")),
			ipv4: "198.51.100.7 (metadata (aws); behind NAT)", ipv6: "none",
		},
		"the same, found by STUN": {
			view: see("", fromSTUN("198.51.100.7"), fromInterfaces("10.0.0.5", "127.0.0.1")),
			ipv4: "198.51.100.7 (stun stun.example.org:3478; behind NAT)", ipv6: "none",
		},
		"a cloud machine with both families": {
			view: see("", fromAWS("198.51.100.7", "2001:db8::7"), fromInterfaces("10.0.0.5", "2001:db8::7", "fe80::1"), fromDNS("198.51.100.7", "2001:db8::7")),
			ipv4: "198.51.100.7 (metadata (aws), DNS; behind NAT)", ipv6: "2001:db8::7 (metadata (aws), interfaces, DNS)",
		},
		"a rented server with both families": {
			view: see("", fromInterfaces("203.0.113.9", "2001:db8::9", "127.0.0.1", "::1"), fromDNS("203.0.113.9")),
			ipv4: "203.0.113.9 (interfaces, DNS)", ipv6: "2001:db8::9 (interfaces)",
		},
		"IPv6 only": {
			view: see("", fromInterfaces("127.0.0.1", "::1", "2001:db8::9", "fe80::9"), fromDNS("2001:db8::9")),
			ipv4: "none", ipv6: "2001:db8::9 (interfaces, DNS)",
		},
		"a server at home, whose router has the address of the name": {
			view: see("", fromInterfaces("192.168.1.5", "172.17.0.1"), fromDNS("203.0.113.9")),
			ipv4: "203.0.113.9 (DNS; behind NAT)", ipv6: "none",
		},
	})
}

func TestPrivateAddressesAreToldOnlyWhereNothingIsPublic(t *testing.T) {
	t.Parallel()
	checkDecisions(t, map[string]decision{
		"a server at home without a name": {
			view: see("", fromInterfaces("192.168.1.5", "172.17.0.1", "127.0.0.1")),
			ipv4: "192.168.1.5 (interfaces)", ipv6: "none", private: true,
		},
		"a server at home with public IPv6": {
			view: see("", fromInterfaces("192.168.1.5", "2001:db8::9", "fd00::9")),
			ipv4: "none", ipv6: "2001:db8::9 (interfaces)",
		},
		"public IPv4 beside a private IPv6 network": {
			view: see("", fromInterfaces("203.0.113.9", "fd00::9")),
			ipv4: "203.0.113.9 (interfaces)", ipv6: "none",
		},
		"a container on Docker's bridge": {
			view: see("", fromInterfaces("172.17.0.2")),
			ipv4: "172.17.0.2 (interfaces)", ipv6: "none", private: true,
		},
		"a container whose name is known inside": {
			view: see("", fromInterfaces("172.17.0.2"), fromDNS("192.168.1.5")),
			ipv4: "192.168.1.5 (DNS; behind NAT)", ipv6: "none", private: true,
		},
		"an address of a carrier's NAT is private": {
			view: see("", fromInterfaces("100.64.1.2")),
			ipv4: "100.64.1.2 (interfaces)", ipv6: "none", private: true,
		},
		"nothing but loopback": {
			view: see("", fromInterfaces("127.0.0.1", "::1")),
			ipv4: "127.0.0.1 (interfaces)", ipv6: "::1 (interfaces)", private: true,
		},
		"nothing but link-local": {view: see("", fromInterfaces("169.254.3.4", "fe80::1")), ipv4: "none", ipv6: "none"},
	})
}

func TestSourcesAreWeighedAndTheOperatorWins(t *testing.T) {
	t.Parallel()
	checkDecisions(t, map[string]decision{
		"two that agree beat one that is trusted more": {
			view: see("", fromAWS("198.51.100.1"), fromSTUN("198.51.100.7"), fromInterfaces("10.0.0.5"), fromDNS("198.51.100.7")),
			ipv4: "198.51.100.7 (stun stun.example.org:3478, DNS; behind NAT)", ipv6: "none",
		},
		"everybody says something else": {
			view: see("", fromDNS("198.51.100.4"), fromInterfaces("198.51.100.3"), fromSTUN("198.51.100.2"), fromAWS("198.51.100.1")),
			ipv4: "198.51.100.1 (metadata (aws))", ipv6: "none",
		},
		"no metadata: STUN is trusted most": {
			view: see("", fromDNS("198.51.100.4"), fromInterfaces("198.51.100.3"), fromSTUN("198.51.100.2")),
			ipv4: "198.51.100.2 (stun stun.example.org:3478)", ipv6: "none",
		},
		"then the interfaces": {
			view: see("", fromDNS("198.51.100.4"), fromInterfaces("198.51.100.3")),
			ipv4: "198.51.100.3 (interfaces)", ipv6: "none",
		},
		"a reserved address only comes in": {
			view: see("", report{"metadata (digitalocean)", kindMetadata, addrs("203.0.113.99", "203.0.113.9")}, fromInterfaces("203.0.113.9"), fromDNS("203.0.113.99")),
			ipv4: "203.0.113.9 (metadata (digitalocean), interfaces)", ipv6: "none",
		},
		"the DNS alone does not give a family that the machine lacks": {
			view: see("", fromInterfaces("203.0.113.9", "::1"), fromDNS("203.0.113.9", "2001:db8::9")),
			ipv4: "203.0.113.9 (interfaces, DNS)", ipv6: "none",
		},
		"the operator wins": {
			view: see("203.0.113.1,203.0.113.2", fromAWS("198.51.100.7"), fromInterfaces("10.0.0.5", "2001:db8::9"), fromDNS("203.0.113.2")),
			ipv4: "203.0.113.1 and 203.0.113.2 (PUBLIC_IPS, DNS; behind NAT)", ipv6: "none",
		},
		"the operator means this network": {
			view: see("192.168.1.5", fromInterfaces("192.168.1.5", "203.0.113.9")),
			ipv4: "192.168.1.5 (PUBLIC_IPS, interfaces)", ipv6: "none", private: true,
		},
	})
}

func TestAddressesOfOursAreMarked(t *testing.T) {
	t.Parallel()
	v := see("", fromAWS("198.51.100.7", "2001:db8::7"), fromInterfaces("10.0.0.5", "2001:db8::7"))
	got := v.decide()
	if c := got.IPv4; c.Ours || !c.NAT || c.Private {
		t.Errorf("IPv4 = %+v, want the outer side of a NAT", c)
	}
	if c := got.IPv6; !c.Ours || c.NAT || c.Private {
		t.Errorf("IPv6 = %+v, want one of ours", c)
	}
	if want := addrs("198.51.100.7", "2001:db8::7"); !slices.Equal(got.List(), want) {
		t.Errorf("List() = %v, want %v", got.List(), want)
	}
}
