package main

import (
	"encoding/json"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/admin"
)

// kinWire is a line to older processes that answer at once, or never.
type kinWire struct {
	on      map[string]func(from string, body []byte)
	kin     []string
	answers map[string]func(*kinQuestion) kinAnswer // of whom; nobody else says anything
	told    map[string]string                       // what was told last, to whom
}

func (w *kinWire) Kin() []string { return w.kin }

func (w *kinWire) On(kind string, heard func(string, []byte)) { w.on[kind] = heard }

func (w *kinWire) Tell(node, _ string, body []byte) { w.told[node] = string(body) }

func (w *kinWire) TellAll(_ string, body []byte) {
	for _, node := range w.kin {
		var q kinQuestion
		if err := json.Unmarshal(body, &q); err != nil {
			panic(err)
		}
		if answer := w.answers[node]; answer != nil {
			a := answer(&q)
			a.Number = q.Number
			w.on[toldOperatorAnswers](node, kinText(a))
		}
	}
}

// keeper answers for a process that keeps rooms.
func keeper(names ...string) func(*kinQuestion) kinAnswer {
	return func(q *kinQuestion) (a kinAnswer) {
		for _, name := range names {
			r := kinRoom{ID: name + ".id", Room: admin.Room{ID: name}}
			switch {
			case q.Room == name, q.Limit > len(a.Rooms) && name > q.After:
				a.Rooms = append(a.Rooms, r)
			case q.Limit > 0 && name > q.After:
				a.More = true
			case slices.Contains(q.End, r.ID), q.From.IsValid():
				a.Ended++
				a.Allocations += 2
			}
		}
		return a
	}
}

func openElders() (*elders, *kinWire) {
	w := &kinWire{on: map[string]func(string, []byte){}, answers: map[string]func(*kinQuestion) kinAnswer{}, told: map[string]string{}}
	return newElders(w, keeper("here")), w
}

// rooms are the names of rooms.
func roomNames(list []admin.Room) string {
	names := make([]string, len(list))
	for i, r := range list {
		names[i] = r.ID
	}
	return strings.Join(names, " ")
}

func TestRoomsOfOlderProcesses(t *testing.T) {
	t.Parallel()
	e, w := openElders()
	own := []admin.Room{{ID: "b"}, {ID: "e"}}
	if list, more := e.list(own, false, "", 10); roomNames(list) != "b e" || more {
		t.Errorf("list = %s, %v of a process that is alone", roomNames(list), more)
	}
	w.kin = []string{"1", "2"}
	w.answers["1"], w.answers["2"] = keeper("a", "d", "f"), keeper("c", "e")
	for _, c := range []struct {
		after string
		limit int
		want  string
		more  bool
	}{
		{"", 10, "a b c d e f", false},
		{"", 3, "a b c", true},
		{"d", 10, "b e f", false}, // what this process has was cut before
		{"e", 1, "b", true},
	} {
		list, more := e.list(slices.Clone(own), false, c.after, c.limit)
		if roomNames(list) != c.want || more != c.more {
			t.Errorf("list after %q, %d = %s, %v; want %s, %v", c.after, c.limit, roomNames(list), more, c.want, c.more)
		}
	}
	if r, found := e.find("c"); !found || r.ID != "c.id" || r.Room.ID != "c" {
		t.Errorf("find(c) = %+v, %v", r, found)
	}
	if r, found := e.find("x"); found {
		t.Errorf("find(x) = %+v", r)
	}
	if rooms, allocations := e.end([]string{"a.id", "c.id", "x.id"}, netip.Prefix{}); rooms != 2 || allocations != 4 {
		t.Errorf("end = %d, %d; want 2 and 4", rooms, allocations)
	}
	if rooms, _ := e.end(nil, netip.MustParsePrefix("192.0.2.0/24")); rooms != 5 {
		t.Errorf("end of a network = %d, want all 5", rooms)
	}
	w.on[toldOperatorAsks]("3", []byte(`{"Number":9,"Room":"here"}`))
	if got := w.told["3"]; !strings.HasPrefix(got, `{"Number":9,"Rooms":[{"ID":"here.id",`) {
		t.Errorf("the answer is %s", got)
	}
	w.on[toldOperatorAnswers]("3", []byte(`{"Number":900}`)) // nobody waits
}

// TestAnOlderProcessSaysNothing: what the others say is had after a second.
func TestAnOlderProcessSaysNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e, w := openElders()
		w.kin = []string{"1", "2"}
		w.answers["2"] = keeper("a")
		start := time.Now()
		if list, _ := e.list(nil, false, "", 10); roomNames(list) != "a" || time.Since(start) != kinAnswersWithin {
			t.Errorf("list = %s after %v", roomNames(list), time.Since(start))
		}
		asked := make(chan int)
		for range maxKinQuestions + 1 {
			go func() { asked <- len(e.ask(kinQuestion{Limit: 1})) }()
		}
		for n := range maxKinQuestions + 1 {
			if got := <-asked; (got == 0) != (n == 0) {
				t.Errorf("the question that was answered as number "+strconv.Itoa(n)+" has %d answers", got)
			}
		}
		if len(e.asked) != 0 {
			t.Errorf("%d questions are left", len(e.asked))
		}
	})
}
