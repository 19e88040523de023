package match

import (
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// readBefore is a time as it was read before the wall clock was set by step: of an
// earlier hour, if it was set forward, and as long ago. One that was not read from the
// clock of this process stays what it is.
func readBefore(t *testing.T, at time.Time, step time.Duration) time.Time {
	t.Helper()
	if !strings.Contains(at.String(), " m=") { // without a monotonic part
		return at
	}
	was := at
	*(*uint64)(unsafe.Pointer(&was)) -= uint64(step/time.Second) << 30 // as package time keeps it: seconds above nanoseconds
	if was.Sub(at) != 0 || !was.Round(0).Equal(at.Round(0).Add(-step)) {
		t.Fatal("package time keeps its times in another way")
	}
	return was
}

// setClock sets the wall clock of a process: what it has read before is of another
// time of day than what it reads from now on.
func (p *process) setClock(t *testing.T, step time.Duration) {
	t.Helper()
	memory, _ := p.lobby.pool.(*Memory)
	memory.mu.Lock()
	memory.born = readBefore(t, memory.born, step)
	memory.mu.Unlock()
	for _, v := range p.lobby.everybody() {
		v.mu.Lock()
		if v.ticket != nil {
			v.ticket.Since = readBefore(t, v.ticket.Since, step)
			v.ticket.NotBefore = readBefore(t, v.ticket.NotBefore, step)
		}
		v.mu.Unlock()
	}
	m := p.lobby.meetings
	m.mu.Lock()
	for e := m.rooms.oldest; e != nil; e = e.newer {
		e.at = readBefore(t, e.at, step)
	}
	m.mu.Unlock()
	s := p.lobby.turnstile
	s.mu.Lock()
	for _, e := range s.users.entries {
		e.at, e.value.at = readBefore(t, e.at, step), readBefore(t, e.value.at, step)
	}
	s.mu.Unlock()
}

// clockSteps are what a clock is set by; a machine that slept is one that was set
// forward.
func clockSteps() map[string]time.Duration {
	return map[string]time.Duration{"forward": 3 * time.Hour, "back": -3 * time.Hour}
}

// until returns when something is so.
func until(t *testing.T, so func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(20 * time.Second); !so(); {
		if now := <-tick.C; now.After(deadline) {
			t.Fatal("it never was so")
		}
	}
}

// heirOf starts the process after an old one, and returns when it listens to that.
func (d *dynasty) heirOf(t *testing.T, old *process) *process {
	t.Helper()
	heir := d.start(old.lobby.Estate())
	until(t, func() bool {
		d.line.mu.Lock()
		defer d.line.mu.Unlock()
		return heir.strand.heard[toldVisitor] != nil && heir.strand.heard[toldPast] != nil && len(heir.strand.watch) > 0
	})
	return heir
}

// TestAWaitIsAsLongWhereTheClockWasSet upgrades twice, and each time the clock has been
// set since the process was started: the visitor waits as long as he would have.
func TestAWaitIsAsLongWhereTheClockWasSet(t *testing.T) {
	t.Parallel()
	for name, step := range clockSteps() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dynastyOnTheClock(t, Config{PoolConfig: PoolConfig{MaxWait: time.Minute}}, func(t *testing.T, d *dynasty) {
				start := time.Now()
				a := d.asks("a")
				a.must(wire.MatchWaiting)
				for range 2 {
					d.newest().setClock(t, step)
					old := d.newest()
					heir := d.heirOf(t, old)
					old.lobby.Retire(heir.node)
					until(t, func() bool { s := heir.lobby.Stats(); return s.Waiting+int(s.Unread) > 0 })
					if n := heir.lobby.Stats().Unread; n != 0 {
						t.Fatal("the heir does not understand what it is told of him")
					}
					ticket := heir.lobby.everybody()[0].asker.Load()
					memory, _ := heir.lobby.pool.(*Memory)
					memory.mu.Lock()
					since, left := memory.now()-ticket.memory.since, ticket.memory.deadline-memory.now()
					memory.mu.Unlock()
					waited := time.Since(start)
					if since > waited || left < time.Minute-waited || left > time.Minute {
						t.Errorf("%v after he came he has waited for %v there and waits for %v more", waited, since, left)
					}
				}
				b := d.asks("b")
				d.newest().pair(t, a, b)
			})
		})
	}
}

// TestWhatHasHappenedIsToldWhereTheClockWasSet holds that who has met may report the
// other one, and that skips count, in the process after the one that knew of it.
func TestWhatHasHappenedIsToldWhereTheClockWasSet(t *testing.T) {
	t.Parallel()
	for name, step := range clockSteps() {
		for when, late := range map[string]bool{"before the estate": false, "after it": true} {
			t.Run(name+", "+when, func(t *testing.T) {
				t.Parallel()
				cfg := Config{FairUse: FairUse{SkipEvery: SkipEvery}}
				dynastyOnTheClock(t, cfg, func(t *testing.T, d *dynasty) { happensAndIsTold(t, d, step, late) })
			})
		}
	}
}

func happensAndIsTold(t *testing.T, d *dynasty, step time.Duration, late bool) {
	old := d.newest()
	var heir *process
	if late {
		heir = d.heirOf(t, old)
	}
	a := old.from("192.0.2.1").connect(t, asks("a"))
	b := old.from("192.0.2.1").connect(t, asks("b"))
	room := old.pair(t, a, b)
	for range 13 {
		old.lobby.turnstile.skip(Party{User: "skips"}, time.Now())
	}
	old.setClock(t, step)
	if !late {
		heir = d.heirOf(t, old)
	}
	old.lobby.Retire(heir.node)
	until(t, func() bool { return heir.lobby.Stats().Connected == 2 })
	a.say(reports(room, "a", wire.ReportSpam))
	a.must(wire.MatchReported)
	if wait := heir.lobby.turnstile.coolDown(Party{User: "skips"}, time.Now()); wait != waitAt(13) && wait != waitAt(14) {
		t.Errorf("the next request waits %v, want %v", wait, waitAt(14))
	}
}
