package match

import (
	"hash/maphash"
	"time"
)

// maxMet is how many pairs a Memory remembers; then the oldest is forgotten.
// They take 8 MB.
const maxMet = 1 << 17

// acquaintances remembers who has met whom, for a time.
type acquaintances struct {
	seed   maphash.Seed
	last   map[uint64]time.Duration // pair: when they last met
	diary  []encounter              // a ring, the oldest at first
	first  int
	length int
	latest time.Duration // no two encounters have the same time
}

type encounter struct {
	pair   uint64
	at     time.Duration
	before time.Duration // when they had met before, or never
}

// never is before all times.
const never = -1 << 63

func newAcquaintances() acquaintances {
	return acquaintances{seed: maphash.MakeSeed(), last: map[uint64]time.Duration{}, diary: make([]encounter, 64), latest: never}
}

// hash names a user.
func (a *acquaintances) hash(user string) uint64 { return maphash.String(a.seed, user) }

// pair names two users by their hashes. They are keyed: strangers who choose user
// ids cannot make two pairs share a name.
func (a *acquaintances) pair(x, y uint64) uint64 {
	users := [2]uint64{x, y}
	if users[0] > users[1] {
		users[0], users[1] = users[1], users[0]
	}
	return maphash.Comparable(a.seed, users)
}

// met tells whether two have met at since or later.
func (a *acquaintances) met(x, y *Ticket, since time.Duration) bool {
	if len(a.last) == 0 {
		return false
	}
	at, ever := a.last[a.pair(x.memory.user, y.memory.user)]
	return ever && at >= since
}

// note writes down that two meet now, and forgets up to two who met before
// since: so the diary shrinks faster than it grows.
func (a *acquaintances) note(x, y *Ticket, now, since time.Duration) encounter {
	return a.noteUsers(x.memory.user, y.memory.user, now, since)
}

// noteUsers is note for two users by their hashes.
func (a *acquaintances) noteUsers(x, y uint64, now, since time.Duration) encounter {
	for range 2 {
		if a.length > 0 && a.diary[a.first].at < since {
			a.forgetOldest()
		}
	}
	switch {
	case a.length == maxMet:
		a.forgetOldest()
	case a.length == len(a.diary):
		grown := make([]encounter, 2*len(a.diary))
		copy(grown[copy(grown, a.diary[a.first:]):], a.diary[:a.first])
		a.diary, a.first = grown, 0
	}
	a.latest = max(now, a.latest+1)
	met := encounter{pair: a.pair(x, y), at: a.latest, before: never}
	if before, ever := a.last[met.pair]; ever {
		met.before = before
	}
	a.diary[(a.first+a.length)%len(a.diary)] = met
	a.length++
	a.last[met.pair] = met.at
	return met
}

// takeBack undoes a note, if the two have not met since then.
func (a *acquaintances) takeBack(e encounter) {
	switch {
	case a.last[e.pair] != e.at:
	case e.before == never:
		delete(a.last, e.pair)
	default:
		a.last[e.pair] = e.before
	}
}

func (a *acquaintances) forgetOldest() {
	oldest := a.diary[a.first]
	a.first = (a.first + 1) % len(a.diary)
	a.length--
	if at, ever := a.last[oldest.pair]; ever && at <= oldest.at { // else they have met again
		delete(a.last, oldest.pair)
	}
}
