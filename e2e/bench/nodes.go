//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/e2e/bench/process"
	"github.com/wasmp2pchat/wasmp2pchat/internal/redisdb"
	"github.com/wasmp2pchat/wasmp2pchat/internal/swarm"
)

// The load of whole servers: it is the same for one that is alone and for those of a
// fleet; unless all come at once, it is little enough that nobody waits for a core.
const (
	steadyPeers = 4000
	steadyRate  = 1000 // visitors a second
	briskPeers  = 8000
	briskRate   = 4000
	rushPeers   = 4000 // visitors at once
)

// fleetSecrets are those that all nodes of a fleet have.
func fleetSecrets() []string {
	return []string{"ROOM_SECRET=a room secret for benchmarks", "TURN_SECRETS=a turn secret for benchmarks"}
}

// group is servers that visitors come to in turn.
type group struct {
	servers []*server
	store   *store // nil: the one server is alone
}

// startGroup starts n nodes of a fleet, or one server that is alone: n is 0. Redis
// shares the core with them.
func startGroup(ctx context.Context, at cores, bin string, n int) (g *group, err error) {
	g = new(group)
	defer func() {
		if err != nil {
			g.stop()
		}
	}()
	settings := fleetSecrets()
	if n > 0 {
		if g.store, err = startStore(ctx, &at.server); err != nil {
			return g, err
		}
		settings = append(settings, "REDIS_URL="+g.store.url)
	}
	for i := range max(1, n) {
		s, err := startProgram(ctx, at, bin, append(settings, fmt.Sprintf("NODE_ID=n%d", i))...)
		if err != nil {
			return g, err
		}
		g.servers = append(g.servers, s)
	}
	if n == 0 {
		return g, nil
	}
	return g, g.joined(ctx)
}

// joined waits until the nodes have had the time to find one another: each looks
// once a second who is there.
func (g *group) joined(ctx context.Context) error {
	db, err := redisdb.Open(g.store.url, redisdb.Options{})
	if err != nil {
		return err
	}
	inner, stop := context.WithCancel(ctx)
	served := make(chan error, 1)
	go func() { served <- db.Serve(inner) }() // waited for below
	err = reached(ctx, db)
	stop()
	if err := errors.Join(err, <-served); err != nil {
		return err
	}
	select {
	case <-time.After(joinTime):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// joinTime is how long nodes are given to find one another.
const joinTime = 3 * time.Second

func (g *group) stop() {
	for _, s := range g.servers {
		s.stop()
	}
	if g.store != nil {
		g.store.stop()
	}
}

// cpu is what the servers and Redis have used.
func (g *group) cpu() (nodes, redis time.Duration, err error) {
	for _, s := range g.servers {
		used, failed := process.CPUTime(s.pid)
		nodes, err = nodes+used, errors.Join(err, failed)
	}
	if g.store != nil {
		used, failed := g.store.cpu()
		redis, err = used, errors.Join(err, failed)
	}
	return nodes, redis, err
}

// load lets visitors come to each server in turn, so many a second or, if that is 0,
// all at once.
func (g *group) load(ctx context.Context, peers, perSecond int) (report *swarm.Report, nodes, redis time.Duration, err error) {
	cfg := swarm.Config{URL: g.servers[0].url, Scenario: swarm.Match, Peers: peers, PerSecond: perSecond, For: phaseTimeout}
	for _, s := range g.servers[1:] {
		cfg.Also = append(cfg.Also, s.url)
	}
	var failed error
	cfg.OnMeasure = func(begins bool) {
		n, r, err := g.cpu()
		failed = errors.Join(failed, err)
		if begins {
			n, r = -n, -r
		}
		nodes, redis = nodes+n, redis+r
	}
	report, err = swarm.Run(ctx, cfg)
	switch {
	case err != nil || failed != nil:
		return report, 0, 0, errors.Join(err, failed)
	case len(report.Faults) > 0:
		return report, 0, 0, fmt.Errorf("%d × %s", report.Faults[0].Count, report.Faults[0].What)
	case report.Ended != "":
		return report, 0, 0, errors.New(report.Ended)
	}
	return report, nodes, redis, nil
}

// measure plays each load, after a warm-up.
func (g *group) measure(ctx context.Context, into *column) error {
	if _, _, _, err := g.load(ctx, warmPeers, 0); err != nil {
		return fmt.Errorf("warm-up: %w", err)
	}
	for _, l := range []struct {
		peers, perSecond  int
		p50, p99, own, db string
	}{
		{steadyPeers, steadyRate, steadyP50, steadyP99, steadyCPU, steadyRedis},
		{briskPeers, briskRate, briskP50, briskP99, briskCPU, briskRedis},
		{rushPeers, 0, rushP50, rushP99, rushCPU, rushRedis},
	} {
		report, nodes, redis, err := g.load(ctx, l.peers, l.perSecond)
		if err != nil {
			return err
		}
		into.add(l.p50, millis(report.Latency.P50))
		into.add(l.p99, millis(report.Latency.P99))
		into.add(l.own, micros(nodes, report.Count))
		if g.store != nil {
			into.add(l.db, micros(redis, report.Count))
		}
	}
	return nil
}

func millis(d time.Duration) float64 { return d.Seconds() * 1000 }

// atRest is the memory of a server that is alone, and that nobody has visited.
func atRest(ctx context.Context, at cores, bin string, into *column) error {
	s, err := startProgram(ctx, at, bin)
	if err != nil {
		return err
	}
	defer s.stop()
	select {
	case <-time.After(restTime):
	case <-ctx.Done():
	}
	if err := s.collect(ctx); err != nil {
		return err
	}
	resident, err := s.settled(ctx)
	own, err2 := process.AnonymousBytes(s.pid)
	into.add(restOwn, float64(own)/1e6)
	into.add(restRSS, float64(resident)/1e6)
	return errors.Join(err, err2)
}

// restTime is how long a server is left alone before its memory is looked at.
const restTime = 3 * time.Second

// isThere tells whether a program can be started.
func isThere(bin string) bool {
	info, err := os.Stat(bin)
	return err == nil && !info.IsDir()
}
