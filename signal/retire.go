package signal

// A process that has been replaced by another one goes on with the rooms it has,
// and makes no more. Its sockets stay where they are: one that stands by, and
// registers later, is a proxy's from then on, for the room is made by the process
// that serves.

// Retire is told that another process serves from now on, and returns the ids of
// the rooms that this one goes on to keep. Any other room is made only if the Fleet
// says so from now on: who was told before that this node keeps one, and has not
// entered it yet, asks again. Should the other process fail, the Fleet says so, and
// all is as it was.
func (r *Rooms) Retire() (kept []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.term.Add(1)
	kept = make([]string, 0, len(r.rooms)+len(r.asking))
	for id, rm := range r.rooms {
		if !rm.anew() {
			kept = append(kept, id)
		}
	}
	for id := range r.asking {
		if r.vacant(id) {
			kept = append(kept, id)
		}
	}
	return kept
}

// Left is what a process that has retired still has to do: sockets that it holds,
// of rooms wherever they are kept or of none yet, and rooms with somebody in them.
func (r *Rooms) Left() (sockets, rooms int) { return r.hub.Len(), r.occupied() }

// anew tells whether a room is made anew when somebody comes. registry.mu is held.
func (rm *room) anew() bool { return rm.named && rm.over }

// vacant tells whether who comes to a room is the first in it. r.mu is held.
func (r *registry) vacant(id string) bool {
	rm := r.rooms[id]
	return rm == nil || rm.anew()
}

// makes tells whether a room that is not here may be made for a member: not if it
// was asked whose it is before Retire. One that the webhook is asked about is kept
// as if it were there. r.mu is held.
func (r *registry) makes(id string, m *member) bool {
	return m.term == r.term.Load() || r.asking[id] > 0
}

// keeps tells whether a room is here. One that an application has named, and that
// is over, may be opened anew by another process than one that has retired.
func (r *registry) keeps(id string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.asking[id] > 0 || !r.vacant(id) || r.rooms[id] != nil && r.term.Load() == 0
}

// reserve keeps a room while the webhook is asked about a member of it; false if it
// is not ours to make.
func (r *registry) reserve(m *member, id string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.vacant(id) && !r.makes(id, m) {
		return false
	}
	if r.asking == nil {
		r.asking = map[string]int{}
	}
	r.asking[id]++
	return true
}

// unreserve is called when the webhook's answer was followed.
func (r *registry) unreserve(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.asking[id]--; r.asking[id] == 0 {
		delete(r.asking, id)
	}
}

// Died is told by the Fleet that a node has ended: nothing more will come of it.
// What has come is handled first.
func (r *Rooms) Died(node string) {
	if r.trunks == nil {
		return
	}
	for _, l := range r.trunks.all() {
		if l.peer == node {
			l.bereave()
		}
	}
}
