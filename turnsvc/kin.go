package turnsvc

import (
	"net/netip"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/turnsvc/gate"
)

// Kin are the other processes of this server, which it has taken over from or which
// have taken over from it. What is asked of one server about rooms and users is done at
// all. The methods must not wait. Package relays has one.
type Kin interface {
	EndRoom(room string)
	EndUser(owner string)
	EndFrom(network netip.Prefix)
	Introduce(room, side string, partner netip.Addr)
	Join(room, to string)
}

// noKin is a server that is alone.
type noKin struct{}

func (noKin) EndRoom(string)                       {}
func (noKin) EndUser(string)                       {}
func (noKin) EndFrom(netip.Prefix)                 {}
func (noKin) Introduce(string, string, netip.Addr) {}
func (noKin) Join(string, string)                  {}

// Here is this process alone: what Kin were asked elsewhere is to be done here, too.
func (s *Server) Here() Kin { return here{s} }

type here struct{ *Server }

// EndRoom ends the relay of a room: its allocations are closed before EndRoom
// returns, and its credentials open nothing any more. At Config.Kin it ends soon.
func (s *Server) EndRoom(room string) {
	s.Here().EndRoom(room)
	s.cfg.Kin.EndRoom(room)
}

// EndUser does the same for one user: a side of a room as "<room>.<side>", or
// the claims of a plain credential.
func (s *Server) EndUser(owner string) {
	s.Here().EndUser(owner)
	s.cfg.Kin.EndUser(owner)
}

// EndFrom ends all that clients from a network hold, and their credentials. It
// returns how many allocations of this process that were.
func (s *Server) EndFrom(network netip.Prefix) (ended int) {
	ended = here{s}.endFrom(network)
	s.cfg.Kin.EndFrom(network)
	return ended
}

// keptIdle is for how long after Retire connections that hold nothing are kept: a
// client may be about to allocate.
const keptIdle = gate.IdleTimeout

// Kept is how much a retired server still has: allocations, and for a minute
// connections.
func (s *Server) Kept() int {
	kept := s.quota.count()
	if at := s.retired.Load(); at != nil && time.Since(*at) < keptIdle {
		kept += s.crowd.Len() + s.crowdUDP.Len()
	}
	return kept
}
