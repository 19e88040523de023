//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
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
