package turnsvc

import (
	"net/netip"
	"slices"
)

// filter is the policy for the addresses of peers.
type filter struct {
	policy              PeerPolicy
	allow, deny, denied []netip.Prefix
	carriers            []carrier
}

func newFilter(policy PeerPolicy, allow, deny []netip.Prefix) *filter {
	return &filter{
		policy: policy, allow: plain(allow), deny: plain(deny),
		denied: deniedPrefixes(), carriers: carriers(),
	}
}

// Public reports whether an address is public: what PeersPublic allows, and what
// a server that is reached from everywhere has.
func Public(addr netip.Addr) bool { return newFilter(PeersPublic, nil, nil).allows(addr) }

// plain turns prefixes of IPv4-mapped IPv6 into those of IPv4.
func plain(prefixes []netip.Prefix) []netip.Prefix {
	list := make([]netip.Prefix, 0, len(prefixes))
	for _, p := range prefixes {
		if ip := p.Addr(); ip.Is4In6() && p.Bits() >= 96 {
			p = netip.PrefixFrom(ip.Unmap(), p.Bits()-96)
		}
		list = append(list, p)
	}
	return list
}

// allows reports whether a peer may have this address. An IPv6 address that
// carries an IPv4 address must pass with both.
func (f *filter) allows(ip netip.Addr) bool {
	ip = ip.Unmap().WithZone("")
	if !ip.IsValid() || !f.passes(ip) {
		return false
	}
	for _, c := range f.carriers {
		if c.prefix.Contains(ip) {
			return !slices.ContainsFunc(c.inside(ip.As16()), func(inner netip.Addr) bool { return !f.passes(inner) })
		}
	}
	return true
}

func (f *filter) passes(ip netip.Addr) bool {
	return !contains(f.deny, ip) && (f.lifts(ip) || !contains(f.denied, ip))
}

// lifts reports whether the operator took ip off the built-in list.
func (f *filter) lifts(ip netip.Addr) bool {
	return f.policy == PeersAny || contains(f.allow, ip)
}

func contains(prefixes []netip.Prefix, ip netip.Addr) bool {
	for _, p := range prefixes {
		if p.Contains(ip) {
			return true
		}
	}
	return false
}
