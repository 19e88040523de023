package turnsvc

import (
	"net/netip"
	"sync/atomic"

	"github.com/wasmp2pchat/wasmp2pchat/internal/arrivals"
	"github.com/wasmp2pchat/wasmp2pchat/turnsvc/dataplane"
)

// PortUse is how many relay ports there are, and how many of them are bound: for
// allocations, and for reservations until somebody comes for them.
type PortUse struct{ Size, Taken int }

// Stats is a snapshot of what the server did. Allocations, what is of the
// budget or a limit, and what says "now" are gauges, the others only grow.
type Stats struct {
	Allocations      int    // live now
	AllocationsLimit int    // MaxAllocations
	AllocationsTotal uint64 // made since the start
	Connections      int    // over TCP and TLS, now

	Introduced uint64 // sides of rooms that were told of their partner: Introduce

	// AuthBySecret counts the requests that were signed rightly, by which of the
	// secrets, the newest first; those after the last are counted with it. When one
	// grows no more, nobody has a credential of that secret.
	AuthBySecret  [CountedSecrets]uint64
	AuthFailures  uint64 // requests with a credential that is wrong, expired or another user's
	RefusedQuota  uint64 // Allocate over a limit, or while draining
	RefusedBudget uint64 // Allocate after MonthlyBudget was spent
	RefusedPorts  uint64 // Allocate with no relay port left, which is 508
	RefusedPeer   uint64 // permissions and datagrams for peers that are out of bounds
	Silenced      uint64 // requests of strangers that were over their budget, and not answered
	RefusedFrames uint64 // datagrams and connections that were not STUN or TURN, or connections over a limit
	// HandedOn counts the datagrams of clients whom older processes of this server keep,
	// and HandedOnLost those of them for which such a process had no time.
	HandedOn, HandedOnLost uint64
	// Refused counts the error answers by code (RFC 8656 §19, RFC 8489 §14.8): 401
	// and 438 belong to the ordinary course of things. Every code that we answer
	// with is there from the start.
	Refused map[int]uint64

	PortsIPv4, PortsIPv6 PortUse // now; of a family without a public address zero
	URLsWithheld         int     // URLs that clients are not told now, because they were not reached

	DroppedBitrate uint64 // datagrams over MaxBitrate, or over a quarter of it when the budget runs out
	BudgetSpent    int64  // bytes of MonthlyBudget that this month has cost until now
	BudgetAway     int64  // bytes of it that other servers of a fleet have, as far as is known
	BudgetLimit    int64  // MonthlyBudget; 0: none
	BudgetUnsaved  uint64 // times that BudgetFile could not be written

	// What the relay sockets carried. In is from peers to clients, Out from
	// clients to peers; bytes are those of the UDP payload.
	RelayedBytesIn, RelayedBytesOut     uint64
	RelayedPacketsIn, RelayedPacketsOut uint64
	// Carried is the same by data plane: what user space has carried and, if there
	// is one, the kernel.
	Carried map[DataPlane]Carried
}

// Carried is what a data plane has carried.
type Carried struct{ In, Out dataplane.Traffic }

// CountedSecrets is how many secrets are told apart by Stats.
const CountedSecrets = 4

// counters are the living form of Stats.
type counters struct {
	made, auth, quota, ports, peers, frames atomic.Uint64
	silenced, budget, bitrate, unsaved      atomic.Uint64
	introduced                              atomic.Uint64
	secrets                                 [CountedSecrets]atomic.Uint64
	refused                                 refusals
	spent                                   atomic.Int64 // bytes of this month, when there is a budget
	user, kernel                            bothWays
}

// bothWays counts what a plane carries.
type bothWays struct{ in, out traffic }

// traffic is the living form of dataplane.Traffic.
type traffic struct{ packets, bytes atomic.Uint64 }

func (t *traffic) add(n int) {
	t.packets.Add(1)
	t.bytes.Add(uint64(n))
}

func (t *traffic) load() dataplane.Traffic {
	return dataplane.Traffic{Packets: t.packets.Load(), Bytes: t.bytes.Load()}
}

// note adds what was carried.
func (b *bothWays) note(in, out dataplane.Traffic) {
	b.in.packets.Add(in.Packets)
	b.in.bytes.Add(in.Bytes)
	b.out.packets.Add(out.Packets)
	b.out.bytes.Add(out.Bytes)
}

func (b *bothWays) load() Carried { return Carried{In: b.in.load(), Out: b.out.load()} }

// carried is what each plane has carried.
func (s *Server) carried() (by map[DataPlane]Carried, in, out dataplane.Traffic) {
	by = map[DataPlane]Carried{s.userSpace: s.count.user.load()}
	if s.kernel != nil {
		by[PlaneEBPF] = s.count.kernel.load()
	}
	for _, c := range by {
		in, out = in.Plus(c.In), out.Plus(c.Out)
	}
	return by, in, out
}

// InUse is how many allocations live now, and how many of them count for a client
// address (Config.MaxPerAddr). It costs less than Stats.
func (s *Server) InUse(client netip.Addr) (all, ofAddr int) {
	return s.quota.inUse(arrivals.Source(client))
}

// Capacity is how many allocations there may be, in all and for one client address.
func (s *Server) Capacity() (all, perAddr int) { return s.quota.limits() }

// PerMember is how many allocations there may be for one user and for one client
// address.
func (s *Server) PerMember() (perUser, perAddr int) { return s.quota.perMember() }

// Stats is what the server did until now.
func (s *Server) Stats() Stats {
	c := &s.count
	carried, in, out := s.carried()
	var bySecret [CountedSecrets]uint64
	for i := range bySecret {
		bySecret[i] = c.secrets[i].Load()
	}
	all, _ := s.Capacity()
	handedOn, lost := s.handed()
	return Stats{
		Allocations:      s.quota.count(),
		AllocationsLimit: all,
		AllocationsTotal: c.made.Load(),
		Connections:      s.crowd.Len(),
		Introduced:       c.introduced.Load(),

		AuthBySecret:  bySecret,
		AuthFailures:  c.auth.Load(),
		RefusedQuota:  c.quota.Load(),
		RefusedBudget: c.budget.Load(),
		RefusedPorts:  c.ports.Load(),
		RefusedPeer:   c.peers.Load(),
		Silenced:      c.silenced.Load(),
		RefusedFrames: c.frames.Load(),
		HandedOn:      handedOn,
		HandedOnLost:  lost,
		Refused:       c.refused.snapshot(),

		PortsIPv4:    s.homes.ports(family4),
		PortsIPv6:    s.homes.ports(family6),
		URLsWithheld: int(s.offer.withheld.Load()),

		DroppedBitrate: c.bitrate.Load(),
		BudgetSpent:    c.spent.Load(),
		BudgetAway:     s.budget.elsewhere.Load(),
		BudgetLimit:    s.budget.limit.Load(),
		BudgetUnsaved:  c.unsaved.Load(),

		RelayedBytesIn:    in.Bytes,
		RelayedBytesOut:   out.Bytes,
		RelayedPacketsIn:  in.Packets,
		RelayedPacketsOut: out.Packets,
		Carried:           carried,
	}
}

// BudgetIsSpent reports that MonthlyBudget lets no new allocation in.
func (s *Server) BudgetIsSpent() bool { return !s.budget.admits() }
