package address

import (
	"net/netip"
	"slices"
	"strings"
)

// kind is the kind of a source.
type kind int

const (
	kindInterfaces kind = iota
	kindDNS
	kindMetadata
	kindSTUN
)

// report is what one source says.
type report struct {
	name  string // as people know it, such as "metadata (aws)"
	kind  kind
	addrs []netip.Addr
}

// Choice is what clients are told of one family.
type Choice struct {
	Addrs   []netip.Addr // the address; several only if the operator named several; empty: none
	By      []string     // the sources that say so, the most trusted first
	Ours    bool         // it is on an interface of this machine
	NAT     bool         // it is the outer side of a NAT: the interfaces have private addresses only
	Private bool         // it can be reached inside this network only
}

// Addresses are what clients are told.
type Addresses struct{ IPv4, IPv6 Choice }

// List lists all addresses, IPv4 first.
func (a Addresses) List() []netip.Addr { return slices.Concat(a.IPv4.Addrs, a.IPv6.Addrs) }

// Of is the choice for a family.
func (a *Addresses) Of(f Family) *Choice {
	if f == IPv4 {
		return &a.IPv4
	}
	return &a.IPv6
}

// isPrivate tells that nobody outside this network reaches any of them.
func (a Addresses) isPrivate() bool {
	return len(a.List()) > 0 && (len(a.IPv4.Addrs) == 0 || a.IPv4.Private) && (len(a.IPv6.Addrs) == 0 || a.IPv6.Private)
}

// reach is how far an address can be reached from.
type reach int

const (
	reachNone reach = iota // link-local and such: never told
	reachHost
	reachNetwork
	reachWorld
)

// view is all that is known in one round.
type view struct {
	publicIPs  []netip.Addr
	domain     string
	public     func(netip.Addr) bool
	interfaces []netip.Addr // whether or not they are a source
	reports    []report
	visited    []visit // where visitors say that they reached us
}

func (v *view) reach(addr netip.Addr) reach {
	switch {
	case v.public(addr):
		return reachWorld
	case addr.IsGlobalUnicast():
		return reachNetwork
	case addr.IsLoopback():
		return reachHost
	}
	return reachNone
}

// decide says what clients are told: what the operator says, and nothing else;
// or, for each family apart, what reaches furthest. Nothing private is told
// beside something public, of whichever family: the visitors are outside.
func (v *view) decide() Addresses {
	var a Addresses
	if len(v.publicIPs) > 0 {
		for _, f := range families() {
			*a.Of(f) = v.operators(f)
		}
		return a
	}
	for reach := reachWorld; reach > reachNone && len(a.List()) == 0; reach-- {
		for _, f := range families() {
			*a.Of(f) = v.best(f, reach)
		}
	}
	return a
}

// operators is the choice of the operator, with the sources that agree.
func (v *view) operators(f Family) Choice {
	addrs := f.only(v.publicIPs)
	if len(addrs) == 0 {
		return Choice{}
	}
	c := v.describe(f, addrs)
	c.By = append([]string{"PUBLIC_IPS"}, v.sayers(addrs)...)
	return c
}

// best is the address of a family that most sources agree on, if two do; else
// that of the source which is trusted most.
func (v *view) best(f Family, reach reach) Choice {
	var best netip.Addr
	for _, r := range v.reports {
		for _, addr := range f.only(r.addrs) {
			if v.reach(addr) == reach && v.plausible(addr) && (!best.IsValid() || v.isBetter(addr, best, reach)) {
				best = addr
			}
		}
	}
	if !best.IsValid() {
		return Choice{}
	}
	c := v.describe(f, []netip.Addr{best})
	c.By = v.sayers(c.Addrs)
	return c
}

// plausible refuses an address that only the DNS knows where this machine has
// no address of that family at all: nothing of ours could answer there.
func (v *view) plausible(addr netip.Addr) bool {
	for _, r := range v.reports {
		if r.kind != kindDNS && slices.Contains(r.addrs, addr) {
			return true
		}
	}
	return slices.ContainsFunc(v.interfaces, func(on netip.Addr) bool {
		return on.Is4() == addr.Is4() && v.reach(on) >= reachNetwork
	})
}

// isBetter orders two addresses that reach equally far.
func (v *view) isBetter(a, b netip.Addr, reach reach) bool {
	saysA, saysB := v.saying(a), v.saying(b)
	if many := max(len(saysA), len(saysB)); many > 1 {
		if len(saysA) != len(saysB) {
			return len(saysA) == many
		}
		// Of two addresses of ours, packets leave from the one that is on an
		// interface: a reserved address of a cloud only comes in.
		if oursA, oursB := slices.Contains(v.interfaces, a), slices.Contains(v.interfaces, b); oursA != oursB {
			return oursA
		}
	}
	return trust(saysA[0].kind, reach) > trust(saysB[0].kind, reach) // equal: the first one stays
}

// trust orders the kinds of sources. A private address of an interface, maybe
// that of a bridge inside this machine, is worth less than any other.
func trust(k kind, reach reach) int {
	switch {
	case k == kindMetadata:
		return 4
	case k == kindSTUN:
		return 3
	case k == kindInterfaces && reach == reachWorld:
		return 2
	case k == kindDNS:
		return 1
	}
	return 0
}

// saying lists the reports that have an address, the most trusted first.
func (v *view) saying(addr netip.Addr) []report {
	var list []report
	for _, r := range v.reports {
		if slices.Contains(r.addrs, addr) {
			list = append(list, r)
		}
	}
	slices.SortStableFunc(list, func(a, b report) int {
		return trust(b.kind, v.reach(addr)) - trust(a.kind, v.reach(addr))
	})
	return list
}

// sayers names the sources that have one of the addresses.
func (v *view) sayers(addrs []netip.Addr) []string {
	var names []string
	for _, addr := range addrs {
		for _, r := range v.saying(addr) {
			if !slices.Contains(names, r.name) {
				names = append(names, r.name)
			}
		}
	}
	return names
}

// describe fills in how addresses of a family lie to this machine.
func (v *view) describe(f Family, addrs []netip.Addr) Choice {
	c := Choice{Addrs: addrs, Private: true}
	for _, addr := range addrs {
		c.Ours = c.Ours || slices.Contains(v.interfaces, addr)
		c.Private = c.Private && v.reach(addr) < reachWorld
	}
	c.NAT = !c.Ours && slices.ContainsFunc(v.interfaces, func(on netip.Addr) bool {
		return f.has(on) && v.reach(on) == reachNetwork
	})
	return c
}

// join writes addresses for people.
func join(addrs []netip.Addr) string {
	texts := make([]string, len(addrs))
	for i, addr := range addrs {
		texts[i] = addr.String()
	}
	return strings.Join(texts, " and ")
}
