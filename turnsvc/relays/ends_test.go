package relays

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestEndsAreKeptWhileThereIsNoBus holds that what ends while the bus is away is told
// when it is back, and at once for the node itself.
func TestEndsAreKeptWhileThereIsNoBus(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, r1, r2, r3 := newBus(), newMemo("n1"), newMemo("n2"), newMemo("n3")
		f1, _, _ := b.node(t, "n1", "", r1), b.node(t, "n2", "", r2), b.node(t, "n3", "", r3)
		f1.Place(Seat{Room: "room", Home: true, Relay: "n2"})
		b.set(func() { b.down = true })
		f1.EndRoom("room")
		f1.Kick("another")
		pass(30 * time.Second)
		if !r1.over("room") || r2.over("room") {
			t.Fatalf("without a bus the room has ended at n1: %v, at n2: %v", r1.over("room"), r2.over("room"))
		}
		if n := f1.Stats().Waiting; n != 3 {
			t.Errorf("%d ends wait, want that of the room for its relay and the spare one, and that of the other", n)
		}
		b.set(func() { b.down = false })
		pass(tickEvery)
		soon()
		for _, r := range []*memo{r2, r3} {
			if !r.over("another") {
				t.Errorf("%s has heard %q", r.id, r.said)
			}
		}
		if !r2.over("room") || f1.Stats().Waiting != 0 {
			t.Errorf("the room has ended at n2: %v, and %d ends wait", r2.over("room"), f1.Stats().Waiting)
		}
	})
}

// TestARushOfEndsIsToldTogether holds that ten thousand rooms that end in a second cost
// a message for every hundred of them, and are known elsewhere at once.
func TestARushOfEndsIsToldTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, r1, r2 := newBus(), newMemo("n1"), newMemo("n2")
		f1 := b.node(t, "n1", "", r1)
		b.node(t, "n2", "", r2)
		const rooms = 10000
		for i := range rooms {
			f1.Place(Seat{Room: fmt.Sprintf("room-of-22-chars-%05d", i), Home: true, Relay: "n2"})
		}
		for i := range rooms {
			f1.EndRoom(fmt.Sprintf("room-of-22-chars-%05d", i))
		}
		soon()
		if n := len(r2.ended); n != rooms {
			t.Errorf("%d of %d rooms have ended elsewhere", n, rooms)
		}
		if n := b.sentOf(kindEnd); n > rooms/maxEnds+1 {
			t.Errorf("%d messages were sent, want %d", n, rooms/maxEnds+1)
		}
	})
}

func TestWaitingEndsAreBounded(t *testing.T) {
	t.Parallel()
	f := New(Config{Node: "n1", Nodes: func() []Node { return nil }, Up: func() bool { return false }})
	for range maxWaitingEnds + 10 {
		f.Kick("room")
	}
	if s := f.Stats(); s.Waiting > maxWaitingEnds || s.Unsaid == 0 || s.Waiting+int(s.Unsaid) != maxWaitingEnds+10 {
		t.Errorf("%d ends wait and %d are unsaid, want %d in all and %d at most waiting", s.Waiting, s.Unsaid, maxWaitingEnds+10, maxWaitingEnds)
	}
}

// TestTheLargestMessagesFit holds that nothing is told that nobody takes.
func TestTheLargestMessagesFit(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", maxName)
	var ends []ending
	for range 3 * maxEnds {
		ends = append(ends, ending{room: long})
	}
	told := 0
	for len(ends) > 0 {
		m, n := gather(ends)
		got, err := parse(m.text())
		if err != nil || n == 0 {
			t.Fatalf("a message of %d bytes about %d ends is refused: %v", len(m.text()), n, err)
		}
		told += len(got.Rooms)
		ends = ends[n:]
	}
	if told != 3*maxEnds {
		t.Errorf("%d of %d ends are told", told, 3*maxEnds)
	}
}
