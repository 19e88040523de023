//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// How the generator works. Packets leave in clumps, as those of many people
// come out of a network card that interrupts every 100 µs. Nobody waits at a
// socket: what has arrived is fetched every millisecond, so that no wake-up of
// a receiver, who would be another machine, is on the server's bill.
const (
	tick         = 100 * time.Microsecond
	ticksAFetch  = 10
	ticksAProbe  = 10
	silence      = 50 * time.Millisecond // nothing arrives for so long: nothing will
	drainTimeout = 400 * time.Millisecond
	maxLate      = 0.02 // of the time: a load that takes longer says nothing
)

// errSlow says that the rig was the bottleneck.
var errSlow = errors.New("the generator did not keep up")

// way is a direction of a load.
type way struct {
	from, to end
	lane     *lane
	probe    *probe  // nil: none
	rate     float64 // packets a second
}

// pump plays a load: it sends what is due, tick by tick, and fetches what has
// arrived, all on one thread.
type pump struct {
	ways []*way
	took time.Duration // of the sending
	seed uint32
}

// play sends for so long, and waits until nothing comes any more.
func (p *pump) play(ctx context.Context, length time.Duration) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("set the timer slack: %w", err)
	}
	start := monotonic()
	for n := 0; ; n++ {
		waitUntil(start + time.Duration(n)*tick)
		now := min(monotonic()-start, length)
		if err := p.send(now, n%ticksAProbe == 0); err != nil {
			return err
		}
		if n%ticksAFetch == 0 {
			if err := errors.Join(ctx.Err(), p.receive()); err != nil {
				return err
			}
		}
		if now == length {
			break
		}
	}
	p.took = monotonic() - start
	if err := p.drain(ctx); err != nil {
		return err
	}
	if late := (p.took - length).Seconds() / length.Seconds(); late > maxLate {
		return fmt.Errorf("%w: %.1f %% late", errSlow, 100*late)
	}
	return nil
}

// send sends what is due: all packets whose time is before now, in whole bursts,
// and somewhere among them the probe.
func (p *pump) send(now time.Duration, probe bool) error {
	for _, w := range p.ways {
		count := due(w.rate, now, w.lane.burst) - int(w.lane.next)
		count = max(0, min(count, w.lane.capacity()-int(w.lane.next)))
		before := 0
		if probe && w.probe != nil {
			before = p.random(count + 1)
			if err := w.from.send(w.lane, before); err != nil {
				return err
			}
			if err := w.probe.send(); err != nil {
				return err
			}
		}
		if err := w.from.send(w.lane, count-before); err != nil {
			return err
		}
	}
	return nil
}

// due is how many packets have left by now, in whole bursts.
func due(rate float64, now time.Duration, burst int) int {
	return int(rate*now.Seconds()/float64(burst)) * burst
}

// random is a number below n.
func (p *pump) random(n int) int {
	p.seed = p.seed*1664525 + 1013904223
	return int(uint64(p.seed) * uint64(n) >> 32)
}

// receive fetches what has arrived.
func (p *pump) receive() error {
	for _, w := range p.ways {
		if err := w.to.receive(w.lane); err != nil {
			return err
		}
		if w.lane.fault != nil {
			return w.lane.fault
		}
		if w.probe != nil {
			if err := w.probe.receive(); err != nil {
				return err
			}
		}
	}
	return nil
}

// dropped counts the packets for which the receivers had no room.
func (p *pump) dropped() (total int, err error) {
	for _, w := range p.ways {
		n, err := w.to.dropped()
		if err != nil {
			return 0, err
		}
		total += n
	}
	return total, nil
}

// received counts the packets that have arrived.
func (p *pump) received() (n int) {
	for _, w := range p.ways {
		n += w.lane.received
	}
	return n
}

// missing is how many have not.
func (p *pump) missing() (n int) {
	for _, w := range p.ways {
		n += w.lane.sent() - w.lane.received
	}
	return n
}

// drain fetches until all is here, or nothing comes any more.
func (p *pump) drain(ctx context.Context) error {
	start := monotonic()
	last, had := start, p.received()
	for now := start; now-start < drainTimeout && now-last < silence; now = monotonic() {
		waitUntil(now + ticksAFetch*tick)
		if err := errors.Join(ctx.Err(), p.receive()); err != nil {
			return err
		}
		if p.missing() == 0 {
			return nil
		}
		if n := p.received(); n > had {
			had, last = n, monotonic()
		}
	}
	return nil
}

// monotonic is CLOCK_MONOTONIC.
func monotonic() time.Duration {
	var now unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &now) // never fails
	return time.Duration(now.Nano())
}

// waitUntil sleeps until a time of that clock. Go's scheduler is not told: it
// would look after a thread that sleeps for so short a time, and use the core.
func waitUntil(when time.Duration) {
	at := unix.NsecToTimespec(int64(when))
	for {
		_, _, errno := unix.RawSyscall6(unix.SYS_CLOCK_NANOSLEEP, unix.CLOCK_MONOTONIC, unix.TIMER_ABSTIME, uintptr(unsafe.Pointer(&at)), 0, 0, 0)
		if errno != unix.EINTR {
			return
		}
	}
}
