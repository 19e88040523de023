//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wasmp2pchat/wasmp2pchat/e2e/bench/process"
)

const (
	idleAllocations = 5000 // or a fifth of the descriptors that the machine allows
	bornAllocations = 1500
	warmAllocations = 200

	settleTimeout = 8 * time.Second
	settleStep    = 500 * time.Millisecond
	settleCalm    = 3 // steps in which the memory has changed by less than a hundredth
)

// memory is what idle allocations take, in kB each, of the resident memory of a
// fresh server: as it is, and, of ours, after a collection.
func (r *rig) memory(ctx context.Context, s *server) (asIs, collected float64, err error) {
	if _, err := r.allocations(ctx, s, warmAllocations); err != nil {
		return 0, 0, err
	}
	baseline, err := settled(ctx, s.pid)
	if err != nil {
		return 0, 0, err
	}
	t := newTURN()
	fds, err := r.client.sockets(unix.SOCK_DGRAM, r.idle)
	if err != nil {
		return 0, 0, err
	}
	defer closeAll(fds)
	for i, fd := range fds {
		if _, err := t.open(fd, r.client, false); err != nil {
			return 0, 0, fmt.Errorf("allocation %d: %w", i, err)
		}
		if err := ctx.Err(); err != nil {
			return 0, 0, err
		}
	}
	full, err := settled(ctx, s.pid)
	if err != nil {
		return 0, 0, err
	}
	each := func(bytes int64) float64 { return float64(bytes-baseline) / 1000 / float64(r.idle) }
	if s.name == coturn {
		return each(full), 0, nil
	}
	if err := r.collect(ctx); err != nil {
		return 0, 0, err
	}
	after, err := settled(ctx, s.pid)
	return each(full), each(after), err
}

// allocations has so many clients ask for a relay, one after another, and give
// it back at once: the nonce, Allocate, Refresh with a lifetime of 0.
func (r *rig) allocations(ctx context.Context, s *server, count int) (usage, error) {
	fds, err := r.client.sockets(unix.SOCK_DGRAM, count)
	if err != nil {
		return usage{}, err
	}
	defer closeAll(fds)
	t := newTURN()
	before, err := r.at.usageNow(s.pid)
	if err != nil {
		return usage{}, err
	}
	for _, fd := range fds {
		if _, err := t.open(fd, r.client, false); err != nil {
			return usage{}, err
		}
		if err := errors.Join(ctx.Err(), t.clients[fd].release()); err != nil {
			return usage{}, err
		}
	}
	after, err := r.at.usageNow(s.pid)
	return after.since(before), err
}

// settled is the resident memory once it does not change any more.
func settled(ctx context.Context, pid int) (int64, error) {
	step := time.NewTicker(settleStep)
	defer step.Stop()
	last, err := process.ResidentBytes(pid)
	for calm, steps := 0, 0; err == nil && calm < settleCalm && steps < int(settleTimeout/settleStep); steps++ {
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-step.C:
		}
		var now int64
		now, err = process.ResidentBytes(pid)
		if calm++; now > last+last/100 || now < last-last/100 {
			calm = 0
		}
		last = now
	}
	return last, err
}

// collect makes our server collect its garbage.
func (r *rig) collect(ctx context.Context) error {
	client := http.Client{Transport: &http.Transport{DialContext: r.path.Server().Dial, DisableKeepAlives: true}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+adminAddr+"/debug/pprof/heap?gc=1", nil)
	if err != nil {
		return err
	}
	answer, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("collect: %w", err)
	}
	_, err = io.Copy(io.Discard, answer.Body)
	return errors.Join(err, answer.Body.Close())
}
