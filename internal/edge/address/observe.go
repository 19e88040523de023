package address

import (
	"net/netip"
	"slices"
	"sync"
	"time"
)

const (
	// maxVisited bounds the addresses that visitors may bring up at once.
	maxVisited = 8
	// enoughNetworks is how many networks must say the same before it counts: a
	// stranger may say anything, but is rarely in three networks.
	enoughNetworks = 3
	// visitedFor is how long what visitors say is remembered after they said it
	// last. It is also how often, at most, strangers can cause a line in the log.
	visitedFor = time.Hour
	// networkBits4 and networkBits6 are the parts of an address that one person
	// cannot choose.
	networkBits4 = 24
	networkBits6 = 48
)

// visit is an address at which visitors of several networks reached us.
type visit struct {
	at       netip.Addr
	networks int
}

// sighting is where visitors say that they reached us.
type sighting struct {
	at   netip.Addr
	from []netip.Prefix // at most enoughNetworks
	last time.Time
}

// sightings are what visitors say, few and for a while.
type sightings struct {
	mu   sync.Mutex
	list []sighting // at most maxVisited
}

// add notes that a visitor reached us at an address. When there are too many
// addresses, the one that fewest networks speak of goes, of those the oldest.
func (s *sightings) add(at, from netip.Addr, now time.Time) {
	at, ok := unicast(at)
	from = from.Unmap().WithZone("")
	if !ok || !from.IsValid() {
		return
	}
	bits := networkBits4
	if from.Is6() {
		bits = networkBits6
	}
	network, err := from.Prefix(bits)
	if err != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget(now)
	i := slices.IndexFunc(s.list, func(one sighting) bool { return one.at == at })
	if i < 0 {
		i = s.room()
		s.list[i] = sighting{at: at}
	}
	one := &s.list[i]
	one.last = now
	if len(one.from) < enoughNetworks && !slices.Contains(one.from, network) {
		one.from = append(one.from, network)
	}
}

// room is a free place in the list.
func (s *sightings) room() int {
	if len(s.list) < maxVisited {
		s.list = append(s.list, sighting{})
		return len(s.list) - 1
	}
	least := 0
	for i, one := range s.list {
		fewer := len(one.from) - len(s.list[least].from)
		if fewer < 0 || fewer == 0 && one.last.Before(s.list[least].last) {
			least = i
		}
	}
	return least
}

// forget drops what was said too long ago.
func (s *sightings) forget(now time.Time) {
	s.list = slices.DeleteFunc(s.list, func(one sighting) bool { return now.Sub(one.last) > visitedFor })
}

// count lists the addresses that enough networks speak of.
func (s *sightings) count(now time.Time) []visit {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget(now)
	var list []visit
	for _, one := range s.list {
		if len(one.from) >= enoughNetworks {
			list = append(list, visit{one.at, len(one.from)})
		}
	}
	return list
}
