//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"slices"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/e2e/bench/process"
	"github.com/wasmp2pchat/wasmp2pchat/internal/natlab"
)

// rig is the three hosts, and how processes are spread over the cores.
type rig struct {
	path         *natlab.Path
	client, peer place
	at           cores
	bin          string // the program
	planes       bool   // it can be told which data plane to take
	idle         int    // allocations whose memory is measured
	lanes        uint32 // used so far
}

// newRig builds it and takes a core for this process. Nothing is collected
// while a load runs: what it needs is made before.
func newRig(ctx context.Context, bin string, spread bool) (*rig, error) {
	at, err := shareCores(spread)
	if err != nil {
		return nil, err
	}
	descriptors, err := raiseDescriptors()
	if err != nil {
		return nil, err
	}
	if err := process.Pin(&at.rig); err != nil {
		return nil, err
	}
	runtime.GOMAXPROCS(2) // on the one core: the pump holds one of them
	debug.SetGCPercent(-1)
	r := &rig{at: at, bin: bin, idle: min(idleAllocations, descriptors/5)}
	if r.planes, err = knowsPlanes(ctx, bin); err != nil {
		return nil, err
	}
	if r.path, err = natlab.NewPath(ctx); err != nil {
		return nil, err
	}
	sides := r.path.Server().Addrs()
	r.client = place{host: r.path.Client(), second: 61, server: sides[0], serverLink: "eth0"}
	r.peer = place{host: r.path.Peer(), second: 62, server: sides[1], serverLink: "eth1"}
	return r, nil
}

// close removes the hosts, and ends whatever runs there.
func (r *rig) close(ctx context.Context) error { return r.path.Close(ctx) }

// knowsPlanes tells whether the program has the setting for data planes.
func knowsPlanes(ctx context.Context, bin string) (bool, error) {
	settings, err := exec.CommandContext(ctx, bin, "config").Output()
	if err != nil {
		return false, fmt.Errorf("%s config: %w", bin, err)
	}
	return bytes.Contains(settings, []byte("TURN_DATAPLANE")), nil
}

// outcome is what a load came to.
type outcome struct {
	spent          usage
	others         time.Duration // what other programs used meanwhile
	sent, received int
	took           []time.Duration // by the probes, sorted
}

// maxOthers is how much of a core other programs may use while a load runs. If
// it was more, the load is played again, as often as maxRepeats.
const (
	maxOthers  = 0.04
	maxRepeats = 2
)

// disturbed tells whether others used too much.
func (o outcome) disturbed() bool {
	return o.others.Seconds() > maxOthers*o.spent.at.Seconds()
}

// play plays a load over flows, after a moment of the same that is not looked
// at.
func (r *rig) play(ctx context.Context, s *server, f *flows, l load) (outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, l.length+loadTimeout)
	defer cancel()
	runtime.GC()
	if err := r.pumpFor(f, l, warmUp).play(ctx, warmUp); err != nil && !errors.Is(err, errSlow) {
		return outcome{}, err
	}
	p := r.pumpFor(f, l, l.length)
	others, err := othersTime(s.pid, os.Getpid())
	if err != nil {
		return outcome{}, err
	}
	o, err := r.measure(ctx, s, p, l.length)
	if err != nil {
		return o, err
	}
	after, err := othersTime(s.pid, os.Getpid())
	o.others = after - others
	return o, err
}

// measure plays a load and looks what was spent meanwhile.
func (r *rig) measure(ctx context.Context, s *server, p *pump, length time.Duration) (outcome, error) {
	dropped, err := p.dropped()
	if err != nil {
		return outcome{}, err
	}
	before, err := r.at.usageNow(s.pid)
	if err != nil {
		return outcome{}, err
	}
	if err := p.play(ctx, length); err != nil {
		return outcome{}, err
	}
	after, err := r.at.usageNow(s.pid)
	if err != nil {
		return outcome{}, err
	}
	if n, err := p.dropped(); err != nil {
		return outcome{}, err
	} else if n > dropped {
		return outcome{}, fmt.Errorf("%w: the receivers had no room for %d packets", errSlow, n-dropped)
	}
	o := outcome{spent: after.since(before), received: p.received()}
	for _, w := range p.ways {
		o.sent += w.lane.sent()
		if w.probe != nil {
			o.took = append(o.took, w.probe.took...)
		}
	}
	if o.received == 0 {
		return o, fmt.Errorf("nothing of %d packets has arrived", o.sent)
	}
	slices.Sort(o.took)
	return o, nil
}

// pumpFor is a generator for a load of a length.
func (r *rig) pumpFor(f *flows, l load, length time.Duration) *pump {
	p := &pump{seed: r.lanes}
	add := func(from, to end, via *probe) {
		r.lanes++
		rate := l.rate / float64(len(l.ways))
		w := &way{from: from, to: to, rate: rate, lane: newLane(r.lanes, l.size, l.burst, flowCount, due(rate, length, l.burst))}
		if via != nil {
			via.start(r.lanes, l.size, int(length/(ticksAProbe*tick))+1)
			w.probe = via
		}
		p.ways = append(p.ways, w)
	}
	for _, direction := range l.ways {
		if direction == upwards {
			add(f.client, f.peer, f.up)
		} else {
			add(f.peer, f.client, f.down)
		}
	}
	return p
}

// percentile of sorted durations: the least that is not exceeded by so many
// hundredths of them.
func percentile(sorted []time.Duration, hundredths int) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[max(0, (len(sorted)*hundredths+99)/100-1)]
}
