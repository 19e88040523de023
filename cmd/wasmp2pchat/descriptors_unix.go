//go:build unix

package main

import "golang.org/x/sys/unix"

// descriptorLimit is how many descriptors the process may have; 0 means that
// nothing is known of a limit. Go has raised the soft limit to the hard one.
func descriptorLimit() int {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) != nil {
		return 0
	}
	const most = 1 << 30 // unlimited, in effect
	return int(min(limit.Cur, most))
}
