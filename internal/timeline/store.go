package timeline

import (
	"hash/maphash"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/daytime"
	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// Limits bound what a Store keeps. Zero fields mean what their comment says.
type Limits struct {
	Rooms  int           // rooms, those that are over included; of more, those that ended first are forgotten; 16384
	Events int           // of one room; more are counted and dropped; 96
	Bytes  int           // of all rooms; 16 MiB
	Keep   time.Duration // for how long a room that is over is remembered; 1 h
}

func (l Limits) withDefaults() Limits {
	l.Rooms = or(l.Rooms, 1<<14)
	l.Events = or(l.Events, 96)
	l.Bytes = or(l.Bytes, 16<<20)
	l.Keep = or(l.Keep, time.Hour)
	return l
}

func or[T comparable](value, fallback T) T {
	var zero T
	if value == zero {
		return fallback
	}
	return value
}

// shards is how many parts a Store has, each with a lock of its own, and with
// its share of the Limits.
const shards = 16

// Store is the timelines of a server. Its methods may be called from any
// goroutine; Serve keeps it.
type Store struct {
	log    *slog.Logger
	clock  *daytime.Clock // its Counted: rooms end in the order of time, whoever sets the wall clock
	seed   maphash.Seed
	limits Limits // of one shard
	shards [shards]shard

	verdicts [32]atomic.Uint64 // by place in wire.Verdicts, of which there are fewer
	outcomes [outcomeCount]atomic.Uint64
}

// What is counted of what clients say of ICE: the paths, in the order of
// wire.OutcomePaths, and then
const (
	outcomeFailed = 4 + iota
	outcomeLost
	outcomeCount
)

// Stats counts what has become of rooms.
type Stats struct {
	Rooms    int               // remembered now
	Bytes    int               // that they take, about
	Verdicts map[string]uint64 // rooms that have ended, by what is said of them: every wire.Verdict but that of a room that goes on
	Outcomes map[string]uint64 // what clients say of ICE: the four paths, each time that theirs became that one, "failed" and "lost"
}

// Stats is a snapshot of what was counted.
func (s *Store) Stats() Stats {
	stats := Stats{Verdicts: map[string]uint64{}, Outcomes: map[string]uint64{}}
	for i := range s.shards {
		sh := &s.shards[i]
		sh.mu.Lock()
		stats.Rooms += len(sh.rooms)
		stats.Bytes += sh.bytes
		sh.mu.Unlock()
	}
	for i, v := range wire.Verdicts() {
		if v != wire.VerdictOpen {
			stats.Verdicts[string(v)] = s.verdicts[i].Load()
		}
	}
	for i, path := range wire.OutcomePaths() {
		stats.Outcomes[string(path)] = s.outcomes[i].Load()
	}
	stats.Outcomes[wire.OutcomeFailed] = s.outcomes[outcomeFailed].Load()
	stats.Outcomes[wire.OutcomeLost] = s.outcomes[outcomeLost].Load()
	return stats
}

// count counts what clients say of ICE.
func (s *Store) count(e *Event) {
	switch e.Kind {
	case Connected:
		s.outcomes[min(int(e.Detail), outcomeFailed-1)].Add(1)
	case Failed:
		s.outcomes[outcomeFailed].Add(1)
	case Lost:
		s.outcomes[outcomeLost].Add(1)
	default:
	}
}

// New returns an empty Store.
func New(limits Limits, log *slog.Logger) *Store {
	limits = limits.withDefaults()
	limits.Rooms = max(1, limits.Rooms/shards)
	limits.Bytes = max(roomBytes+recordBytes*limits.Events, limits.Bytes/shards)
	s := &Store{log: log, clock: daytime.New(), seed: maphash.MakeSeed(), limits: limits}
	for i := range s.shards {
		s.shards[i].rooms = map[string]*room{}
	}
	return s
}

// shard is a part of the rooms.
type shard struct {
	mu    sync.Mutex // guards the fields below; nobody is called while it is held
	rooms map[string]*room
	live  list
	ended list // in the order in which they ended
	bytes int
	_     [24]byte // so that two shards share no cache line
}

func (s *Store) shard(name string) *shard {
	return &s.shards[maphash.String(s.seed, name)%shards]
}

// begins tells in which state a room is after an event that may be its first;
// false: an event that begins none.
func begins(e *Event) (roomState, bool) {
	switch e.Kind {
	case Matched:
		return promised, true
	case Registered, Resumed, Rebuilt:
		return open, true
	case Allocated, Refused: // a wrong password may be for anybody's room
		return warm, e.Kind == Allocated || Refusal(e.Detail) != RefusedWrong
	default:
		return warm, false
	}
}

// Add notes that something happened in a room, by its name. Of a room that is
// not known only some events begin to tell: a match, a seat or an allocation. It
// never waits.
func (s *Store) Add(name string, e Event) {
	r := e.compact()
	s.count(&e)
	sh := s.shard(name)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	rm := sh.rooms[name]
	state, begun := begins(&e)
	if rm == nil {
		if !begun || name == "" {
			return
		}
		rm = sh.begin(name, s.clock.Counted(), state, s.limits)
	}
	if begun && rm.state < state {
		rm.state = state
	}
	rm.meet(&e, s.seed)
	r.side |= rm.side(&e)
	if rm.again(&r) {
		return
	}
	r.after = rm.after(s.clock.Counted())
	before := rm.bytes()
	rm.add(r, s.limits.Events)
	sh.bytes += rm.bytes() - before
	switch {
	case e.Kind == Over && rm.state != over:
		sh.finish(rm, rm.last)
	case sh.bytes > s.limits.Bytes:
		sh.shrink(rm, s)
	}
}

// Join makes what happened in the room of somebody who waited a part of the room
// in which he was met, where he is b.
func (s *Store) Join(name, to string) {
	old := s.take(name)
	if old == nil {
		return
	}
	sh := s.shard(to)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	rm := sh.rooms[to]
	if rm == nil {
		rm = sh.begin(to, time.UnixMilli(old.began), promised, s.limits)
	}
	before := rm.bytes()
	for _, r := range old.records {
		r.after = rm.after(time.UnixMilli(old.began + int64(r.after)))
		r.side = r.side&isIPv6 | 2
		rm.add(r, s.limits.Events)
	}
	sh.bytes += rm.bytes() - before
}

// Drop forgets a room in which somebody has waited, and will meet nobody.
func (s *Store) Drop(name string) { s.take(name) }

// take takes out a room that is nobody's yet.
func (s *Store) take(name string) *room {
	sh := s.shard(name)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	rm := sh.rooms[name]
	if rm == nil || rm.state != warm {
		return nil
	}
	sh.forget(rm)
	return rm
}

// Judge is what would be said of a room if it ended now; wire.VerdictUnknown of
// one that is not known.
func (s *Store) Judge(name string) wire.Verdict {
	sh := s.shard(name)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if rm := sh.rooms[name]; rm != nil {
		return judge(rm.records, true)
	}
	return wire.VerdictUnknown
}
