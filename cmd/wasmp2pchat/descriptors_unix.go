//go:build unix

package main

import "golang.org/x/sys/unix"

// reservedDescriptors is what the process keeps for everything that is not a
// WebSocket: listeners, files, relay sockets under way.
const reservedDescriptors = 256

// maxConnections is how many WebSockets the descriptor limit allows; 0 means
// that nothing is known of a limit. Go has raised the soft limit to the hard
// one.
func maxConnections() int {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) != nil {
		return 0
	}
	const most = 1 << 30 // unlimited, in effect
	return max(1, int(min(limit.Cur, most))-reservedDescriptors)
}
