package relays

import (
	"slices"
	"time"
)

const (
	// maxLinks bounds the rooms of which it is known that they have to do with other
	// nodes; with more, the oldest are forgotten: their end is not told, and what their
	// members hold elsewhere is not reached.
	maxLinks = 1 << 16
	// keepHome is how long that is known where the room is kept: so long an allocation
	// can live.
	keepHome = 24 * time.Hour
	// keepAway is how long it is known elsewhere after members of it held something.
	keepAway = time.Hour
)

// A link is the other nodes that members of a room are at, or may be.
type link struct {
	nodes []string  // maxNodes at most
	relay string    // that both were sent to; empty: nobody was yet
	until time.Time // then it is forgotten
	told  time.Time // when what members hold here was last told
}

// add notes nodes, and returns those that are new.
func (l *link) add(nodes ...string) (fresh []string) {
	for _, node := range nodes {
		if node != "" && len(l.nodes) < maxNodes && !slices.Contains(l.nodes, node) {
			l.nodes = append(l.nodes, node)
			fresh = append(fresh, node)
		}
	}
	return fresh
}

// linkOf is the link of a room, nil if there is none. f.mu is held.
func (f *Fleet) linkOf(room string) *link {
	l, _ := f.links.Find(room, time.Now())
	return l
}

// linkFor is the link of a room, which is kept for so long at least. f.mu is held.
func (f *Fleet) linkFor(room string, long time.Duration) *link {
	now := time.Now()
	l, known := f.links.Find(room, now)
	if !known {
		l = &link{told: now}
	}
	l.until = later(l.until, now.Add(long))
	f.links.Keep(room, l, now, l.until)
	return l
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// takeLink is the link of a room, for the last time; nil if there is none.
func (f *Fleet) takeLink(room string) *link {
	f.mu.Lock()
	defer f.mu.Unlock()
	l := f.linkOf(room)
	f.links.Drop(room)
	f.given.Drop(room)
	return l
}
