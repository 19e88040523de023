package main

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net"
	"slices"

	"github.com/wasmp2pchat/wasmp2pchat/internal/daytime"
	"github.com/wasmp2pchat/wasmp2pchat/internal/edge/address"
	"github.com/wasmp2pchat/wasmp2pchat/internal/witness"
	"github.com/wasmp2pchat/wasmp2pchat/turnsvc"
	"github.com/wasmp2pchat/wasmp2pchat/turnsvc/relays"
)

// openRelay opens the relay, and mints for the URLs by which clients can come to
// it.
func openRelay(ctx context.Context, cfg *config, node *member, secrets []string, f *front, state *readiness, seen *witness.Witness, events chronicle, log *slog.Logger) (relay *turnsvc.Server, credentials *mint, err error) {
	issuer := turnsvc.Issuer{Secret: secrets[0], TTL: cfg.TURN.CredentialTTL, Now: daytime.New().Later}
	credentials = newMint(issuer)
	credentials.setSecrets(secrets)
	relay, err = listenRelay(ctx, cfg, node, secrets, f, events, func() {
		credentials.setURLs(relay.URLs())
		state.relayIsOffered()
		node.changed()
	}, watch(seen), log)
	if err == nil && node != nil {
		node.joinRelays(cfg, relay, state, log)
		credentials.fleet, credentials.others = node.relays, relays.NewMinters(issuer)
	}
	return relay, credentials, err
}

// listenRelay opens the relay as the settings say, and behind the public port.
// Offered is called when clients can come by other URLs than before, saw with what
// comes.
func listenRelay(ctx context.Context, cfg *config, node *member, secrets []string, f *front, events chronicle, offered func(), saw func(turnsvc.Sight), log *slog.Logger) (*turnsvc.Server, error) {
	limits := relayLimits(cfg)
	settings := turnsvc.Config{
		Realm:   cmp.Or(cfg.TURN.Realm, cfg.Domain, "wasmp2pchat"),
		Secrets: secrets, CredentialTTL: cfg.TURN.CredentialTTL,
		UDPAddrs: udpAddrs(cfg), TCPAddr: string(cfg.TURN.TCPAddr), TLSAddr: cfg.turnTLSAddr(),
		Sockets: f.sockets, Streams: []turnsvc.Stream{f.stream()}, Domain: cfg.Domain, TrustedProxies: cfg.TrustedProxies,
		PublicIPs: f.publicIPs(), RelayPorts: cfg.TURN.RelayPorts,
		MaxConns:       shareDescriptors(cfg.TURN.MaxAllocations).turnConns,
		MaxAllocations: limits.MaxAllocations, MaxPerUser: limits.MaxPerUser, MaxPerAddr: limits.MaxPerAddr,
		MaxBitrate: limits.MaxBitrate, MonthlyBudget: limits.MonthlyBudget, BudgetFile: budgetFile(cfg),
		DataPlane: cfg.TURN.DataPlane,
		Peers:     cfg.TURN.Peers, AllowPeers: limits.AllowPeers, DenyPeers: limits.DenyPeers,
		DrainTimeout: cfg.DrainTimeout, Offered: offered, Saw: saw, Happened: events.relayed, Log: log,
	}
	if settings.TLS = f.tlsConfig(); settings.TLS != nil {
		settings.TLS.NextProtos = nil // TURN has none
	}
	node.share(cfg, &settings)
	if !cfg.plays(roleTURN) {
		leaveRelaying(&settings)
	}
	line := lineRelay(f.line, &settings)
	relay, err := turnsvc.Listen(ctx, settings)
	if err != nil {
		return nil, listenHint(err, relaySetting(cfg, err))
	}
	line.bequeath(ctx, relay, log)
	return relay, nil
}

// leaveRelaying leaves relaying to other processes: nothing listens here for
// clients of TURN, and who comes to the public port for it is refused.
func leaveRelaying(settings *turnsvc.Config) {
	for _, stream := range settings.Streams {
		_ = stream.Listener.Close() // never fails
	}
	settings.UDPAddrs, settings.TCPAddr, settings.TLSAddr, settings.Streams, settings.Elsewhere = nil, "", "", nil, true
}

// relayLimits are what of the settings of the relay may change while it serves.
func relayLimits(cfg *config) turnsvc.Limits {
	return turnsvc.Limits{
		MaxAllocations: shareDescriptors(cfg.TURN.MaxAllocations).allocations,
		MaxPerUser:     cfg.TURN.MaxPerUser, MaxPerAddr: cfg.TURN.MaxPerIP,
		MaxBitrate: cfg.TURN.MaxBitrate, MonthlyBudget: int64(cfg.TURN.MonthlyBudget),
		AllowPeers: cfg.TURN.AllowPeers, DenyPeers: cfg.TURN.DenyPeers,
	}
}

// relaySetting is the setting of the address that could not be listened on.
func relaySetting(cfg *config, err error) string {
	op, ok := errors.AsType[*net.OpError](err)
	switch {
	case !ok || op.Addr == nil:
		return "TURN_UDP_ADDR, TURN_TCP_ADDR or TURN_TLS_ADDR"
	case op.Net == "tcp" && op.Addr.String() == string(cfg.TURN.TCPAddr):
		return "TURN_TCP_ADDR"
	case op.Net == "udp" && slices.Contains(udpAddrs(cfg), op.Addr.String()):
		return "TURN_UDP_ADDR"
	}
	return "TURN_TLS_ADDR"
}

func udpAddrs(cfg *config) []string {
	return slices.DeleteFunc(texts(cfg.TURN.UDPAddr), func(addr string) bool { return addr == "" })
}

// advertise has the relay tell clients other addresses from now on.
func advertise(relay *turnsvc.Server, now address.Addresses, log *slog.Logger) {
	if err := relay.SetPublicIPs(now.List()); err != nil {
		log.Error("the new addresses are not used", "err", err.Error())
	}
}
