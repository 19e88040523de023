package main

import (
	"context"
	"log/slog"

	"github.com/wasmp2pchat/wasmp2pchat/internal/edge/address"
	"github.com/wasmp2pchat/wasmp2pchat/turnsvc"
)

// findAddresses finds the addresses that clients are told; changed is called
// when they turn out to be others.
func findAddresses(ctx context.Context, cfg *config, changed func(address.Addresses), log *slog.Logger) (*address.Keeper, error) {
	keeper := address.New(address.Config{
		PublicIPs: cfg.PublicIPs, Domain: cfg.Domain, Proxied: len(cfg.TrustedProxies) > 0, Sources: cfg.AddressSources,
		Public: turnsvc.Public, Changed: changed, Log: log,
	})
	if _, err := keeper.Find(ctx); err != nil {
		return nil, &hinted{err: err, hint: "set " + prefix + "PUBLIC_IPS"}
	}
	return keeper, nil
}
