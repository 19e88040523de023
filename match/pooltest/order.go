package pooltest

import (
	"fmt"
	"slices"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/match"
	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// orderChecks hold whom a newcomer meets.
func orderChecks() []Check {
	return []Check{
		{Name: "two who come meet, and who waited is side A", cfg: plain, run: twoMeet},
		{Name: "a pair is given the room that the first has prepared, else a new one", cfg: plain, run: preparedRooms},
		{Name: "who waited longest is met first", cfg: plain, run: firstComeFirstServed},
		{Name: "the best overlap is met first", cfg: plain, run: bestOverlap},
		{Name: "the longest wait decides between overlaps of one size", cfg: plain, run: equalOverlap},
		{Name: "who has waited before goes to the head", cfg: plain, run: firstGoesFirst},
		{Name: "who is returned goes to the head", cfg: plain, run: returnedGoesFirst},
		{Name: "nobody is hidden behind many who do not fit", cfg: avoidForLong, run: behindManyWhoDoNotFit},
	}
}

func twoMeet(w *world) {
	a := w.comes("a", tags("go", "music"))
	waits(a)
	b := w.comes("b", tags("art", "go"))
	a.meets(b)
	if a.met[0].Side != wire.SideA || b.met[0].Side != wire.SideB {
		w.t.Errorf("sides %v and %v, want A for who waited", a.met[0].Side, b.met[0].Side)
	}
	if want := []string{"go"}; !slices.Equal(a.met[0].Tags, want) || !slices.Equal(b.met[0].Tags, want) {
		w.t.Errorf("shared tags %v and %v, want %v", a.met[0].Tags, b.met[0].Tags, want)
	}
	if n := w.pool.Waiting(); n != 0 {
		w.t.Errorf("Waiting() = %d, want 0", n)
	}
}

func preparedRooms(w *world) {
	for _, c := range []struct {
		first, second []option
		warm          bool
	}{
		{},
		{first: []option{w.prepares()}},
		{second: []option{w.prepares()}},
		{first: []option{w.prepares()}, second: []option{w.prepares()}, warm: true},
	} {
		a := w.comes(fmt.Sprint("first-", w.count), c.first...)
		b := w.comes(fmt.Sprint("second-", w.count), c.second...)
		a.meets(b)
		room := a.met[0].RoomName
		if own := a.ticket.RoomName; own != "" && room != own || own == "" && !w.drawn[room] {
			w.t.Errorf("the room is %q, the first has prepared %q, the second %q", room, own, b.ticket.RoomName)
		}
		if id := a.met[0].RoomID; id != admission(room) {
			w.t.Errorf("the room id is %q, want %q", id, admission(room))
		}
		if a.met[0].Warm != c.warm || b.met[0].Warm != c.warm {
			w.t.Errorf("Warm is %v and %v, want %v", a.met[0].Warm, b.met[0].Warm, c.warm)
		}
	}
	a, b := w.comes("a", w.prepares()), w.comes("b", w.prepares())
	a.meets(b)
	before := a.met[0].RoomName
	a.returns()
	a.meets(w.comes("c"))
	if room := a.met[0].RoomName; room == before || room != a.ticket.RoomName {
		w.t.Errorf("who was returned meets in %q, want the room that he has prepared since, %q", room, a.ticket.RoomName)
	}
}

func firstComeFirstServed(w *world) {
	var waiting []*client
	for i := range 4 {
		waiting = append(waiting, w.comes(fmt.Sprint("waits-", i), tags(fmt.Sprint("tag-", i))))
	}
	for i, first := range waiting {
		newcomer := w.comes(fmt.Sprint("new-", i), tags("tag-0", "tag-1", "tag-2", "tag-3"))
		newcomer.meets(first)
	}
}

func bestOverlap(w *world) {
	one := w.comes("one", tags("a"))
	two := w.comes("two", tags("b", "c", "x", "y"))
	other := w.comes("other", tags("d", "z"))
	w.comes("first", tags("a", "b", "c", "d")).meets(two)
	three := w.comes("three", tags("b", "c", "e"))
	w.comes("second", tags("a", "b", "c", "e")).meets(three)
	w.comes("third", tags("a", "d", "q")).meets(one)
	w.comes("fourth", tags("d")).meets(other)
}

func equalOverlap(w *world) {
	older := w.comes("older", tags("c", "d"))
	younger := w.comes("younger", tags("a", "b"))
	w.comes("first", tags("a", "b", "c", "d")).meets(older)
	w.comes("second", tags("a", "b", "c", "d")).meets(younger)
}

func firstGoesFirst(w *world) {
	before := w.comes("before", tags("a"))
	first := w.comes("first", tags("b"), func(t *match.Ticket) { t.First = true })
	w.comes("x", tags("a", "b")).meets(first)
	w.comes("y", tags("a", "b")).meets(before)
}

func returnedGoesFirst(w *world) {
	a, b := w.comes("a", tags("a")), w.comes("b", tags("a"))
	a.meets(b)
	before := w.comes("before", tags("b"))
	b.returns()
	waits(b)
	w.comes("x", tags("a", "b")).meets(b)
	w.comes("y", tags("a", "b")).meets(before)
}

func avoidForLong(time.Duration) match.PoolConfig { return match.PoolConfig{Avoid: time.Hour} }

// behindManyWhoDoNotFit lets twenty users and two more meet, each all others
// except that the two have not met; then all wait, one of the two last.
func behindManyWhoDoNotFit(w *world) {
	const many = 20
	users := make([]string, many+2)
	for i := range users {
		users[i] = fmt.Sprint("user-", i)
	}
	for i, x := range users {
		for j, y := range users[:i] {
			if i == many+1 && j == many {
				continue
			}
			w.comes(x).meets(w.comes(y))
		}
	}
	var unfit []*client
	for _, user := range users[:many] {
		unfit = append(unfit, w.comes(user))
	}
	last := w.comes(users[many])
	waits(append(unfit, last)...)
	newcomer := w.comes(users[many+1])
	newcomer.meets(last)
	waits(unfit...)
}
