package turnsvc

import (
	"fmt"
	"net/netip"

	"github.com/wasmp2pchat/wasmp2pchat/internal/arrivals"
)

// Limits are what of a Config may change while the server serves. The fields mean
// what they mean there, and have the same defaults and bounds.
type Limits struct {
	MaxAllocations, MaxPerUser, MaxPerAddr int
	MaxBitrate                             Bitrate
	MonthlyBudget                          int64
	AllowPeers, DenyPeers                  []netip.Prefix
}

// with is c with other limits.
func (c Config) with(l Limits) Config {
	c.MaxAllocations, c.MaxPerUser, c.MaxPerAddr = l.MaxAllocations, l.MaxPerUser, l.MaxPerAddr
	c.MaxBitrate, c.MonthlyBudget = l.MaxBitrate, l.MonthlyBudget
	c.AllowPeers, c.DenyPeers = l.AllowPeers, l.DenyPeers
	return c.withDefaults()
}

// streams bounds the connections over TCP and TLS.
func (c Config) streams() arrivals.Limits {
	return arrivals.Limits{Conns: c.MaxConns, ConnsPerAddr: 2 * c.MaxPerAddr}
}

// streamsUDP bounds those over DTLS.
func (c Config) streamsUDP() arrivals.Limits {
	return arrivals.Limits{Conns: min(c.MaxConns, maxDTLS), ConnsPerAddr: 2 * c.MaxPerAddr}
}

// SetLimits changes the limits while the server serves. Allocations that live go
// on, however many there may be by now, with the new bitrate; a peer that is
// denied now is reached no more. If a limit is out of bounds, or the budget's file
// cannot be read, that is an error, and nothing changes.
func (s *Server) SetLimits(l Limits) error {
	cfg := s.cfg.with(l)
	if err := cfg.validate(); err != nil {
		return fmt.Errorf("configure turn: %w", err)
	}
	if err := s.budget.setLimit(cfg.MonthlyBudget); err != nil {
		return err
	}
	s.quota.limit(cfg.MaxAllocations, cfg.MaxPerUser, cfg.MaxPerAddr)
	s.crowd.SetLimits(cfg.streams())
	s.crowdUDP.SetLimits(cfg.streamsUDP())
	s.homes.meter.bitrate.Store(int64(cfg.MaxBitrate))
	s.homes.filter.Store(newFilter(cfg.Peers, cfg.AllowPeers, cfg.DenyPeers))
	s.homes.epoch.Add(1)
	s.kernel.refresh()
	return nil
}
