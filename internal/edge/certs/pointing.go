package certs

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// lookUpTimeout bounds one question to the name servers.
const lookUpTimeout = 10 * time.Second

// Resolver is what of *net.Resolver is needed: network is "ip".
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// pointing is a domain that does not point to this server. Its text is in the
// documentation: which records were found, which addresses we have, what to
// set.
type pointing struct {
	domain      string
	found, ours []netip.Addr
}

// Error says it all.
func (p *pointing) Error() string {
	found := "has no address record"
	if len(p.found) > 0 {
		found = "points to " + join(p.found)
	}
	return fmt.Sprintf("%s %s, this server has %s: %s", p.domain, found, join(p.ours), strings.Join(p.advice(), "; "))
}

// advice is what to set, family by family.
func (p *pointing) advice() (list []string) {
	for _, record := range []string{"A", "AAAA"} {
		is := func(a netip.Addr) bool { return a.Is4() == (record == "A") }
		found, ours := only(p.found, is), only(p.ours, is)
		foreign := only(found, func(a netip.Addr) bool { return !slices.Contains(ours, a) })
		switch {
		case len(ours) > 0 && len(foreign) == len(found):
			list = append(list, fmt.Sprintf("set its %s record to %s", record, join(ours)))
		case len(foreign) > 0:
			list = append(list, fmt.Sprintf("remove its %s record %s", record, join(foreign)))
		}
	}
	return list
}

// pointsHere asks whether the domain points to this server and nowhere else.
// An ACME server may look at any record, IPv6 first. Of a family in which we
// know no address of ours nothing is said as long as the other one is right.
func pointsHere(ctx context.Context, resolver Resolver, domain string, ours []netip.Addr) error {
	ours = plain(ours)
	if len(ours) == 0 {
		return nil // nothing to compare with
	}
	ctx, cancel := context.WithTimeout(ctx, lookUpTimeout)
	defer cancel()
	found, err := resolver.LookupNetIP(ctx, "ip", domain)
	var dns *net.DNSError
	if err != nil && (!errors.As(err, &dns) || !dns.IsNotFound) {
		return fmt.Errorf("look up where %s points: %w", domain, err)
	}
	found = plain(found)
	here, elsewhere := 0, 0
	for _, addr := range found {
		sameFamily := func(a netip.Addr) bool { return a.Is4() == addr.Is4() }
		switch {
		case slices.Contains(ours, addr):
			here++
		case slices.ContainsFunc(ours, sameFamily):
			elsewhere++
		}
	}
	if here == 0 || elsewhere > 0 {
		return &pointing{domain, found, ours}
	}
	return nil
}

// plain sorts addresses and writes each in one way, once.
func plain(addrs []netip.Addr) []netip.Addr {
	var list []netip.Addr
	for _, a := range addrs {
		list = append(list, a.Unmap().WithZone(""))
	}
	slices.SortFunc(list, netip.Addr.Compare)
	return slices.Compact(list)
}

// only keeps some of the addresses.
func only(addrs []netip.Addr, keep func(netip.Addr) bool) (list []netip.Addr) {
	for _, a := range addrs {
		if keep(a) {
			list = append(list, a)
		}
	}
	return list
}

// join lists addresses for people.
func join(addrs []netip.Addr) string {
	texts := make([]string, len(addrs))
	for i, a := range addrs {
		texts[i] = a.String()
	}
	return strings.Join(texts, ", ")
}
