//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/e2e/bench/process"
	"github.com/wasmp2pchat/wasmp2pchat/internal/swarm"
)

// The load of one round. Each client of the relay sends what servers take at
// once.
const (
	burstPeers    = 10_000
	burstsARound  = 2
	sessionPeers  = 5000
	relayPeers    = 3000
	idlePeers     = 10_000
	warmPeers     = 2000
	phaseTimeout  = time.Minute
	settleTimeout = 15 * time.Second

	pauseAfterJoin = 15 * time.Second
)

// spent is what a server did in the measured parts of a run.
type spent struct {
	cpu, client time.Duration
	report      *swarm.Report
}

// load puts a scenario on a server, and counts its CPU time meanwhile.
func (s *server) load(ctx context.Context, cfg swarm.Config) (spent, error) {
	var used spent
	var began, clientBegan time.Duration
	var failed error
	cfg.URL, cfg.Insecure, cfg.For = s.url, true, phaseTimeout
	cfg.OnMeasure = func(begins bool) {
		if s.profiles != "" {
			failed = errors.Join(failed, s.nextProfile(cfg.Scenario, begins))
		}
		now, err := process.CPUTime(s.pid)
		clientNow, clientErr := process.CPUTime(os.Getpid())
		failed = errors.Join(failed, err, clientErr)
		if begins {
			began, clientBegan = now, clientNow
			return
		}
		used.cpu += now - began
		used.client += clientNow - clientBegan
	}
	report, err := swarm.Run(ctx, cfg)
	used.report = report
	switch {
	case err != nil || failed != nil:
		return used, errors.Join(err, failed)
	case len(report.Faults) > 0:
		return used, fmt.Errorf("%s: %d × %s", cfg.Scenario, report.Faults[0].Count, report.Faults[0].What)
	case report.Ended != "":
		return used, fmt.Errorf("%s: %s", cfg.Scenario, report.Ended)
	}
	return used, nil
}

// nextProfile begins or ends the profile of what is measured.
func (s *server) nextProfile(scenario swarm.Scenario, begins bool) error {
	if !begins {
		return s.profile("-")
	}
	s.profiled++
	return s.profile(fmt.Sprintf("%s-%s-%d.prof", s.profiles, scenario, s.profiled))
}

// busy measures what costs CPU time, after a warm-up.
func (s *server) busy(ctx context.Context, into *samples) error {
	for _, scenario := range []swarm.Scenario{swarm.Match, swarm.Session} {
		if _, err := s.load(ctx, swarm.Config{Scenario: scenario, Peers: warmPeers}); err != nil {
			return fmt.Errorf("warm-up: %w", err)
		}
	}
	for range burstsARound {
		used, err := s.load(ctx, swarm.Config{Scenario: swarm.Match, Peers: burstPeers})
		if err != nil {
			return err
		}
		into.add(pairsPerCore, float64(used.report.Count)/used.cpu.Seconds())
		into.add(microsPerPair, micros(used.cpu, used.report.Count))
		into.add(pairsPerSecond, used.report.Rate)
		into.add(matchP99, used.report.Latency.P99.Seconds()*1000)
		into.add(clientPerPair, micros(used.client, used.report.Count))
	}
	used, err := s.load(ctx, swarm.Config{Scenario: swarm.Relay, Peers: relayPeers, UnderWay: 1})
	if err != nil {
		return err
	}
	into.add(singlyPerCore, float64(used.report.Count)/used.cpu.Seconds())
	used, err = s.load(ctx, swarm.Config{Scenario: swarm.Relay, Peers: relayPeers})
	if err != nil {
		return err
	}
	into.add(relayedPerCore, float64(used.report.Count)/used.cpu.Seconds())
	into.add(relayedPerSecond, used.report.Rate)
	into.add(relayP99, used.report.Latency.P99.Seconds()*1000)
	for scenario, figure := range map[swarm.Scenario]int{swarm.Signaling: microsPerSession, swarm.Session: microsPerStory} {
		used, err := s.load(ctx, swarm.Config{Scenario: scenario, Peers: sessionPeers})
		if err != nil {
			return err
		}
		into.add(figure, micros(used.cpu, used.report.Count))
	}
	return nil
}

func micros(d time.Duration, n int) float64 { return d.Seconds() * 1e6 / float64(max(1, n)) }

// idle measures what registered connections that say nothing cost, as they are
// and after a collection.
func (s *server) idle(ctx context.Context, into *samples, asIs, collected int) error {
	baseline, err := s.settled(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	held := make(chan struct{})
	ended := make(chan error, 1)
	var report *swarm.Report
	go func() { // waited for below
		var err error
		report, err = swarm.Run(ctx, swarm.Config{
			URL: s.url, Insecure: true, Scenario: swarm.Idle, Peers: idlePeers, For: 2 * phaseTimeout,
			OnMeasure: func(begins bool) {
				if begins {
					close(held)
				}
			},
		})
		ended <- err
	}()
	select {
	case <-held:
	case err := <-ended:
		return errors.Join(errors.New("idle: ended before all had joined"), err)
	}
	select { // until everybody was pinged, and what joining has cost was given back
	case <-time.After(pauseAfterJoin):
	case <-ctx.Done():
	}
	before, err := s.settled(ctx)
	err = errors.Join(err, s.collect(ctx))
	after, err2 := s.settled(ctx)
	cancel()
	if err := errors.Join(err, err2, <-ended); err != nil {
		return err
	}
	if report.Count != idlePeers || len(report.Faults) > 0 {
		return fmt.Errorf("idle: %d of %d joined; faults: %v", report.Count, idlePeers, report.Faults)
	}
	into.add(asIs, float64(before-baseline)/1000/idlePeers)
	into.add(collected, float64(after-baseline)/1000/idlePeers)
	return nil
}

// settled is the resident memory once it has changed by less than a hundredth
// for three seconds.
func (s *server) settled(ctx context.Context) (int64, error) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	last, err := process.ResidentBytes(s.pid)
	for calm, until := 0, time.Now().Add(settleTimeout); err == nil && calm < 3 && time.Now().Before(until); {
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-tick.C:
		}
		var now int64
		now, err = process.ResidentBytes(s.pid)
		if calm++; now > last+last/100 || now < last-last/100 {
			calm = 0
		}
		last = now
	}
	return last, err
}
