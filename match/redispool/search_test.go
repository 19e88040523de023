package redispool

import (
	"fmt"
	"hash/maphash"
	"maps"
	"slices"
)

// search is a walk through all worlds that can come to be, the nearest first.
type search struct {
	walk
	seed maphash.Seed
	root world
	most int // states; more is an error

	known    map[uint64]uint32 // by the hash of a world: two in ten million worlds collide with a chance of 1 in 400,000
	from     []uint32          // of each state, where it was found from
	how      []uint16          // and by which of the steps there
	depth    int
	frontier []world
	first    uint32 // the number of frontier[0]

	calm   []uint32 // where calm steps lead, state after state
	ends   []uint32 // of each state, where its calm steps end in calm
	others []hop    // the other steps, and the calm ones that make ghosts
	loose  []bool   // two who fit still hope
	ghosty []bool   // somebody is alone in a room
	ghosts map[string]int

	at     uint32
	broken string // the promise that was broken, at the end of the walk
	last   uint16 // by this step of state `at`
}

func newSearch(l laws, f faults, most int) *search {
	s := &search{seed: maphash.MakeSeed(), most: most, known: map[uint64]uint32{}, ghosts: map[string]int{}}
	s.laws = l
	s.root = newWorld(f)
	return s
}

func (s *search) hash(w *world) uint64 {
	var space [256]byte
	return maphash.Bytes(s.seed, w.appendTo(space[:0]))
}

// run looks at every world. It stops at the first broken promise.
func (s *search) run() error {
	s.add(s.root, 0, 0)
	for s.at = 0; int(s.at) < len(s.from); {
		now := s.frontier
		s.frontier, s.first = nil, s.at
		for i := range now {
			s.look(&now[i])
			if s.broken != "" {
				return nil
			}
			if len(s.from) > s.most {
				return fmt.Errorf("more than %d states", s.most)
			}
			s.at++
		}
		s.depth++
	}
	s.depth--
	return nil
}

func (s *search) add(w world, from uint32, how uint16) uint32 {
	h := s.hash(&w)
	if id, ok := s.known[h]; ok {
		return id
	}
	id := uint32(len(s.from))
	s.known[h] = id
	s.from, s.how = append(s.from, from), append(s.how, how)
	s.frontier = append(s.frontier, w)
	s.loose = append(s.loose, s.isLoose(&w))
	s.ghosty = append(s.ghosty, ghost(&w, 0) || ghost(&w, 1) || ghost(&w, 2))
	return id
}

// isLoose tells whether two who fit hope in w.
func (s *search) isLoose(w *world) bool {
	hopes := func(v int8) bool { p := &w.people[v]; return p.came && !p.closed && !w.settled(v) }
	for v := range int8(visitors) {
		for u := range v {
			if hopes(v) && hopes(u) && s.laws.fit(v, u) {
				return true
			}
		}
	}
	return false
}

// look takes every step from a world.
func (s *search) look(w *world) {
	how := uint16(0)
	s.visit = func(st step, next world, broken string) {
		if s.broken != "" {
			return
		}
		if broken != "" {
			s.broken, s.last = broken, how
			return
		}
		made := s.countGhosts(w, &next)
		one, _ := next.canonical(s.laws)
		id := s.add(one, s.at, how)
		if st.calm {
			s.calm = append(s.calm, id)
		}
		if !st.calm || made > 0 {
			s.others = append(s.others, hop{s.at, id, made})
		}
		how++
	}
	s.steps(w)
	s.ends = append(s.ends, uint32(len(s.calm)))
}

// countGhosts notes what has made a ghost: somebody was told of a room to which
// the other one does not come. It returns how many there are more.
func (s *search) countGhosts(was, is *world) (made uint8) {
	for v := range int8(visitors) {
		p := &is.people[v]
		if !ghost(is, v) || p.closed || ghost(was, v) && was.people[v].room == p.room {
			continue
		}
		missing, side := p.room.a, "A"
		if missing.visitor == v {
			missing, side = p.room.b, "B"
		}
		switch {
		case missing.epoch < is.nodes[homeOf(missing.visitor)].alive:
			side += " was on a node that crashed"
		case is.people[missing.visitor].closed:
			side += " has left"
		default:
			side += " had to take it back"
		}
		s.ghosts[side]++
		made++
	}
	return made
}

// ghost tells whether v sits in a room to which the other one does not come.
func ghost(w *world, v int8) bool {
	p := &w.people[v]
	return p.in && !w.settled(v) && (p.room.a.visitor == v || !w.stands(p.room.a.visitor, p.room))
}

// calmSteps are the states that calm steps lead to from one.
func (s *search) calmSteps(id uint32) []uint32 {
	start := uint32(0)
	if id > 0 {
		start = s.ends[id-1]
	}
	return s.calm[start:s.ends[id]]
}

// lost looks for a world from which, without a further fault, not every way ends
// with everybody told who can be: where two who fit hope and nothing happens any
// more, or where calm steps can lead round in a circle. It works backwards from
// the ends, to each state whose calm steps all lead to good ones.
func (s *search) lost() (id uint32, why string, found bool) {
	n := uint32(len(s.from))
	left := make([]uint32, n)
	count := make([]uint32, n+1)
	for id := range n {
		to := s.calmSteps(id)
		left[id] = uint32(len(to))
		switch {
		case len(to) == 0 && s.loose[id]:
			return id, stuck, true
		case len(to) == 0 && s.ghosty[id]:
			return id, forsaken, true
		}
		for _, t := range to {
			count[t+1]++
		}
	}
	for i := range n {
		count[i+1] += count[i]
	}
	back := make([]uint32, len(s.calm))
	fill := slices.Clone(count)
	for id := range n {
		for _, t := range s.calmSteps(id) {
			back[fill[t]] = id
			fill[t]++
		}
	}
	var good []uint32
	for id := range n {
		if left[id] == 0 {
			good = append(good, id)
		}
	}
	for i := 0; i < len(good); i++ {
		for _, b := range back[count[good[i]]:count[good[i]+1]] {
			if left[b]--; left[b] == 0 {
				good = append(good, b)
			}
		}
	}
	if len(good) == int(n) {
		return 0, "", false
	}
	for id := range n {
		if left[id] != 0 {
			return id, round, true
		}
	}
	panic("unreachable")
}

// trace is how a state comes to be, and then the step `last`; none: maxHow.
func (s *search) trace(id uint32, last uint16) (lines []string) {
	way := []uint16{}
	if last != maxHow {
		way = append(way, last)
	}
	for ; id != 0; id = s.from[id] {
		way = append(way, s.how[id])
	}
	slices.Reverse(way)
	w, turned := s.root, false
	for _, how := range way {
		line, next := s.follow(&w, how, turned)
		lines = append(lines, line)
		one, turns := next.canonical(s.laws)
		w, turned = one, turned != turns
	}
	return lines
}

// follow is the step of that number from w, in words, and where it leads. The
// visitors of the first node have changed places if turned.
func (s *search) follow(w *world, how uint16, turned bool) (line string, next world) {
	k, n := walk{laws: s.laws}, uint16(0)
	k.visit = func(st step, then world, broken string) {
		if n == how {
			if turned {
				st = st.swapped()
			}
			if line = st.String(); broken != "" {
				line += ": " + broken
			}
			next = then
		}
		n++
	}
	k.steps(w)
	return line, next
}

const maxHow = 1<<16 - 1

// String is what the search has seen.
func (s *search) String() string {
	text := fmt.Sprintf("%d states, %d calm steps, depth %d; at most %d ghosts on one way, for %d causes",
		len(s.from), len(s.calm), s.depth, s.mostGhosts(), s.root.left.causes())
	for _, what := range slices.Sorted(maps.Keys(s.ghosts)) {
		text += fmt.Sprintf("; ghosts because %s: %d", what, s.ghosts[what])
	}
	return text
}
