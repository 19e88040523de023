package turnsvc

import (
	"maps"
	"net/netip"
	"slices"
)

const (
	// maxHolders bounds the processes of this server whose allocations are counted.
	maxHolders = 64
	// maxHoldings bounds the users and the sources that are counted of each.
	maxHoldings = 1 << 18
)

// Holdings are how many allocations there are, in all and by user and source.
type Holdings struct {
	All     int
	Users   map[string]int
	Sources map[netip.Prefix]int
}

// Holdings are those of this process.
func (s *Server) Holdings() Holdings {
	q := s.quota
	q.mu.Lock()
	defer q.mu.Unlock()
	return Holdings{All: q.all, Users: maps.Clone(q.users), Sources: maps.Clone(q.sources)}
}

// HeldBy tells what another process of this server holds, an older or a newer one:
// MaxAllocations, MaxPerUser and MaxPerAddr bound the sum. Of users and sources it
// tells what has changed, or all of it; 0 is one that holds nothing any more.
func (s *Server) HeldBy(process string, h Holdings, whole bool) {
	s.quota.heldBy(process, h, whole)
}

// HeldOnlyBy forgets the processes that are not among those that live.
func (s *Server) HeldOnlyBy(processes []string) {
	s.budget.onlyBy(processes)
	q := s.quota
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.others == nil {
		return
	}
	maps.DeleteFunc(q.others.by, func(p string, _ *Holdings) bool { return !slices.Contains(processes, p) })
	if len(q.others.by) == 0 {
		q.others = nil
	}
}

// held are the Holdings of all, those of this process by its name.
func (q *quota) held(self string) map[string]Holdings {
	q.mu.Lock()
	defer q.mu.Unlock()
	all := map[string]Holdings{self: {All: q.all, Users: maps.Clone(q.users), Sources: maps.Clone(q.sources)}}
	if q.others != nil {
		for process, h := range q.others.by {
			all[process] = Holdings{All: h.All, Users: maps.Clone(h.Users), Sources: maps.Clone(h.Sources)}
		}
	}
	return all
}

func (q *quota) heldBy(process string, h Holdings, whole bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.others == nil {
		q.others = &others{by: map[string]*Holdings{}}
	}
	known := q.others.by[process]
	if known == nil && len(q.others.by) == maxHolders {
		return
	}
	if known == nil || whole {
		known = &Holdings{Users: map[string]int{}, Sources: map[netip.Prefix]int{}}
		q.others.by[process] = known
	}
	known.All = max(h.All, 0)
	note(known.Users, h.Users)
	note(known.Sources, h.Sources)
}

// note takes changes over.
func note[K comparable](known, changes map[K]int) {
	for key, n := range changes {
		if n <= 0 {
			delete(known, key)
		} else if _, again := known[key]; again || len(known) < maxHoldings {
			known[key] = n
		}
	}
}

// others are what other processes hold. On nil its methods count nothing.
type others struct{ by map[string]*Holdings }

func (o *others) total() (n int) {
	if o != nil {
		for _, h := range o.by {
			n += h.All
		}
	}
	return n
}

func (o *others) of(user string, source netip.Prefix) (ofUser, ofSource int) {
	for _, h := range o.by {
		ofUser += h.Users[user]
		ofSource += h.Sources[source]
	}
	return ofUser, ofSource
}
