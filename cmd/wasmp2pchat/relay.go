package main

import (
	"cmp"
	"context"
	"log/slog"

	"github.com/wasmp2pchat/wasmp2pchat/turnsvc"
)

// listenRelay opens the relay as the settings say.
func listenRelay(ctx context.Context, cfg *config, secrets []string, log *slog.Logger) (*turnsvc.Server, error) {
	publicIPs, err := publicAddresses(cfg, log)
	if err != nil {
		return nil, err
	}
	certificate, err := loadCertificate(cfg)
	if err != nil {
		return nil, err
	}
	share := shareDescriptors(cfg.TURN.MaxAllocations)
	relay, err := turnsvc.Listen(ctx, turnsvc.Config{
		Realm:   cmp.Or(cfg.TURN.Realm, cfg.Domain, "wasmp2pchat"),
		Secrets: secrets, CredentialTTL: cfg.TURN.CredentialTTL,
		UDPAddr: string(cfg.TURN.UDPAddr), TCPAddr: string(cfg.TURN.TCPAddr), TLSAddr: tlsAddr(cfg, certificate),
		TLS: certificate, Domain: cfg.Domain, TrustedProxies: cfg.TrustedProxies,
		PublicIPs: publicIPs, RelayPorts: cfg.TURN.RelayPorts,
		MaxConns: share.turnConns, MaxAllocations: share.allocations,
		MaxPerUser: cfg.TURN.MaxPerUser, MaxPerAddr: cfg.TURN.MaxPerIP,
		MaxBitrate: cfg.TURN.MaxBitrate, MonthlyBudget: int64(cfg.TURN.MonthlyBudget), BudgetFile: budgetFile(cfg),
		Peers: cfg.TURN.Peers, AllowPeers: cfg.TURN.AllowPeers, DenyPeers: cfg.TURN.DenyPeers,
		DrainTimeout: drainTimeout, Log: log,
	})
	if err != nil {
		return nil, listenHint(err, "TURN_UDP_ADDR, TURN_TCP_ADDR or TURN_TLS_ADDR")
	}
	return relay, nil
}
