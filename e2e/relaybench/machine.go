//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// cores are where things run.
type cores struct {
	server, rig unix.CPUSet
	all         int // of the machine
}

// shareCores gives the server the first core that this process may use and the
// rig the second; spread gives the server both.
func shareCores(spread bool) (cores, error) {
	var may unix.CPUSet
	if err := unix.SchedGetaffinity(0, &may); err != nil {
		return cores{}, fmt.Errorf("ask for the cores: %w", err)
	}
	var found []int
	for cpu := 0; cpu < 1024 && len(found) < 2; cpu++ {
		if may.IsSet(cpu) {
			found = append(found, cpu)
		}
	}
	if len(found) < 2 {
		return cores{}, errors.New("want two cores: one for the server, one for the rig")
	}
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		return cores{}, err
	}
	c := cores{all: countCores(string(stat))}
	c.server.Set(found[0])
	c.rig.Set(found[1])
	if spread {
		c.server = may
	}
	return c, nil
}

// pinThreads puts every thread of this process on the given cores; those to
// come inherit it.
func pinThreads(set *unix.CPUSet) error {
	threads, err := filepath.Glob("/proc/self/task/*")
	if err != nil {
		return err
	}
	for _, thread := range threads {
		id, err := strconv.Atoi(filepath.Base(thread))
		if err != nil {
			return err
		}
		if err := unix.SchedSetaffinity(id, set); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("pin a thread: %w", err)
		}
	}
	return nil
}

// startOn starts a command on the given cores: it inherits those of the thread
// that forks.
func startOn(set *unix.CPUSet, cmd *exec.Cmd) error {
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // for good: the thread ends with the goroutine
		if err := unix.SchedSetaffinity(0, set); err != nil {
			started <- err
			return
		}
		started <- cmd.Start()
	}()
	return <-started
}

// wantDescriptors is enough for thousands of allocations: our program keeps
// three quarters of what it may have for other things.
const wantDescriptors = 1 << 16

// raiseDescriptors lets this process, and those that it starts, have so many if
// the machine allows it, and tells how many they may have.
func raiseDescriptors() (int, error) {
	limit := syscall.Rlimit{Cur: wantDescriptors, Max: wantDescriptors}
	if syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit) == nil { // package syscall hands it on to children
		return wantDescriptors, nil
	}
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0, fmt.Errorf("ask for the limit of descriptors: %w", err)
	}
	limit.Cur = limit.Max
	return int(min(limit.Max, wantDescriptors)), syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
}

// usage is what was spent until now.
type usage struct {
	server time.Duration // user and system time of the server's threads
	busy   time.Duration // of all cores, whatever they did
	at     time.Duration // monotonic
}

// usageNow looks; without a server it is pid 0.
func (c cores) usageNow(pid int) (usage, error) {
	u := usage{at: monotonic()}
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return u, err
	}
	idle, err := parseIdle(string(text))
	if err != nil {
		return u, err
	}
	u.busy = time.Duration(c.all)*u.at - idle
	if pid != 0 {
		u.server, err = cpuTime(pid)
	}
	return u, err
}

// since is what was spent after an earlier look.
func (u usage) since(before usage) usage {
	return usage{u.server - before.server, u.busy - before.busy, u.at - before.at}
}

// countCores is how many the machine has: a line of /proc/stat each.
func countCores(stat string) int {
	n := 0
	for line := range strings.Lines(stat) {
		if rest, ok := strings.CutPrefix(line, "cpu"); ok && rest[0] != ' ' {
			n++
		}
	}
	return n
}

// userHertz is the unit of /proc/stat: USER_HZ, which no program sees otherwise.
const userHertz = 100

// parseIdle is how long the cores had nothing to do, or were not there, because
// the host ran something else, from the first line of /proc/stat. What is left
// of the time is what they worked, softirqs included: the kernel counts the idle
// time to the microsecond, the work itself only by looking who runs at every
// tick.
func parseIdle(stat string) (time.Duration, error) {
	line, _, _ := strings.Cut(stat, "\n")
	fields := strings.Fields(line) // cpu user nice system idle iowait irq softirq steal …
	if len(fields) < 9 || fields[0] != "cpu" {
		return 0, fmt.Errorf("/proc/stat begins with %q", line)
	}
	var ticks int64
	for _, i := range []int{4, 5, 8} {
		n, err := strconv.ParseInt(fields[i], 10, 64)
		if err != nil {
			return 0, fmt.Errorf("/proc/stat: %w", err)
		}
		ticks += n
	}
	return time.Duration(ticks) * time.Second / userHertz, nil
}

// cpuTime is the user and system time of all threads of a process, to the
// nanosecond; /proc/PID/stat counts in hundredths of a second.
func cpuTime(pid int) (time.Duration, error) {
	stats, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil || len(stats) == 0 {
		return 0, fmt.Errorf("process %d tells no CPU time", pid)
	}
	var total time.Duration
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // the thread has ended
		}
		ran, err := parseSchedstat(string(text))
		if err != nil {
			return 0, err
		}
		total += ran
	}
	return total, nil
}

// parseSchedstat is how long a thread has run.
func parseSchedstat(text string) (time.Duration, error) {
	ran, _, _ := strings.Cut(text, " ")
	ns, err := strconv.ParseInt(ran, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("schedstat: %w", err)
	}
	return time.Duration(ns), nil
}

// residentBytes is VmRSS.
func residentBytes(pid int) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	return parseResident(string(text))
}

func parseResident(status string) (int64, error) {
	_, rest, _ := strings.Cut(status, "VmRSS:")
	fields := strings.Fields(rest)
	if len(fields) == 0 {
		return 0, errors.New("/proc/PID/status: no VmRSS")
	}
	kb, err := strconv.ParseInt(fields[0], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("/proc/PID/status: %w", err)
	}
	return kb << 10, nil
}
