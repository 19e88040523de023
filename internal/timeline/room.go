package timeline

import (
	"hash/maphash"
	"math"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// roomState is how far a room has come.
//
//	          matched            registered
//	warm ───────────▶ promised ──────────────▶ open ──▶ over
//	  │ stale, unused     │ nobody comes                 ▲
//	  ▼                   ╰──────────────────────────────╯
//	forgotten
type roomState uint8

const (
	warm     roomState = iota // somebody who waits has made an allocation for it
	promised                  // there was a match
	open                      // somebody has registered
	over
)

// room is what is known of one room. It is guarded by the mutex of its shard.
type room struct {
	name    string
	began   int64  // Unix ms
	last    uint32 // ms after that: when something happened last
	end     uint32 // the same, of its end; if it is over
	users   [2]uint32
	state   roomState
	swapped bool  // the first seat in signaling is b's
	verdict uint8 // a place in wire.Verdicts, once counted
	counted bool
	dropped uint16 // events that were one too many
	records []record
	first   [firstRecords]record // the first of them, so that a match is one piece of memory

	prev, next *room // in a list
}

// What a room costs beside the records that do not fit into it: the struct, its
// name and its place in the map.
const roomBytes = 224

// recordBytes is the size of a record.
const recordBytes = 16

// bytes is what the room costs.
func (rm *room) bytes() int {
	if cap(rm.records) <= firstRecords {
		return roomBytes
	}
	return roomBytes + recordBytes*cap(rm.records)
}

// after is a time as the room counts it.
func (rm *room) after(now time.Time) uint32 {
	return uint32(min(max(0, now.UnixMilli()-rm.began), math.MaxUint32))
}

// side is whom an event is about, as the match has it: 0 for nobody.
func (rm *room) side(e *Event) uint8 {
	side := uint8(0)
	switch e.Side {
	case wire.SideA:
		side = 1
	case wire.SideB:
		side = 2
	default:
		return 0
	}
	if e.Seat && rm.swapped {
		side = sides + 1 - side
	}
	return side
}

// meet keeps who is on which side, by the hash of what he is called.
func (rm *room) meet(e *Event, seed maphash.Seed) {
	if e.User == "" || e.Side == "" {
		return
	}
	user := uint32(maphash.String(seed, e.User)) | 1 // 0 is nobody
	mine, other := 0, 1
	if e.Side == wire.SideB {
		mine, other = 1, 0
	}
	switch e.Kind {
	case Matched:
		rm.users[mine] = user
	case Registered:
		rm.swapped = rm.swapped || rm.users[other] == user && rm.users[mine] != user
	default:
	}
}

// folds tells whether events of a kind are counted and not listed one by one.
func folds(k Kind) bool {
	switch k {
	case Candidate, Hidden, Allocated, Refused, Forbidden, Deallocated, Fault, Gathered, Connected, Offered, Answered:
		return true
	default:
		return false
	}
}

// again counts a record that is like one that was kept, if it is of a kind that is
// counted; false: it is not. When that was does not matter, so that nobody need
// look at the clock, which takes longer than all the rest.
func (rm *room) again(r *record) bool {
	if !folds(r.kind) {
		return false
	}
	for i := range rm.records {
		if old := &rm.records[i]; old.same(r) {
			old.count = clip16(int(old.count) + int(r.count))
			return true
		}
	}
	return false
}

// add keeps a record, unless there are too many.
func (rm *room) add(r record, most int) {
	rm.last = max(rm.last, r.after)
	if rm.again(&r) {
		return
	}
	if len(rm.records) >= most {
		rm.dropped = clip16(int(rm.dropped) + 1)
		return
	}
	rm.records = append(rm.grown(most), r)
}

// grown is the records with room for one more: a match alone needs two, and a
// whole chat about twenty.
func (rm *room) grown(most int) []record {
	if len(rm.records) < cap(rm.records) {
		return rm.records
	}
	if rm.records == nil {
		return rm.first[:0:min(firstRecords, most)]
	}
	grown := make([]record, len(rm.records), min(len(rm.records)*3, most))
	copy(grown, rm.records)
	return grown
}

// firstRecords is for how many events there is room at first.
const firstRecords = 4
