//go:build linux

package process

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Pin puts every thread of this process on the given cores; those to
// come inherit it.
func Pin(set *unix.CPUSet) error {
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

// Start starts a command on the given cores: it inherits those of the thread
// that forks.
func Start(set *unix.CPUSet, cmd *exec.Cmd) error {
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

// CPUTime is the user and system time of all threads of a process, to the
// nanosecond; /proc/PID/stat counts in hundredths of a second.
func CPUTime(pid int) (time.Duration, error) {
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

// ResidentBytes is VmRSS, the memory that a process has.
func ResidentBytes(pid int) (int64, error) { return status(pid, "VmRSS") }

// AnonymousBytes is RssAnon, what of it is not of a file: pages of the program, which
// the kernel may take back at any time, are not in it.
func AnonymousBytes(pid int) (int64, error) { return status(pid, "RssAnon") }

func status(pid int, name string) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	return parseStatus(string(text), name)
}

func parseStatus(status, name string) (int64, error) {
	_, rest, _ := strings.Cut(status, "\n"+name+":")
	fields := strings.Fields(rest)
	if len(fields) == 0 {
		return 0, errors.New("/proc/PID/status: no " + name)
	}
	kb, err := strconv.ParseInt(fields[0], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("/proc/PID/status: %w", err)
	}
	return kb << 10, nil
}
