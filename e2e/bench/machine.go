//go:build linux

package main

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// cores are where things run: the server alone on one.
type cores struct{ server, client unix.CPUSet }

// twoCores takes two of those that this process may use: the first for the
// server, the second for the clients.
func twoCores() (cores, error) {
	var all unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		return cores{}, fmt.Errorf("ask for the cores: %w", err)
	}
	var found []int
	for cpu := 0; cpu < 1024 && len(found) < 2; cpu++ {
		if all.IsSet(cpu) {
			found = append(found, cpu)
		}
	}
	if len(found) < 2 {
		return cores{}, errors.New("want two cores: one for the server, one for the clients")
	}
	var c cores
	c.server.Set(found[0])
	c.client.Set(found[1])
	return c, nil
}

// descriptors is how many this process, and each that it starts, may have.
func descriptors() int {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) != nil {
		return 0
	}
	return int(min(limit.Max, 1<<30))
}
