package address

import (
	"context"
	"net"
	"net/netip"
	"strings"
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

// TestANameWithoutARecordIsToldAsOne holds that the log does not blame the name
// server, which has answered.
func TestANameWithoutARecordIsToldAsOne(t *testing.T) {
	t.Parallel()
	w := &world{interfaces: addrs("198.51.100.7")}
	k := w.keeper(func(cfg *Config) { cfg.Resolver = zone{} })
	if _, err := k.Find(t.Context()); err != nil {
		t.Fatal(err)
	}
	told := 0
	for _, line := range w.logged() {
		if strings.Contains(line, "level=WARN") && strings.Contains(line, "knows none") && strings.Contains(line, "A or AAAA record") {
			told++
		}
		if strings.Contains(line, "does not answer") {
			t.Errorf("the log says %s", line)
		}
	}
	if told != 1 {
		t.Errorf("it is told %d times, want once", told)
	}
}
