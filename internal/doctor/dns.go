package doctor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
)

// addresses finds where the name of the server leads.
func (x *exam) addresses(ctx context.Context, f *Facts) []netip.Addr {
	if ip, ok := x.target.literal(); ok {
		x.sheet.add(Check{ID: "dns", Subject: x.target.host, Status: Skip, Seen: "an address, not a name"})
		return []netip.Addr{ip}
	}
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	list, err := x.cfg.Resolver.LookupNetIP(ctx, "ip", x.target.host)
	for i := range list {
		list[i] = list[i].Unmap()
	}
	slices.SortFunc(list, compareFamily)
	list = slices.Compact(list)
	var right []netip.Addr
	if f != nil {
		right = f.PublicIPs
	}
	x.sheet.add(judgeDNS(x.target.host, list, err, right)...)
	return list[:min(len(list), maxAddresses)]
}

// compareFamily puts IPv4 before IPv6.
func compareFamily(a, b netip.Addr) int { return a.Compare(b) }

// judgeDNS is what the records of a name mean. Right are those that it ought to
// have, if they are known.
func judgeDNS(host string, list []netip.Addr, err error, right []netip.Addr) []Check {
	if len(list) == 0 {
		c := Check{
			ID: "dns", Subject: host, Status: Fail, Cause: DNSMissing, Seen: "no A or AAAA record",
			Fix: records(host, right),
		}
		var lookup *net.DNSError
		if errors.As(err, &lookup) && !lookup.IsNotFound {
			c.Seen = "the name server does not answer: " + lookup.Err
		}
		return []Check{c}
	}
	var v4, v6 []string
	for _, ip := range list {
		if ip.Is4() {
			v4 = append(v4, ip.String())
		} else {
			v6 = append(v6, ip.String())
		}
	}
	record := func(kind string, addrs []string) Check {
		c := Check{ID: "dns", Subject: fmt.Sprintf("%s %s", host, kind), Status: OK, Seen: strings.Join(addrs, ", ")}
		if len(addrs) == 0 {
			c.Status, c.Seen = Skip, "no record"
		}
		return c
	}
	return []Check{record("A", v4), record("AAAA", v6)}
}
