package main

import (
	"encoding/json"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/admin"
	"github.com/wasmp2pchat/wasmp2pchat/internal/roomkey"
)

// What the process that serves asks the older ones for its operator.
const (
	toldOperatorAsks    = "operator.ask"
	toldOperatorAnswers = "operator.answer"
)

// The bounds of that.
const (
	kinAnswersWithin = time.Second // who is silent has nothing to say
	maxKinQuestions  = 16          // at once; more find nothing
)

// kinQuestion asks for a page of rooms, for one room, or for the end of what somebody
// has.
type kinQuestion struct {
	Number uint64
	After  string `json:",omitempty"` // names that follow it
	Limit  int    `json:",omitempty"` // so many at most; 0: this is not asked
	Room   string `json:",omitempty"` // by its name

	End  []string     `json:",omitempty"` // ids of rooms
	From netip.Prefix `json:",omitzero"`  // all that comes from there
}

// kinAnswer answers it.
type kinAnswer struct {
	Number      uint64
	Rooms       []kinRoom `json:",omitempty"`
	More        bool      `json:",omitempty"`
	Ended       int       `json:",omitempty"` // rooms
	Allocations int       `json:",omitempty"` // that were ended
}

// kinRoom is a room of an older process.
type kinRoom struct {
	ID   string // which admits
	Room admin.Room
}

// elders are the older processes of this server, as its operator meets them. Nil has
// none.
type elders struct {
	line kinLine

	mu    sync.Mutex // guards the fields below
	last  uint64
	asked map[uint64]chan kinAnswer
}

// kinLine is what is needed of a line.
type kinLine interface {
	Kin() []string
	Tell(node, kind string, body []byte)
	TellAll(kind string, body []byte)
	On(kind string, heard func(from string, body []byte))
}

// newElders has the questions of others answered by answer, which must not wait.
func newElders(line kinLine, answer func(*kinQuestion) kinAnswer) *elders {
	e := &elders{line: line, asked: map[uint64]chan kinAnswer{}}
	line.On(toldOperatorAsks, func(from string, body []byte) {
		var q kinQuestion
		if json.Unmarshal(body, &q) == nil {
			a := answer(&q)
			a.Number = q.Number
			line.Tell(from, toldOperatorAnswers, kinText(a))
		}
	})
	line.On(toldOperatorAnswers, func(_ string, body []byte) {
		var a kinAnswer
		if json.Unmarshal(body, &a) == nil {
			e.hear(a)
		}
	})
	return e
}

// kinText cannot fail: it is about strings, numbers and times.
func kinText(v any) []byte {
	text, _ := json.Marshal(v)
	return text
}

// hear takes an answer.
func (e *elders) hear(a kinAnswer) {
	e.mu.Lock()
	defer e.mu.Unlock()
	select {
	case e.asked[a.Number] <- a: // nil if nobody waits any more
	default:
	}
}

// ask returns what the others answer in time, each of them once.
func (e *elders) ask(q kinQuestion) (answers []kinAnswer) {
	if e == nil {
		return nil
	}
	kin := e.line.Kin()
	if len(kin) == 0 {
		return nil
	}
	heard := make(chan kinAnswer, len(kin))
	e.mu.Lock()
	if len(e.asked) == maxKinQuestions {
		e.mu.Unlock()
		return nil
	}
	e.last++
	q.Number = e.last
	e.asked[q.Number] = heard
	e.mu.Unlock()
	defer func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		delete(e.asked, q.Number)
	}()
	e.line.TellAll(toldOperatorAsks, kinText(q))
	late := time.NewTimer(kinAnswersWithin)
	defer late.Stop()
	for range kin {
		select {
		case a := <-heard:
			answers = append(answers, a)
		case <-late.C:
			return answers
		}
	}
	return answers
}

// list adds the rooms of older processes to a page.
func (e *elders) list(page []admin.Room, more bool, after string, limit int) ([]admin.Room, bool) {
	answers := e.ask(kinQuestion{After: after, Limit: limit})
	for _, a := range answers {
		more = more || a.More
		for _, r := range a.Rooms {
			page = append(page, r.Room)
		}
	}
	if len(answers) > 0 {
		slices.SortStableFunc(page, func(a, b admin.Room) int { return strings.Compare(a.ID, b.ID) })
		page = slices.CompactFunc(page, func(a, b admin.Room) bool { return a.ID == b.ID })
	}
	return page[:min(len(page), limit)], more || len(page) > limit
}

// find is a room of an older process, by its name.
func (e *elders) find(name string) (r kinRoom, found bool) {
	for _, a := range e.ask(kinQuestion{Room: name}) {
		if len(a.Rooms) > 0 {
			return a.Rooms[0], true
		}
	}
	return r, false
}

// end ends rooms in the older processes, and all that comes from a network, if there
// is one. It counts what there was.
func (e *elders) end(ids []string, from netip.Prefix) (rooms, allocations int) {
	for _, a := range e.ask(kinQuestion{End: ids, From: from}) {
		rooms += a.Ended
		allocations += a.Allocations
	}
	return rooms, allocations
}

// answerKin answers the operator of a newer process.
func (o *operator) answerKin(q *kinQuestion) (a kinAnswer) {
	switch {
	case q.Limit > 0:
		var ids []string
		ids, a.More = o.roomsAfter(q.After, q.Limit)
		a.Rooms = o.kinRooms(ids)
	case q.Room != "":
		a.Rooms = o.kinRooms([]string{o.find(q.Room)})
	default:
		a.Ended, a.Allocations = o.endHere(q.End, q.From)
	}
	return a
}

// kinRooms tells of rooms of this process.
func (o *operator) kinRooms(ids []string) []kinRoom {
	rooms := make([]kinRoom, 0, len(ids))
	for _, r := range o.describe(ids) {
		at := slices.IndexFunc(ids, func(id string) bool { return roomkey.Name(id) == r.ID })
		rooms = append(rooms, kinRoom{ID: ids[at], Room: r})
	}
	return rooms
}
