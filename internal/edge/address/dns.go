package address

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
)

// Resolver looks names up, as *net.Resolver does.
type Resolver interface {
	// LookupNetIP lists the addresses of a host; network is "ip4" or "ip6".
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// lookup lists what the DNS says about a host, A and AAAA. A name that has
// neither is an error.
func lookup(ctx context.Context, resolver Resolver, host string) ([]netip.Addr, error) {
	if addr, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{addr.Unmap()}, nil
	}
	var found [2][]netip.Addr
	var errs [2]error
	var wg sync.WaitGroup
	for i, f := range families() {
		wg.Go(func() { found[i], errs[i] = resolver.LookupNetIP(ctx, f.network("ip"), host) })
	}
	wg.Wait()
	var addrs []netip.Addr
	for i, f := range families() {
		for _, addr := range found[i] {
			if addr = addr.Unmap(); f.has(addr) && len(addrs) < maxAnswerAddrs {
				addrs = append(addrs, addr)
			}
		}
	}
	if isNotFound(errs[0]) && isNotFound(errs[1]) {
		return nil, errs[0]
	}
	for _, err := range errs {
		if err != nil && !isNotFound(err) {
			return addrs, err
		}
	}
	return addrs, nil
}

// isNotFound tells that the DNS has answered: there is no such name, or no such
// record. Package net has another error for a name that stands in /etc/hosts with
// the other family only.
func isNotFound(err error) bool {
	if _, ok := errors.AsType[*net.AddrError](err); ok {
		return true
	}
	dns, ok := errors.AsType[*net.DNSError](err)
	return ok && dns.IsNotFound
}
