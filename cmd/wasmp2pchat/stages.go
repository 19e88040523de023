package main

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
)

// stage is a part of the server that runs until its context ends.
type stage struct {
	name  string
	serve func(context.Context) error
}

// readiness is what /readyz tells.
type readiness struct {
	reason   atomic.Pointer[string]
	draining atomic.Bool       // the operator has said so
	relaying atomic.Bool       // it is known by which URLs clients can come to the relay
	changed  func()            // the fleet is told at once that this node drains; nil: there is none
	joined   func() bool       // the fleet knows of this node; nil: there is none
	warn     []func() []string // what an operator ought to mend, though the server serves
}

// draining is what /readyz says from the first stage's end to the last's.
const draining = "draining"

// newReadiness takes what tells whether the others of a fleet know of this node, nil
// without one, and what there is to warn of.
func newReadiness(joined func() bool, warn ...func() []string) *readiness {
	return &readiness{joined: joined, warn: warn}
}

// warnings are all there are now.
func (r *readiness) warnings() (list []string) {
	for _, each := range r.warn {
		list = append(list, each()...)
	}
	return list
}

func (r *readiness) set(reason string) { r.reason.Store(&reason) }

// drain makes the server not ready as long as the operator wants that.
func (r *readiness) drain(on bool) { r.draining.Store(on) }

func (r *readiness) drains() bool { return r.draining.Load() }

func (r *readiness) relayIsOffered() { r.relaying.Store(true) }

// notReady is why the server cannot serve; empty means that it can.
func (r *readiness) notReady() string {
	reason := r.reason.Load()
	switch {
	case reason == nil, *reason == "" && !r.relaying.Load():
		return "starting"
	case *reason == "" && r.joined != nil && !r.joined():
		return "joining the fleet"
	case *reason == "" && r.drains():
		return draining
	default:
		return *reason
	}
}

// runStages runs all stages until ctx ends or one of them does. Then it stops
// them one after the other in their order, which is the reverse of the story
// of START: no new matches, rooms closed, web closed, and the relay nearly
// last. It returns the first error, when the last stage has ended.
func runStages(ctx context.Context, state *readiness, log *slog.Logger, stages []stage) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	running := make([]chan error, len(stages))
	cancels := make([]context.CancelFunc, len(stages))
	for i, s := range stages {
		stageCtx, cancel := context.WithCancel(context.WithoutCancel(ctx))
		done := make(chan error, 1)
		running[i], cancels[i] = done, cancel
		go func() { // waited for below
			err := s.serve(stageCtx)
			done <- err
			stop(stageEnded(s.name, err))
		}()
	}
	state.set("")

	<-ctx.Done()
	state.set(draining)
	if state.changed != nil {
		state.changed()
	}
	log.Info("stopping", "cause", context.Cause(ctx).Error())
	var first error
	for i, s := range stages {
		cancels[i]()
		if err := <-running[i]; err != nil && first == nil {
			first = fmt.Errorf("%s: %w", s.name, err)
		}
		log.Debug("stage ended", "stage", s.name)
	}
	log.Info("stopped")
	return first
}

// stageEnded is why all the others stop when one stage has ended by itself.
func stageEnded(name string, err error) error {
	if err == nil {
		return fmt.Errorf("%s ended", name)
	}
	return fmt.Errorf("%s: %w", name, err)
}
