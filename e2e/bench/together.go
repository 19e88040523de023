//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// The goals of a fleet.
const (
	goalRedisPairs = 30_000
	goalBehind     = 15 * time.Millisecond // the 99th percentile of a fleet after that of a server that is alone
)

// together measures a server that is alone beside nodes that share a Redis, and what
// their pool costs Redis. It returns how many goals were missed.
func (p plan) together(ctx context.Context, w io.Writer, at cores) (missed int, err error) {
	alone, one, two := newColumn("alone"), newColumn("one node"), newColumn("two nodes")
	kinds := []struct {
		nodes int
		into  *column
	}{{0, alone}, {1, one}, {2, two}}
	now, then := newColumn("now"), newColumn("before")
	var pools []*column
	for _, l := range poolLoads() {
		pools = append(pools, newColumn(l.name))
	}
	version := ""
	for round := range p.rounds {
		fmt.Fprintf(os.Stderr, "fleet: round %d of %d\n", round+1, p.rounds)
		if version, err = poolRound(ctx, at, pools); errors.Is(err, errNoStore) {
			fmt.Fprintf(w, "no fleet was measured: %v\n", err)
			return 0, nil
		}
		if err != nil {
			return 0, fmt.Errorf("pool: %w", err)
		}
		if !isThere(p.bin) {
			continue
		}
		for _, k := range kinds {
			if err := p.round(ctx, at, k.nodes, k.into); err != nil {
				return 0, fmt.Errorf("%s: %w", k.into.name, err)
			}
		}
		if err := p.rest(ctx, at, now, then); err != nil {
			return 0, err
		}
	}
	fmt.Fprintf(w, "\n%s; Redis alone on a core, %d visitors without connections on the other\n", version, poolBurst)
	missed = table(w, "the pool over Redis: min/median/max", pools, poolRows())
	if !isThere(p.bin) {
		fmt.Fprintf(w, "%q is not there: nothing else of a fleet was measured\n", p.bin)
		return missed, nil
	}
	fmt.Fprintf(w, "\n%s; servers and Redis on one core, clients on the other; steady: %d visitors a second, brisk: %d\n", describe(p.bin), steadyRate, briskRate)
	missed += table(w, "a fleet: min/median/max", []*column{alone, one, two}, fleetRows())
	fmt.Fprintln(w)
	memory := []*column{now}
	if p.before != "" {
		memory = append(memory, then)
	}
	return missed + table(w, "without REDIS_URL: min/median/max", memory, []row{{figure: figure{name: restOwn}}, {figure: figure{name: restRSS}}}), nil
}

// round is one kind of server.
func (p plan) round(ctx context.Context, at cores, nodes int, into *column) error {
	g, err := startGroup(ctx, at, p.bin, nodes)
	if err != nil {
		return err
	}
	defer g.stop()
	return g.measure(ctx, into)
}

// rest looks at the memory of a server that is alone, and of an older one.
func (p plan) rest(ctx context.Context, at cores, now, then *column) error {
	if err := atRest(ctx, at, p.bin, now); err != nil || p.before == "" {
		return err
	}
	return atRest(ctx, at, p.before, then)
}

func poolRows() []row {
	return []row{
		{figure{name: redisPairs, whole: true}, busy(atLeast(redisPairs, goalRedisPairs))},
		{figure{name: redisPair}, nil},
		{figure{name: redisCommands}, nil},
		{figure{name: redisCalls}, nil},
		{figure{name: poolPair}, nil},
		{figure{name: poolAcross, whole: true}, nil},
		{figure{name: poolP50}, nil},
		{figure{name: poolP99}, nil},
	}
}

// busy is a goal for the columns in which Redis has enough to do: where it has not,
// it does little at a time, and has time left.
func busy(goal func([]*column) (string, bool)) func([]*column) (string, bool) {
	return func(columns []*column) (string, bool) { return goal(columns[:3]) }
}

func fleetRows() []row {
	return []row{
		{figure{name: steadyP50}, nil},
		{figure{name: steadyP99}, within(steadyP99, goalBehind)},
		{figure{name: steadyCPU}, nil},
		{figure{name: steadyRedis}, nil},
		{figure{name: briskP50}, nil},
		{figure{name: briskP99}, within(briskP99, goalBehind)},
		{figure{name: briskCPU}, nil},
		{figure{name: briskRedis}, nil},
		{figure{name: rushP50}, nil},
		{figure{name: rushP99}, nil},
		{figure{name: rushCPU}, nil},
		{figure{name: rushRedis}, nil},
	}
}
