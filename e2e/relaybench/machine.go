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
	"syscall"

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
