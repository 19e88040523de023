package timeline

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

const (
	// settleFor is how long after its end a room is judged: the other one may
	// still have something to say.
	settleFor = 3 * time.Second
	// promiseFor is how long after the last event a room that nobody has come to
	// is over: longer than its id admits.
	promiseFor = 90 * time.Second
	// warmFor is the same for the room of somebody who waits; it was none, and is
	// not counted.
	warmFor = 15 * time.Minute
	// keepEvery is how often a Store is looked through.
	keepEvery = time.Second
	// sayEvery is how often at most it is said how many were not connected.
	sayEvery = time.Minute
)

// list is rooms, each of which is in one list.
type list struct {
	head, tail *room
	fresh      *room // the first one that was not counted yet
	length     int
}

func (l *list) push(rm *room) {
	rm.prev, rm.next = l.tail, nil
	if l.tail == nil {
		l.head = rm
	} else {
		l.tail.next = rm
	}
	l.tail = rm
	if l.fresh == nil && !rm.counted {
		l.fresh = rm
	}
	l.length++
}

func (l *list) remove(rm *room) {
	if l.fresh == rm {
		l.fresh = rm.next
	}
	if rm.prev == nil {
		l.head = rm.next
	} else {
		rm.prev.next = rm.next
	}
	if rm.next == nil {
		l.tail = rm.prev
	} else {
		rm.next.prev = rm.prev
	}
	rm.prev, rm.next = nil, nil
	l.length--
}

// begin makes a room, and forgets another one if there are too many. sh.mu is
// held.
func (sh *shard) begin(name string, now time.Time, state roomState, limits Limits) *room {
	for len(sh.rooms) >= limits.Rooms {
		sh.forget(sh.oldest())
	}
	rm := &room{name: name, began: now.UnixMilli(), state: state}
	sh.rooms[name] = rm
	sh.live.push(rm)
	sh.bytes += rm.bytes()
	return rm
}

// oldest is the room that ended first or, if none has, began first. sh.mu is
// held.
func (sh *shard) oldest() *room {
	if sh.ended.head != nil {
		return sh.ended.head
	}
	return sh.live.head
}

// finish ends a room. sh.mu is held.
func (sh *shard) finish(rm *room, end uint32) {
	sh.live.remove(rm)
	rm.state, rm.end = over, end
	sh.ended.push(rm)
}

// forget drops a room. sh.mu is held.
func (sh *shard) forget(rm *room) {
	if rm.state == over {
		sh.ended.remove(rm)
	} else {
		sh.live.remove(rm)
	}
	delete(sh.rooms, rm.name)
	sh.bytes -= rm.bytes()
}

// shrink forgets rooms until there is no more than the limit, but spares one.
// sh.mu is held.
func (sh *shard) shrink(spared *room, s *Store) {
	for sh.bytes > s.limits.Bytes {
		rm := sh.oldest()
		if rm == spared {
			return
		}
		sh.forget(rm)
	}
}

// Serve judges rooms when they have ended, and forgets them after a while,
// until ctx ends. Then those that have ended are counted, and it returns nil.
func (s *Store) Serve(ctx context.Context) error {
	tick := time.NewTicker(keepEvery)
	defer tick.Stop()
	var said time.Time
	failed := map[wire.Verdict]int{}
	for {
		select {
		case <-ctx.Done():
			s.sweep(s.clock.Counted().Add(settleFor), failed)
			return nil
		case now := <-tick.C:
			s.sweep(s.clock.Counted(), failed)
			if len(failed) > 0 && now.Sub(said) >= sayEvery {
				said = now
				s.say(failed)
				clear(failed)
			}
		}
	}
}

// say tells the operator how many were not connected, and why.
func (s *Store) say(failed map[wire.Verdict]int) {
	var attrs []any
	for _, v := range wire.Verdicts() {
		if n := failed[v]; n > 0 {
			attrs = append(attrs, slog.Int(underscored(string(v)), n))
		}
	}
	s.log.Info("rooms not connected", attrs...)
}

// judged is a room that was counted, for the log.
type judged struct {
	name    string
	verdict wire.Verdict
}

// sweep looks through the rooms: those that ended are counted, and those that
// ended long ago forgotten.
func (s *Store) sweep(now time.Time, failed map[wire.Verdict]int) {
	var news []judged
	for i := range s.shards {
		news = s.shards[i].sweep(now, s.limits.Keep, news[:0])
		for _, n := range news {
			s.verdicts[placeOf(n.verdict)].Add(1)
			if n.verdict.Failed() || n.verdict == wire.VerdictNoAnswer {
				failed[n.verdict]++
			}
			s.log.Debug("room ended", "room", wire.RoomCode(n.name), "verdict", string(n.verdict))
		}
	}
}

func (sh *shard) sweep(now time.Time, keep time.Duration, news []judged) []judged {
	ms := now.UnixMilli()
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.endStale(ms)
	for rm := sh.ended.fresh; rm != nil && ms-rm.began-int64(rm.end) >= settleFor.Milliseconds(); rm = sh.ended.fresh {
		v := judge(rm.records, true)
		rm.verdict, rm.counted = placeOf(v), true
		sh.ended.fresh = rm.next
		news = append(news, judged{rm.name, v})
	}
	for rm := sh.ended.head; rm != nil && rm.counted && ms-rm.began-int64(rm.end) >= keep.Milliseconds(); rm = sh.ended.head {
		sh.forget(rm)
	}
	return news
}

// endStale ends rooms to which nobody has come. sh.mu is held.
func (sh *shard) endStale(ms int64) {
	for rm, next := sh.live.head, (*room)(nil); rm != nil; rm = next {
		next = rm.next
		switch idle := ms - rm.began - int64(rm.last); {
		case rm.state == warm && idle >= warmFor.Milliseconds():
			sh.forget(rm)
		case rm.state == promised && idle >= promiseFor.Milliseconds():
			sh.finish(rm, uint32(ms-rm.began))
		}
	}
}

// placeOf is where a verdict is in the list.
func placeOf(v wire.Verdict) uint8 { return uint8(max(0, slices.Index(wire.Verdicts(), v))) }
