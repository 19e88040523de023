package ebpf

import (
	"encoding/binary"

	"github.com/wasmp2pchat/wasmp2pchat/turnsvc/dataplane"
)

// places are the numbers below size that nobody has. The lowest are given first,
// so that a place is used again while it is in the caches.
type places struct {
	size int
	next int   // this one and those above were never taken
	free []int // those below that were given back
}

func (p *places) take() (int, bool) {
	if n := len(p.free); n > 0 {
		place := p.free[n-1]
		p.free = p.free[:n-1]
		return place, true
	}
	if p.next == p.size {
		return 0, false
	}
	p.next++
	return p.next - 1, true
}

func (p *places) giveBack(place int) { p.free = append(p.free, place) }

// allocations have a place in buckets each, while they have a channel.
type allocations struct {
	places places
	of     map[uint64]*allocation
}

type allocation struct{ place, channels int }

// take gives the place of an allocation, upon its first channel a new one, which
// is made ready.
func (a *allocations) take(number uint64, ready func(place int) error) (int, bool) {
	if known := a.of[number]; known != nil {
		known.channels++
		return known.place, true
	}
	place, ok := a.places.take()
	if !ok {
		return 0, false
	}
	if ready(place) != nil {
		a.places.giveBack(place)
		return 0, false
	}
	a.of[number] = &allocation{place: place, channels: 1}
	return place, true
}

func (a *allocations) giveBack(number uint64) {
	known := a.of[number]
	if known.channels--; known.channels == 0 {
		a.places.giveBack(known.place)
		delete(a.of, number)
	}
}

// countBytes is the size of a count in the kernel: four numbers of 8 bytes.
const countBytes = 32

// sums reads a count. The program adds to it at the same time, one number after
// the other.
func (p *plane) sums(place int) (s legSums) {
	var b [countBytes]byte
	if _, err := p.counts.ReadAt(b[:], int64(place)*countBytes); err != nil {
		return s // not possible: the place is in the map
	}
	s.Packets, s.Bytes = binary.NativeEndian.Uint64(b[0:]), binary.NativeEndian.Uint64(b[8:])
	s.limited = binary.NativeEndian.Uint64(b[16:])
	return s
}

// addTo adds what a channel has carried.
func (c *channel) addTo(n *dataplane.Counts, out, in legSums) {
	carriedOut, carriedIn := out.Minus(c.base[0].Traffic), in.Minus(c.base[1].Traffic)
	n.Out, n.In = n.Out.Plus(carriedOut), n.In.Plus(carriedIn)
	if c.Partner.IsValid() {
		n.OutWithin, n.InWithin = n.OutWithin.Plus(carriedOut), n.InWithin.Plus(carriedIn)
	}
	n.Dropped += out.limited - c.base[0].limited + in.limited - c.base[1].limited
}

// Counts reads the memory of the kernel, without a system call.
func (p *plane) Counts() (dataplane.Counts, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := p.gone
	for _, c := range p.channels {
		c.addTo(&n, p.sums(2*c.place), p.sums(2*c.place+1))
	}
	return n, nil
}
