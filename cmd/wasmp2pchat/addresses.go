package main

import (
	"context"
	"log/slog"
	"net"
	"net/netip"

	"github.com/wasmp2pchat/wasmp2pchat/internal/edge/address"
	"github.com/wasmp2pchat/wasmp2pchat/turnsvc"
)

// findAddresses finds the addresses that clients are told; changed is called
// when they turn out to be others.
func findAddresses(ctx context.Context, cfg *config, changed func(address.Addresses), log *slog.Logger) (*address.Keeper, error) {
	keeper := address.New(address.Config{
		PublicIPs: cfg.PublicIPs, Domain: cfg.Domain, Proxied: proxiedElsewhere(cfg), Sources: cfg.AddressSources,
		Public: turnsvc.Public, Changed: changed, Log: log,
	})
	if _, err := keeper.Find(ctx); err != nil {
		return nil, &hinted{err: err, hint: "set " + prefix + "PUBLIC_IPS"}
	}
	return keeper, nil
}

// proxiedElsewhere tells whether DOMAIN may lead to another machine, which passes
// on to this one. One on this machine has its addresses.
func proxiedElsewhere(cfg *config) bool {
	host, _, _ := net.SplitHostPort(string(cfg.Addr)) // which was looked at when it was read
	ip, err := netip.ParseAddr(host)
	return len(cfg.TrustedProxies) > 0 && host != "localhost" && (err != nil || !ip.IsLoopback())
}
