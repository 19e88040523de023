//go:build soak

package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wasmp2pchat/wasmp2pchat/internal/natlab"
)

// mishap is what may befall a server and those who come to it.
type mishap struct {
	name              string
	rough             bool // one at a time, and there is time to recover
	ends              bool // the process, so another one follows
	shortest, longest time.Duration
	troubles          place // that is excused while it lasts, and for settles after it
	// begin lets it happen, and returns what heals it.
	begin func(s *soak, w window) (heal func(), err error)
}

// The strength of faults.
const (
	leastLoss, mostLoss = 5, 25 // percent
	lateFrames          = 20    // percent
	lateBy              = 30 * time.Millisecond
	clockStep           = 2 * time.Hour
	spareOnes           = 3 // descriptors that a server has left when they run out
)

// soakFaults lists them. Those with nowhere to trouble are to be noticed by nobody.
func soakFaults() []mishap {
	const s = time.Second
	return []mishap{
		{"packets are lost", true, false, 3 * s, 8 * s, networkA | networkB, lossOf},
		{"packets overtake one another", true, false, 3 * s, 8 * s, networkA | networkB, reorderOf},
		{"a client is cut off", true, false, 2 * s, 8 * s, networkA | networkB, cutOf},
		{"the server is cut off", true, false, 2 * s, 8 * s, atServer | newcomers, cutServer},
		{"the server is killed", true, true, 1 * s, 5 * s, atServer | newcomers, killServer},
		{"the server is stopped", true, false, 2 * s, 8 * s, atServer | newcomers, freezeServer},
		{"the server is upgraded", true, true, 2 * s, 4 * s, nowhere, upgradeServer},
		{"no descriptors are left", true, false, 3 * s, 8 * s, newcomers, exhaustDescriptors},

		{"the clock is set forward", false, false, 5 * s, 15 * s, nowhere, stepClock(clockStep)},
		{"the clock is set back", false, false, 5 * s, 15 * s, nowhere, stepClock(-clockStep)},
		{"the disk is full", false, false, 5 * s, 20 * s, nowhere, fillDisk},
		{"SIGHUP", false, false, 0, 1 * s, nowhere, reload},
		{"garbage by UDP", false, false, 5 * s, 10 * s, nowhere, flood(garbageUDP)},
		{"garbage by TCP", false, false, 5 * s, 10 * s, nowhere, flood(garbageTCP)},
		{"garbage by WebSocket", false, false, 5 * s, 10 * s, nowhere, flood(garbageWebSocket)},
		{"some do not read", false, false, 5 * s, 10 * s, nowhere, flood(slowReaders)},
	}
}

// sideOf is the client that a fault befalls.
func sideOf(w window) natlab.Side { return natlab.Side(w.strength % 2) }

func lossOf(s *soak, w window) (func(), error) {
	percent := leastLoss + w.strength*(mostLoss-leastLoss)/99
	heal := func() { s.must(s.lab.SetLoss(s.t.Context(), sideOf(w), 0)) }
	return heal, s.lab.SetLoss(s.t.Context(), sideOf(w), percent)
}

func reorderOf(s *soak, w window) (func(), error) {
	heal := func() { s.must(s.lab.SetReorder(s.t.Context(), sideOf(w), 0, 0)) }
	return heal, s.lab.SetReorder(s.t.Context(), sideOf(w), lateFrames, lateBy)
}

func cutOf(s *soak, w window) (func(), error) {
	heal := func() { s.must(s.lab.SetLoss(s.t.Context(), sideOf(w), 0)) }
	return heal, s.lab.SetLoss(s.t.Context(), sideOf(w), 100)
}

func cutServer(s *soak, _ window) (func(), error) {
	heal := func() { s.must(s.lab.CutServer(s.t.Context(), false)) }
	return heal, s.lab.CutServer(s.t.Context(), true)
}

// killServer kills it. Whoever was talking then has his seat again soon after it has
// been started again.
func killServer(s *soak, _ window) (func(), error) {
	talked := s.ledger.now()
	s.server.kill()
	return func() {
		s.server.start()
		s.comesBack(talked)
	}, nil
}

func freezeServer(s *soak, _ window) (func(), error) {
	pid := s.server.pid()
	return func() { s.must(syscall.Kill(pid, syscall.SIGCONT)) }, syscall.Kill(pid, syscall.SIGSTOP)
}

// mostRetired is how many processes that were replaced may be there before another
// upgrade would be refused.
const mostRetired = 8

// upgradeServer lets a new process take the server over. Nobody may notice.
func upgradeServer(s *soak, _ window) (func(), error) {
	before := s.processes()
	if len(before) == 0 || len(before) > mostRetired {
		return nil, errSkipped
	}
	newest := before[len(before)-1]
	return func() {
		now := s.processes()
		if len(now) == 0 || now[len(now)-1] == newest {
			s.ledger.finds("an upgrade succeeds", "the processes were %v and are %v", before, now)
		}
	}, syscall.Kill(newest, syscall.SIGUSR2)
}

// exhaustDescriptors leaves the server those that it has and a few more.
func exhaustDescriptors(s *soak, _ window) (func(), error) {
	pid := s.server.pid()
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		return nil, err
	}
	var old unix.Rlimit
	if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, nil, &old); err != nil {
		return nil, err
	}
	few := unix.Rlimit{Cur: uint64(len(open) + spareOnes), Max: old.Max}
	heal := func() { s.must(unix.Prlimit(pid, unix.RLIMIT_NOFILE, &old, nil)) }
	return heal, unix.Prlimit(pid, unix.RLIMIT_NOFILE, &few, nil)
}

// stepClock sets the wall clock of the server, and makes sure that it went along.
func stepClock(by time.Duration) func(*soak, window) (func(), error) {
	return func(s *soak, _ window) (func(), error) {
		if !s.server.runs() || s.frozen {
			return nil, errSkipped
		}
		c, err := openClock(s.server.pid())
		if err != nil {
			return nil, err
		}
		heal := func() {
			if slices.Contains(s.processes(), c.pid) { // one that follows has another clock
				s.must(c.step(0)) // one that is stopped goes on
			}
		}
		return heal, c.step(by)
	}
}

// fillDisk leaves no byte of what STATE_DIR is on.
func fillDisk(s *soak, _ window) (func(), error) {
	name := filepath.Join(s.state, "full")
	file, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	block := make([]byte, 4096)
	for err == nil {
		_, err = file.Write(block)
	}
	if !errors.Is(err, syscall.ENOSPC) {
		return nil, err
	}
	return func() { s.must(os.Remove(name)) }, file.Close()
}

// reload is what an operator does who has changed a setting. A server that is not
// ready yet would take it as the end; and one that has few descriptors for a moment
// would make its limits fit those, until it is told to look again.
func reload(s *soak, _ window) (func(), error) {
	if s.under["no descriptors are left"] != nil || !s.server.runs() || !s.ready.now() {
		return nil, errSkipped
	}
	return nothing, syscall.Kill(s.server.pid(), syscall.SIGHUP)
}

// errSkipped is why a fault has not befallen a server: it was away, or in the midst of
// another one.
var errSkipped = errors.New("not just now")

// flood lets something come until it is healed.
func flood(send func(ctx context.Context, s *soak)) func(*soak, window) (func(), error) {
	return func(s *soak, _ window) (func(), error) {
		ctx, cancel := context.WithCancel(s.t.Context())
		over := make(chan struct{})
		go func() { // waited for when it is healed
			defer close(over)
			send(ctx, s)
		}()
		return func() {
			cancel()
			<-over
		}, nil
	}
}
