package relays

import (
	"slices"
	"time"
)

const (
	// maxGiven bounds the rooms of which it is known which relay their members were sent
	// to, and keepGiven for how long.
	maxGiven  = 1 << 16
	keepGiven = time.Hour
	// afterGoing is for how long after a relay has gone a room that comes from another
	// node, which may have gone with it, is taken for one that it was given.
	afterGoing = time.Minute
	// maxMoved bounds the rooms whose members wait to be sent to another relay; those of
	// more find out when their credentials are renewed.
	maxMoved = 1 << 14
)

// OnMove has the members of rooms sent fresh ICE servers, which Place chooses, when the
// relay that they were sent to goes or takes nobody any more. It is called by Serve's
// goroutine, and may call Place, but not within which.
func (f *Fleet) OnMove(refresh func(which func(room string) bool) int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.refresh = refresh
}

// givenTo is the relay that members of a room were sent to before; empty: to none that
// is known of. f.mu is held.
func (f *Fleet) givenTo(room string) string {
	if l := f.linkOf(room); l != nil && l.relay != "" {
		return l.relay
	}
	given, _ := f.given.Find(room, time.Now())
	return given
}

// give notes the relay that a member of a room is sent to. When it is another one than
// before the other member has to be sent there, too. f.mu is held.
func (f *Fleet) give(s Seat, relay string) {
	before, now := f.givenTo(s.Room), time.Now()
	if relay == before || s.Partner == "" && !s.Home {
		return // or of no room that anybody keeps
	}
	f.given.Keep(s.Room, relay, now, now.Add(keepGiven))
	strange := before == "" && s.Partner == "" && now.Before(f.troubled)
	if s.Home && (before != "" || strange) && len(f.moved) < maxMoved {
		f.moved[s.Room] = true
	}
}

// move sends the members of rooms elsewhere whose relay goes: it drains or has died
// since the last tick, or one of the two was sent elsewhere already.
func (f *Fleet) move() {
	nodes := f.nodes()
	going := f.going(nodes)
	f.mu.Lock()
	moved, refresh := f.moved, f.refresh
	f.moved = map[string]bool{}
	if len(going) > 0 {
		f.troubled = time.Now().Add(afterGoing)
	}
	f.mu.Unlock()
	if refresh == nil || len(going)+len(moved) == 0 {
		return
	}
	sent := refresh(func(room string) bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		return moved[room] || slices.Contains(going, f.givenTo(room))
	})
	f.cfg.Log.Debug("relays: members of rooms are sent elsewhere", "going", going, "members", sent)
}

// going are the nodes that had a relay for everybody at the last tick and have none
// now. Only Serve's goroutine asks.
func (f *Fleet) going(nodes []Node) (list []string) {
	open := map[string]bool{}
	for i := range nodes {
		if n := &nodes[i]; hasTURN(n.URLs) && !n.Draining {
			open[n.ID] = true
		}
	}
	for id := range f.open {
		if !open[id] {
			list = append(list, id)
		}
	}
	f.open = open
	return list
}
