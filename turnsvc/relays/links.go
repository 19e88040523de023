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

// links are those of all rooms. Whoever uses them holds Fleet.mu.
type links struct {
	byRoom map[string]*link
	order  []string // the oldest first; also of those that were dropped, until it is their turn
}

func newLinks() links { return links{byRoom: map[string]*link{}} }

// of is the link of a room, nil if there is none.
func (l *links) of(room string) *link { return l.byRoom[room] }

// make is the link of a room, which is kept until then at least.
func (l *links) make(room string, now, until time.Time) *link {
	known := l.byRoom[room]
	if known == nil {
		l.forget(now)
		known = &link{told: now}
		l.byRoom[room] = known
		l.order = append(l.order, room)
	}
	if until.After(known.until) {
		known.until = until
	}
	return known
}

// forget makes room for one more.
func (l *links) forget(now time.Time) {
	over := max(0, len(l.order)-maxLinks+1)
	for over < len(l.order) {
		if known := l.byRoom[l.order[over]]; known != nil && now.Before(known.until) {
			break
		}
		over++
	}
	for _, room := range l.order[:over] {
		delete(l.byRoom, room)
	}
	l.order = l.order[over:]
}

// take is the link of a room, for the last time.
func (l *links) take(room string) *link {
	known := l.byRoom[room]
	delete(l.byRoom, room)
	return known
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
