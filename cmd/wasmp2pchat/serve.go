package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"

	"github.com/wasmp2pchat/wasmp2pchat/internal/roomkey"
	"github.com/wasmp2pchat/wasmp2pchat/internal/succession"
	"github.com/wasmp2pchat/wasmp2pchat/internal/thrift"
	"github.com/wasmp2pchat/wasmp2pchat/internal/witness"
	"github.com/wasmp2pchat/wasmp2pchat/internal/wsconn"
	"github.com/wasmp2pchat/wasmp2pchat/match"
	"github.com/wasmp2pchat/wasmp2pchat/signal"
	"github.com/wasmp2pchat/wasmp2pchat/turnsvc"
	"github.com/wasmp2pchat/wasmp2pchat/wasm"
	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

func serveCommand(ctx context.Context, w world) error {
	fs := flags(w, "serve", "[--env-file=FILE] (settings are environment variables)")
	environ := withEnvFileFlag(fs, w.environ)
	if err := fs.Parse(w.args); err != nil {
		return err
	}
	w.environ = environ()
	cfg, _, err := loadConfig(w.environ)
	if err != nil {
		refuse(w, err)
		return err
	}
	log, level := newLogger(cfg, w.stderr)
	return inLine(ctx, w, cfg, log, func(ctx context.Context, line *succession.Line) error {
		w.line = line
		return serve(ctx, w, cfg, log, level)
	})
}

// serve is the whole server on one page, in the order in which things depend
// on one another.
func serve(ctx context.Context, w world, cfg *config, log *slog.Logger, level *slog.LevelVar) error {
	secrets, bans, node, err := openState(cfg, w.line, log)
	if err != nil {
		return err
	}
	var relay *turnsvc.Server
	front, err := openFront(ctx, cfg, w, toldTo(&relay, log.With("svc", "turn")), log)
	if err != nil {
		return err
	}
	state, seen, events := newReadiness(node.joined(), front.warnings, node.warnings), new(witness.Witness), newChronicle(log.With("svc", "timeline"))
	var credentials *mint
	if relay, credentials, err = openRelay(ctx, cfg, node, secrets.turn, front, state, seen, events, log.With("svc", "turn")); err != nil {
		return err
	}
	bequeathSecrets(w.line, secrets.room, credentials)
	var lobby *match.Lobby
	keys, waits := roomkey.New(secrets.room), newWaitTimes()
	rooms := joinRooms(w.line, node, signal.Config{
		Admit: keys.Verify, OpenRoom: openRooms(cfg, keys), ICEServers: credentials.iceServers(roomSide),
		Ended: func(room string) { node.endRoom(relay, roomkey.Name(room)) }, Seal: roomkey.Seal(secrets.room, "resume token 1"),
		Absent:   func(room, clientID string, from netip.Addr) { lobby.Absent(room, clientID, from) },
		Happened: events.signaled, Verdict: func(room string) wire.Verdict { return events.Judge(roomkey.Name(room)) },
		AuthnURL: string(cfg.Signal.AuthnWebhookURL), DisconnectURL: string(cfg.Signal.DisconnectWebhookURL), MaxMessage: int(cfg.WS.MaxMessage), Log: log.With("svc", "signal"),
	})
	lobby = openLobby(w.line, node, match.Config{
		PoolConfig: poolConfig(cfg, keys), FairUse: fairUse(cfg), Bans: bans,
		ICEServers: credentials.forLobby, Warm: prepare(node, relay, credentials, events), Happened: events.matched,
		Online: func() int { return lobby.Visitors() + rooms.Online() + w.line.LeftInOlder(roomsPart) },
		Waited: waits.observe, MaxStandby: mostStandby(cfg), MaxMessage: int(cfg.WS.MaxMessage), Log: log.With("svc", "match"),
	})
	run := newOperator(w, cfg, node, lobby, bans, rooms, relay, credentials, state, log.With("svc", "admin"))
	guard := wsconn.NewGuard(webSocketLimits(cfg, node, log.With("svc", "web")))
	settings := &reloader{world: w, node: node, running: *cfg, secrets: secrets, level: level, relay: relay, credentials: credentials, front: front, guard: guard, lobby: lobby, rooms: rooms, others: []func(*config){run.reload, node.reload}, kin: run.kin, refresh: run.keys.refresh, log: log}
	page, err := wasm.New()
	if err != nil {
		return fmt.Errorf("read the embedded page: %w", err)
	}
	web := newHTTPServer(front.door.HTTP(), front.observe(routes(cfg, guard.Wrap(lobby), guard.Wrap(rooms), checkServers(cfg, credentials), probes(cfg, seen, relay), run.api, page)), log.With("svc", "web"))
	admin, err := run.listen(ctx, cfg, front.sockets, insights(metrics(w.line, state, node, settings, page.Version(), lobby, waits, rooms, relay, guard, front, events.Store), facts(cfg, state, front, relay), events), log.With("svc", "admin"))
	if err == nil {
		err = takeOver(ctx, w, run, front, web, admin, log)
	}
	if err != nil {
		return err
	}
	log.Info("serving", "url", front.url(), "admin", admin.url(), "version", buildVersion(), "client", page.Version())
	return runStages(ctx, state, log, append([]stage{
		{"manager", w.manager.serve(w.line, func() { _, _, _ = lobby.Stats(), rooms.Stats(), relay.Stats() })},
		{"matchmaking", lobby.Serve},
		{"signaling", rooms.Serve},
		{"web", web.serve},
		{"front", front.serve}, // the port is free for the next server
		{"relay", relay.Serve}, // two people may still be talking through it
		{"admin", admin.serve},
		{"timeline", events.Serve},
		{"reload", settings.serve},
		{"secrets", untilRetired(w.line, run.keys.serve)},
		{"memory", thrift.Serve},
	}, node.stages(rooms)...))
}

// openRooms names rooms for applications that choose their own ids, nil if
// they may not.
func openRooms(cfg *config, keys *roomkey.Keys) func() string {
	if !cfg.Signal.OpenRooms {
		return nil
	}
	return func() string { return keys.Mint(roomkey.NewName()) }
}
