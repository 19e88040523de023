package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"

	"github.com/wasmp2pchat/wasmp2pchat/turnsvc"
)

// publicAddresses are the addresses that clients are told: those of the
// settings, else the best that the interfaces have, of each family.
func publicAddresses(cfg *config, log *slog.Logger) ([]netip.Addr, error) {
	if len(cfg.PublicIPs) > 0 {
		return cfg.PublicIPs, nil
	}
	list, err := net.InterfaceAddrs()
	if err != nil {
		return nil, fmt.Errorf("list the addresses of this machine: %w", err)
	}
	var addrs []netip.Addr
	for _, a := range list {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			addrs = append(addrs, p.Addr())
		}
	}
	found := bestAddresses(addrs)
	if len(found) == 0 {
		return nil, &hinted{err: errors.New("this machine has no address"), hint: "set " + prefix + "PUBLIC_IPS"}
	}
	if !slices.ContainsFunc(found, turnsvc.Public) {
		log.Warn("no public address found: chats that need the relay work inside this network only",
			"addresses", found, "hint", "set "+prefix+"PUBLIC_IPS to the address that clients reach")
	}
	return found, nil
}

// bestAddresses picks the addresses that reach furthest: public ones, else
// others that are routed somewhere, else loopback; link-local ones never. IPv4 comes first.
func bestAddresses(addrs []netip.Addr) []netip.Addr {
	reach := func(a netip.Addr) int {
		switch {
		case turnsvc.Public(a):
			return 3
		case a.IsGlobalUnicast():
			return 2
		case a.IsLoopback():
			return 1
		default:
			return 0
		}
	}
	furthest := 0
	for _, a := range addrs {
		furthest = max(furthest, reach(a))
	}
	best := slices.DeleteFunc(slices.Clone(addrs), func(a netip.Addr) bool { return furthest == 0 || reach(a) != furthest })
	slices.SortStableFunc(best, func(a, b netip.Addr) int { return a.BitLen() - b.BitLen() })
	return best
}
