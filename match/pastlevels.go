package match

import (
	"math"
	"net/netip"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/arrivals"
	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// levelKind is which of a turnstile's levels it is.
type levelKind string

const (
	levelOffers  levelKind = "offers"
	levelUsers   levelKind = "users"
	levelDevices levelKind = "devices"
	levelAddrs   levelKind = "addresses"
)

// maxHeight is more than any level has: settings differ between processes.
const maxHeight = 1 << 20

func (l *pastLevel) check() error {
	if l.At.IsZero() || !(l.Height >= 0 && l.Height <= maxHeight) {
		return errTold
	}
	switch l.Of {
	case levelUsers, levelDevices:
		if within(l.Key, max(wire.MaxUserIDBytes, wire.MaxDeviceBytes)) {
			return nil
		}
	case levelOffers, levelAddrs:
		if p, err := netip.ParsePrefix(l.Key); err == nil && p == arrivals.Source(p.Addr()) {
			return nil
		}
	}
	return errTold
}

// since is the levels that have risen at a time or later.
func (s *turnstile) since(since time.Time) (items []pastItem) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	add := func(of levelKind, key string, touched time.Time, l *level) {
		if !touched.Before(since) && l.height > 0 && now.Sub(l.at) < time.Hour {
			items = append(items, pastItem{Level: &pastLevel{of, key, math.Min(l.height, maxHeight), l.at}})
		}
	}
	s.offers.all(func(at time.Time, key netip.Prefix, l *level) { add(levelOffers, key.String(), at, l) })
	s.users.all(func(at time.Time, key string, l *level) { add(levelUsers, key, at, l) })
	s.devices.all(func(at time.Time, key string, l *level) { add(levelDevices, key, at, l) })
	s.addrs.all(func(at time.Time, key netip.Prefix, l *level) { add(levelAddrs, key.String(), at, l) })
	return items
}

// recall takes over a level, if it is the higher one by now.
func (s *turnstile) recall(l *pastLevel, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	every := s.rules.SkipEvery
	if l.Of == levelOffers {
		every = s.offerEvery
		if s.offerMost == 0 {
			return
		}
	}
	if every == 0 {
		return
	}
	theirs := level{l.Height, l.At}
	theirs.fall(now, every)
	var ours *level
	switch l.Of {
	case levelOffers:
		ours = s.offers.touch(netip.MustParsePrefix(l.Key), now)
	case levelUsers:
		ours = s.users.touch(l.Key, now)
	case levelDevices:
		ours = s.devices.touch(l.Key, now)
	case levelAddrs:
		ours = s.addrs.touch(netip.MustParsePrefix(l.Key), now)
	}
	ours.fall(now, every)
	ours.height = max(ours.height, theirs.height)
}
