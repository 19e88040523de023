package redispool

// hop is a step from one state to another, which makes so many ghosts.
type hop struct {
	from, to uint32
	ghosts   uint8
}

// mostGhosts is how often, on the worst of all ways, somebody is told of a room to
// which the other one does not come. No way leads round: a step that is not calm uses
// up a fault or a visitor, and lost has seen that calm ones lead nowhere twice. So
// states can be taken in an order in which each comes after all that lead to it.
func (s *search) mostGhosts() (most uint8) {
	n := uint32(len(s.from))
	open := make([]uint32, n) // ways into a state that were not walked yet
	for _, to := range s.calm {
		open[to]++
	}
	first := make([]uint32, n+1) // others by where they begin: they are in order
	for _, h := range s.others {
		open[h.to]++
		first[h.from+1]++
	}
	for i := range n {
		first[i+1] += first[i]
	}
	ghosts, next := make([]uint8, n), []uint32{0}
	walked := func(to uint32, by uint8) {
		ghosts[to] = max(ghosts[to], by)
		if open[to]--; open[to] == 0 {
			next = append(next, to)
		}
	}
	for len(next) > 0 {
		at := next[len(next)-1]
		next = next[:len(next)-1]
		most = max(most, ghosts[at])
		for _, to := range s.calmSteps(at) {
			walked(to, ghosts[at])
		}
		for _, h := range s.others[first[at]:first[at+1]] {
			walked(h.to, ghosts[at]+h.ghosts)
		}
	}
	return most
}

// causes is how much may happen that can make a ghost: faults, timers that run out
// early, visitors who leave. Each makes one, at most.
func (f faults) causes() int { return int(f.any + f.slow + f.leavers) }
