package turnsvc

import "sync/atomic"

// Stats is a snapshot of what the server did. Allocations is a gauge, the
// others only grow.
type Stats struct {
	Allocations      int    // live now
	AllocationsTotal uint64 // made since the start

	AuthFailures  uint64 // requests with a credential that is wrong, expired or another user's
	RefusedQuota  uint64 // Allocate over a limit, or while draining
	RefusedPorts  uint64 // Allocate with no relay port left
	RefusedPeer   uint64 // permissions and datagrams for peers that are out of bounds
	RefusedFrames uint64 // datagrams and connections that were not STUN or TURN, or connections over a limit

	// What the relay sockets carried. In is from peers to clients, Out from
	// clients to peers; bytes are those of the UDP payload.
	RelayedBytesIn, RelayedBytesOut     uint64
	RelayedPacketsIn, RelayedPacketsOut uint64
}

// counters are the living form of Stats.
type counters struct {
	made, auth, quota, ports, peers, frames  atomic.Uint64
	bytesIn, bytesOut, packetsIn, packetsOut atomic.Uint64
}

// Stats is what the server did until now.
func (s *Server) Stats() Stats {
	c := &s.count
	return Stats{
		Allocations:      s.quota.count(),
		AllocationsTotal: c.made.Load(),

		AuthFailures:  c.auth.Load(),
		RefusedQuota:  c.quota.Load(),
		RefusedPorts:  c.ports.Load(),
		RefusedPeer:   c.peers.Load(),
		RefusedFrames: c.frames.Load(),

		RelayedBytesIn:    c.bytesIn.Load(),
		RelayedBytesOut:   c.bytesOut.Load(),
		RelayedPacketsIn:  c.packetsIn.Load(),
		RelayedPacketsOut: c.packetsOut.Load(),
	}
}
