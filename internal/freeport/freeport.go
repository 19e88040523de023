// Package freeport picks ports for servers that tests and benchmarks start, and
// start again.
//
// A port that the system picks, by listening on port 0, is one that it gives to
// whoever opens a connection next: a server that has ended, or has not yet begun,
// may find it taken. The ports here lie below those that systems give away by
// themselves (RFC 6335 §6; on Linux net.ipv4.ip_local_port_range, from 32768 on).
package freeport

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"strconv"
)

// The ports: the one 10,000 above each, where a node of a Redis cluster has its
// bus, is none that systems give away either.
const (
	first = 10_000
	last  = 22_767
)

// tries bounds how many ports are looked at.
const tries = 100

var errNone = errors.New("freeport: no port from " + strconv.Itoa(first) + " to " + strconv.Itoa(last) + " is free")

// Find is a port that nobody has on any address of this machine, neither of TCP nor
// of UDP. It is not kept: two who ask at once hardly get the same one, of 12,768. The
// error says that none was found.
func Find(ctx context.Context) (int, error) {
	for range tries {
		port := first + rand.IntN(last-first+1) //nolint:gosec // nobody guesses it
		if isFree(ctx, port) {
			return port, nil
		}
	}
	return 0, errNone
}

func isFree(ctx context.Context, port int) bool {
	addr := ":" + strconv.Itoa(port)
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return false
	}
	_ = l.Close()
	conn, err := new(net.ListenConfig).ListenPacket(ctx, "udp", addr)
	if err != nil {
		return false
	}
	_ = conn.Close()
	return true
}
