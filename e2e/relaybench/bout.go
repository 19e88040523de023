//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// bout is a round of one server.
type bout struct {
	rig      *rig
	plan     plan
	name     string
	round    int
	into     results
	progress io.Writer
}

// play has a fresh server carry all loads that are wanted, and another one hold
// idle allocations.
func (b *bout) play(ctx context.Context) error {
	if err := b.with(ctx, b.busy); err != nil {
		return err
	}
	if b.name == forwarders || b.name == plain || !b.plan.wants(groupMemory) {
		return nil
	}
	return b.with(ctx, b.idle)
}

// with starts a server for f.
func (b *bout) with(ctx context.Context, f func(context.Context, *server) error) error {
	s, err := b.rig.start(ctx, b.name)
	if err != nil {
		return err
	}
	defer s.stop()
	if err := errors.Join(f(ctx, s), s.carriesItself()); err != nil {
		if s.said != nil && ctx.Err() == nil {
			err = fmt.Errorf("%w; it said: %s", err, s.said)
		}
		return err
	}
	return nil
}

// busy plays the loads of each topology over the same flows.
func (b *bout) busy(ctx context.Context, s *server) error {
	for _, t := range []topology{toPeer, toRelay, fromTCP} {
		if err := b.over(ctx, s, t); err != nil {
			return err
		}
	}
	if b.name == forwarders || b.name == plain || !b.plan.wants(groupAllocations) {
		return nil
	}
	if _, err := b.rig.allocations(ctx, s, warmAllocations); err != nil {
		return err
	}
	spent, err := b.rig.allocations(ctx, s, bornAllocations)
	if err != nil {
		return fmt.Errorf("allocations: %w", err)
	}
	b.add(groupAllocations, bornMicros, spent.server.Seconds()*1e6/bornAllocations)
	b.add(groupAllocations, bornRate, bornAllocations/spent.at.Seconds())
	return nil
}

// over plays the loads of a topology.
func (b *bout) over(ctx context.Context, s *server, t topology) error {
	var f *flows
	for _, l := range loads() {
		if l.topology != t || !l.carries(b.name) || !b.plan.wants(l.group) {
			continue
		}
		if f == nil {
			var err error
			if f, err = b.rig.newFlows(s.carrier, t); err != nil {
				return err
			}
			defer f.close()
		}
		o, err := b.calm(ctx, s, f, l)
		if errors.Is(err, errSlow) { // no figure is better than a wrong one
			fmt.Fprintf(b.progress, "  %s: %v\n", l.name, err)
			continue
		}
		if err != nil {
			return fmt.Errorf("%s: %w", l.name, err)
		}
		b.note(l, o)
	}
	return nil
}

// calm plays a load, again if it was disturbed, and says so if it was to the
// last.
func (b *bout) calm(ctx context.Context, s *server, f *flows, l load) (o outcome, err error) {
	for range 1 + maxRepeats {
		o, err = b.rig.play(ctx, s, f, l)
		if (err != nil && !errors.Is(err, errSlow)) || (err == nil && !o.disturbed()) {
			return o, err
		}
	}
	if err == nil {
		fmt.Fprintf(b.progress, "  %s: other programs used %.0f %% of a core\n", l.name, 100*o.others.Seconds()/o.spent.at.Seconds())
	}
	return o, err
}

// note adds what a load came to.
func (b *bout) note(l load, o outcome) {
	micros := func(d time.Duration) float64 { return d.Seconds() * 1e6 / float64(o.received) }
	if b.name != plain {
		b.add(l.name, serverCPU, micros(o.spent.server))
	}
	if o.disturbed() { // the rest would be the others' doing
		return
	}
	b.add(l.name, machineCPU, micros(o.spent.busy))
	b.add(l.name, lossPercent, 100*float64(o.sent-o.received)/float64(max(1, o.sent)))
	if len(o.took) > 0 {
		b.add(l.name, medianMicros, float64(percentile(o.took, 50))/1e3)
		b.add(l.name, p99Micros, float64(percentile(o.took, 99))/1e3)
	}
}

func (b *bout) add(load string, m metric, value float64) {
	b.into.add(b.round, b.name, load, m, value)
}

// idle measures the memory.
func (b *bout) idle(ctx context.Context, s *server) error {
	asIs, collected, err := b.rig.memory(ctx, s)
	if err != nil {
		return fmt.Errorf("memory: %w", err)
	}
	b.add(groupMemory, idleKB, asIs)
	if b.name != coturn {
		b.add(groupMemory, collectedKB, collected)
	}
	return nil
}
