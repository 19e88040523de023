package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"syscall"

	"github.com/wasmp2pchat/wasmp2pchat/internal/swarm"
)

const loadtestSynopsis = `[flags] URL

It sends to URL and nowhere else, and exits 1 when the server did something
wrong. Scenarios:
  match      everybody connects, then all ask for a partner at once
  session    one after another: find, join, ten messages, bye
  signaling  a session without the finding, which happens before
  relay      rooms of two play ping-pong with signaling messages
  idle       rooms of two that say nothing
  chat       real peers with ICE and DTLS, until each has the other's first message

Servers limit what comes from one address: start yours with
WASMP2PCHAT_WS_MAX_PER_IP=0 and WASMP2PCHAT_WS_RATE_PER_IP=0 for load tests.
`

// limitsHint is what to do about a server that refuses.
const limitsHint = "servers limit what comes from one address: start yours with " +
	prefix + "WS_MAX_PER_IP=0 and " + prefix + "WS_RATE_PER_IP=0 for load tests"

// loadtestCommand measures a server, and says what it did wrong.
func loadtestCommand(ctx context.Context, w world) error {
	cfg, asJSON, err := loadtestFlags(w)
	if err != nil {
		return err
	}
	if err := enoughDescriptors(cfg); err != nil {
		return err
	}
	screen := &progressPrinter{w: w.stderr, terminal: isTerminal(w.stderr)}
	cfg.OnProgress = screen.show
	run := crowdOf
	if cfg.Scenario == chatScenario {
		run = chatters
	}
	seen, err := run(ctx, cfg)
	screen.end()
	if seen != nil {
		if err := seen.print(w.stdout, cfg.URL, asJSON); err != nil {
			return err
		}
	}
	return loadtestError(seen, err)
}

// loadtestFlags reads what was asked for.
func loadtestFlags(w world) (cfg swarm.Config, asJSON bool, err error) {
	fs := flags(w, "loadtest", loadtestSynopsis)
	scenario := fs.String("scenario", string(swarm.Match), "match, session, signaling, relay, idle or chat")
	fs.IntVar(&cfg.Peers, "peers", 0, fmt.Sprintf("clients in all, at most %d (default %d); chat: at most %d (default %d)", swarm.MaxPeers, swarm.DefaultPeers, maxChatters, defaultChatters))
	fs.IntVar(&cfg.AtOnce, "at-once", 0, fmt.Sprintf("session, signaling: clients under way at a time, at most %d (default %d)", swarm.MaxAtOnce, swarm.DefaultAtOnce))
	fs.IntVar(&cfg.UnderWay, "under-way", swarm.DefaultUnderWay, fmt.Sprintf("relay: messages under way in each room at a time, at most %d", swarm.MaxUnderWay))
	fs.IntVar(&cfg.Messages, "messages", swarm.DefaultMessages, fmt.Sprintf("relay: that each client sends, at most %d; beyond 80 at the pace that servers allow", swarm.MaxMessages))
	fs.DurationVar(&cfg.For, "for", swarm.DefaultFor, fmt.Sprintf("end then at the latest, idle exactly then; at most %v", swarm.MaxFor))
	fs.BoolVar(&cfg.Insecure, "insecure", false, "https: take any certificate, as test servers have")
	fs.BoolVar(&asJSON, "json", false, "print the report as JSON")
	if err := fs.Parse(w.args); err != nil {
		return cfg, false, err
	}
	if fs.NArg() != 1 {
		return cfg, false, &hinted{err: errors.New("loadtest wants the URL of a server"), hint: "wasmp2pchat loadtest http://localhost:8080"}
	}
	cfg.URL, cfg.Scenario = fs.Arg(0), swarm.Scenario(*scenario)
	if !slices.Contains(append(swarm.Scenarios(), chatScenario), cfg.Scenario) {
		return cfg, false, &hinted{err: fmt.Errorf("unknown scenario %s", cfg.Scenario), hint: "match, session, signaling, relay, idle or chat"}
	}
	if cfg.Peers == 0 {
		cfg.Peers = swarm.DefaultPeers
		if cfg.Scenario == chatScenario {
			cfg.Peers = defaultChatters
		}
	}
	return cfg, asJSON, nil
}

// What a load test needs of descriptors beside one for each connection, and
// what a real peer needs: two sockets of HTTP and those of ICE.
const (
	spareDescriptors   = 64
	chatterDescriptors = 32
)

// enoughDescriptors says beforehand what would fail in the midst. Go has raised
// the limit of the process as far as it may be.
func enoughDescriptors(cfg swarm.Config) error {
	need := cfg.Peers
	switch cfg.Scenario {
	case swarm.Session, swarm.Signaling:
		need = min(need, 2*swarm.MaxAtOnce)
	case chatScenario:
		need *= chatterDescriptors
	}
	if limit := descriptorLimit(); limit > 0 && need+spareDescriptors > limit {
		return &hinted{
			err:  fmt.Errorf("%d peers need %d descriptors, and this process may have %d", cfg.Peers, need+spareDescriptors, limit),
			hint: "fewer --peers, or more descriptors: ulimit -n " + fmt.Sprint(need+spareDescriptors),
		}
	}
	return nil
}

// loadtestError is what the command exits with.
func loadtestError(seen *outcome, err error) error {
	refused, isRefusal := errors.AsType[*swarm.RefusedError](err)
	switch {
	case isRefusal && (refused.Status == http.StatusTooManyRequests || refused.Status == http.StatusServiceUnavailable || refused.Status == 0):
		return &hinted{err: err, hint: limitsHint}
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return &hinted{err: err, hint: "this machine has no more ports towards that server: fewer --peers"}
	case err != nil:
		return err
	case len(seen.Faults) > 0:
		return errors.New("the server did something wrong, or did not keep up: see above")
	}
	return nil
}

// crowdOf runs a scenario of light clients.
func crowdOf(ctx context.Context, cfg swarm.Config) (*outcome, error) {
	report, err := swarm.Run(ctx, cfg)
	if report == nil {
		return nil, err
	}
	return &outcome{Report: report}, err
}
