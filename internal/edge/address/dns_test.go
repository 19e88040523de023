package address

import (
	"context"
	"net"
	"net/netip"
	"testing"
)

// hosts is a resolver that has one IPv4 address, and says of the other family
// what package net says of a name in /etc/hosts.
type hosts netip.Addr

func (h hosts) LookupNetIP(_ context.Context, network, host string) ([]netip.Addr, error) {
	if network == "ip4" {
		return []netip.Addr{netip.Addr(h)}, nil
	}
	return nil, &net.AddrError{Err: "no suitable address found", Addr: host}
}

func TestANameInTheHostsFileMayHaveOneFamily(t *testing.T) {
	t.Parallel()
	got, err := lookup(t.Context(), hosts(addr("198.51.100.7")), "chat.example.org")
	if err != nil || len(got) != 1 || got[0] != addr("198.51.100.7") {
		t.Errorf("lookup = %v, %v; want the one address", got, err)
	}
}
