package signal

import (
	"net/netip"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/arrivals"
	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// Overview is a room as the one who runs the server sees it.
type Overview struct {
	Name    string     // by which TURN and match know it: its id, if that is one of ours
	Since   time.Time  // when the first member came
	Members []Occupant // who has a seat, one or two
}

// Occupant is a member of a room.
type Occupant struct {
	Side     wire.Side
	ClientID string     // as it called itself, or as it was called
	Addr     netip.Addr // from which it came last; not valid if it has not come yet, since a restart
	Hides    bool       // no partner may find out Addr
	Away     bool       // its connection is lost, and the seat is held
}

// Names lists the rooms with somebody in them, in no order.
func (r *Rooms) Names() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	names := make([]string, 0, r.open)
	for _, rm := range r.rooms {
		if rm.occupied() {
			names = append(names, rm.alias)
		}
	}
	return names
}

// Describe tells of those of the rooms that still have somebody in them. It looks
// at every room once, however many are asked for.
func (r *Rooms) Describe(names []string) map[string]Overview {
	wanted := make(map[string]Overview, len(names))
	for _, name := range names {
		wanted[name] = Overview{}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, rm := range r.rooms {
		if _, asked := wanted[rm.alias]; asked && rm.occupied() {
			wanted[rm.alias] = rm.overview()
		}
	}
	for name, seen := range wanted {
		if seen.Members == nil {
			delete(wanted, name)
		}
	}
	return wanted
}

// overview describes a room. registry.mu is held.
func (rm *room) overview() Overview {
	o := Overview{Name: rm.alias, Since: time.UnixMilli(rm.made)}
	for i := range rm.seats {
		if s := &rm.seats[i]; s.state.occupied() {
			o.Members = append(o.Members, Occupant{Side: s.side, ClientID: s.ClientID, Addr: s.addr, Hides: s.hidden, Away: s.state == away})
		}
	}
	return o
}

// End ends a room at once, by the name that Names has for it: its members are
// told, as if the other one had left, and so is Config.Ended. Nobody enters it any
// more, not even one who has not come yet, if the name is an id that admits. It
// tells whether somebody was there.
func (r *Rooms) End(name string) (found bool) {
	expires, err := r.cfg.Admit(name)
	if err != nil {
		expires = time.Time{}
	}
	told, found := r.endNamed(name, expires)
	for _, n := range told {
		r.tell(n)
	}
	return found
}

// EndFrom ends every room in which somebody sits who came from a network, and
// returns their names.
func (r *Rooms) EndFrom(network netip.Prefix) (names []string) {
	told, names := r.endThose(func(rm *room) bool {
		for i := range rm.seats {
			if s := &rm.seats[i]; s.state.occupied() && arrivals.Source(s.addr).Overlaps(network) {
				return true
			}
		}
		return false
	})
	for _, n := range told {
		r.tell(n)
	}
	return names
}

// endNamed ends the room of a name. One that an id admits to until a time, and
// that nobody has entered, is over before it begins.
func (r *registry) endNamed(name string, expires time.Time) (told []news, found bool) {
	told, names := r.endThose(func(rm *room) bool { return rm.alias == name })
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.rooms[name] == nil && expires.After(now) && !r.closed {
		rm := r.build(admission{expires: expires}, name, now)
		r.open--
		rm.over, rm.ended, rm.stopped = true, true, true
		r.agenda.set(&rm.alarm, rm.expires)
	}
	return told, len(names) > 0
}

// endThose ends the occupied rooms for which which is true; it looks only at the
// room.
func (r *registry) endThose(which func(*room) bool) (told []news, names []string) {
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, rm := range r.rooms {
		if rm.occupied() && which(rm) {
			names = append(names, rm.alias)
			told = append(told, r.stop(rm, now)...)
		}
	}
	return told, names
}

// stop frees both seats of a room, and says what each member is told. r.mu is
// held.
func (r *registry) stop(rm *room, now time.Time) (told []news) {
	rm.over, rm.stopped = true, true
	for i := range rm.seats {
		s := &rm.seats[i]
		if !s.state.occupied() {
			continue
		}
		var n news
		switch {
		case s.state == away:
			n.gone = append(n.gone, s.visit)
		case s.greeted: // else introduce will tell him
			n.bye = s.farewell()
		}
		r.free(s, now, &n)
		told = append(told, n)
	}
	return append(told, news{ended: r.end(rm)})
}
