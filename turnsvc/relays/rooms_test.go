package relays

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
)

// TestThePreparedIsReached has B, who has prepared at n2, meet A in a room that n1
// keeps and relays for: both relays know what the other's member holds, before and
// after that changes, and the room's end reaches both.
func TestThePreparedIsReached(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, r1, r2, r3 := newBus(), newMemo("n1"), newMemo("n2"), newMemo("n3")
		f1, f2, _ := b.node(t, "n1", "", r1), b.node(t, "n2", "", r2), b.node(t, "n3", "", r3)
		if n := f2.Prepare("annex"); n.ID != "n2" {
			t.Fatalf("n2 prepares at %q, want at its own relay", n.ID)
		}
		r1.hold(f1, "room", "room", "ma", 1000) // prepared, too
		r2.hold(f2, "annex", "annex", "ma", 2000)
		relay := f1.Relay("room")
		f2.Join("annex", "room", "ma", someone(), relay, "n1")
		one, _ := f1.Place(Seat{Room: "room", Home: true, Relay: relay, Partner: "n2"})
		two, spare := f2.Place(Seat{Room: "room", Relay: relay, Partner: "n1"})
		if relay != "n1" || one.ID != "n1" || two.ID != "n1" || spare.ID != "" {
			t.Fatalf("the two are sent to %q, %q and %q, spare %q; want n1 and no spare", relay, one.ID, two.ID, spare.ID)
		}
		if r1.known("n2") < 0 { // what it relays at may have been heard of by now, or not
			t.Error("the partner's permission depends on when the bus is heard")
		}
		soon()
		if !r2.heard("join annex to room") || !r2.heard(fmt.Sprintf("introduce annex.ma %v", someone())) {
			t.Errorf("n2 has heard %q", r2.said)
		}
		if r1.known("n2") != 1 || r2.known("n1") != 1 {
			t.Errorf("known of the other: %d and %d, want 1 and 1", r1.known("n2"), r2.known("n1"))
		}
		r1.hold(f1, "room", "room", "ma", 1001)
		soon()
		if n := r2.known("n1"); n != 2 {
			t.Errorf("of two relayed addresses %d are known", n)
		}
		f1.EndRoom("room")
		soon()
		if !r1.over("room") || !r2.over("room") || r3.over("room") || r3.known("n1") != -1 {
			t.Errorf("the room has ended at n1: %v, n2: %v, n3: %v; want the two that have to do with it", r1.over("room"), r2.over("room"), r3.over("room"))
		}
		if f1.Stats().Links+f2.Stats().Links != 0 {
			t.Error("something is kept of a room that has ended")
		}
	})
}

// TestARoomOfOneNodeIsNobodyElsesBusiness holds that nothing is told of a room that
// only the node that keeps it relays for.
func TestARoomOfOneNodeIsNobodyElsesBusiness(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, r1, r2 := newBus(), newMemo("n1"), newMemo("n2")
		f1, f2 := b.node(t, "n1", "", r1), b.node(t, "n2", "", r2)
		f1.Prepare("room")
		r1.hold(f1, "room", "room", "ma", 1000)
		relay := f1.Relay("room")
		f1.Introduce("room", "ma", someone())
		f1.Place(Seat{Room: "room", Home: true, Relay: relay, Partner: "n2"})
		f2.Place(Seat{Room: "room", Relay: relay, Partner: "n1"})
		r1.hold(f1, "room", "room", "mb", 1001)
		f1.EndRoom("room")
		soon()
		if s := f1.Stats(); s.Told != 0 || s.Links != 0 || f2.Stats().Told != 0 {
			t.Errorf("Stats = %+v, want nothing told and nothing kept", s)
		}
	})
}

// TestRolesApart has two lobbies without a relay and three relays: those who have
// prepared at different ones reach one another, whichever both are told, and all of
// it ends with the room.
func TestRolesApart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBus()
		r := map[string]*memo{"n3": newMemo("n3"), "n4": newMemo("n4"), "n5": newMemo("n5")}
		f1, f2 := b.node(t, "n1", "", nil), b.node(t, "n2", "", nil)
		f := map[string]*Fleet{}
		for id, relay := range r {
			f[id] = b.node(t, id, "", relay)
		}
		annex, room := "annex", "room"
		for i := 0; f1.Prepare(room).ID == f2.Prepare(annex).ID; i++ { // they prepare at different ones
			annex = fmt.Sprint("annex-", i)
		}
		atA, atB := f1.Prepare(room).ID, f2.Prepare(annex).ID
		r[atA].hold(f[atA], room, room, "ma", 1000)
		r[atB].hold(f[atB], annex, annex, "ma", 2000)
		relay := f1.Relay(room)
		if relay != atA {
			t.Errorf("the room is sent to %q, want to %q where one has prepared", relay, atA)
		}
		f1.Introduce(room, "ma", someone())
		f2.Join(annex, room, "ma", someone(), relay, "n1")
		a, spare := f1.Place(Seat{Room: room, Home: true, Relay: relay, Partner: "n2"})
		same, spareToo := f2.Place(Seat{Room: room, Relay: relay, Partner: "n1"})
		if a.ID != relay || same.ID != relay || spare.ID == "" || spare.ID == relay || spareToo.ID != spare.ID {
			t.Errorf("one is sent to %q and %q, the other to %q and %q", a.ID, spare.ID, same.ID, spareToo.ID)
		}
		soon()
		if !r[atA].heard(fmt.Sprintf("introduce %s.ma %v", room, someone())) || !r[atB].heard("join "+annex+" to "+room) {
			t.Errorf("n1's relay has heard %q, n2's %q", r[atA].said, r[atB].said)
		}
		if r[atA].known(atB) != 1 || r[atB].known(atA) != 1 {
			t.Errorf("known of the other: %d and %d, want 1 and 1", r[atA].known(atB), r[atB].known(atA))
		}
		f1.EndRoom(room)
		soon()
		soon() // what is told on
		if !r[atA].over(room) || !r[atB].over(room) || !r[spare.ID].over(room) {
			t.Errorf("the room has ended at its relay: %v, at that of who had prepared: %v, at the spare one: %v",
				r[atA].over(room), r[atB].over(room), r[spare.ID].over(room))
		}
	})
}

// TestTheThreeOfARoomKnowOneAnother has A prepared at n1, B at n2, and both sent to
// n3, because n1 drains by now.
func TestTheThreeOfARoomKnowOneAnother(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, r1, r2, r3 := newBus(), newMemo("n1"), newMemo("n2"), newMemo("n3")
		r2.load = 96 // nobody is sent there any more
		f1, f2, f3 := b.node(t, "n1", "", r1), b.node(t, "n2", "", r2), b.node(t, "n3", "", r3)
		b.drain(f1)
		r1.hold(f1, "room", "room", "ma", 1000)
		r2.hold(f2, "annex", "annex", "ma", 2000)
		relay := f1.Relay("room")
		f2.Join("annex", "room", "ma", someone(), relay, "n1")
		f1.Place(Seat{Room: "room", Home: true, Relay: relay, Partner: "n2"})
		soon()
		r3.hold(f3, "room", "room", "mb", 3000)
		soon()
		if relay != "n3" {
			t.Fatalf("the room is sent to %q, want n3", relay)
		}
		for _, k := range []struct {
			who  *memo
			of   string
			want int
		}{{r1, "n2", 1}, {r1, "n3", 1}, {r2, "n1", 1}, {r2, "n3", 1}, {r3, "n1", 1}, {r3, "n2", 1}} {
			if n := k.who.known(k.of); n != k.want {
				t.Errorf("%s knows %d relayed addresses at %s, want %d", k.who.id, n, k.of, k.want)
			}
		}
		told := f1.Stats().Told + f2.Stats().Told + f3.Stats().Told
		if told > 24 {
			t.Errorf("%d messages were told for one room", told)
		}
		f1.EndRoom("room")
		soon()
		if !r2.over("room") || !r3.over("room") {
			t.Error("the room has not ended everywhere")
		}
	})
}

// TestWhatGotLostIsToldAgain holds that a relay that was not told what the other one
// holds, or that a room has ended, learns of it within repeatEvery.
func TestWhatGotLostIsToldAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, r1, r2 := newBus(), newMemo("n1"), newMemo("n2")
		f1, f2 := b.node(t, "n1", "", r1), b.node(t, "n2", "", r2)
		r2.hold(f2, "annex", "annex", "ma", 2000)
		b.set(func() { b.lose = func(_, kind string) bool { return kind == kindRelays } })
		f2.Join("annex", "room", "ma", someone(), "n1")
		soon()
		if r1.known("n2") >= 0 {
			t.Fatal("what was lost is known")
		}
		b.set(func() { b.lose = nil })
		pass(repeatEvery + 2*tickEvery)
		if n := r1.known("n2"); n != 1 {
			t.Errorf("%d relayed addresses are known after %v, want 1", n, repeatEvery)
		}
		b.set(func() { b.lose = func(_, kind string) bool { return kind == kindEnd } })
		f1.EndRoom("room")
		soon()
		b.set(func() { b.lose = nil })
		if r2.over("room") {
			t.Fatal("what was lost was heard")
		}
		pass(repeatEvery + 2*tickEvery)
		if !r2.over("room") {
			t.Errorf("the room lives on at n2 %v after its end", repeatEvery)
		}
	})
}

// TestADrainedNodeIsNotChosen holds that neither new rooms nor those that come back for
// fresh credentials are sent to a relay that drains, and that the two of a room are
// still sent to one.
func TestADrainedNodeIsNotChosen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, r1, r2, r3 := newBus(), newMemo("n1"), newMemo("n2"), newMemo("n3")
		f1, _, f3 := b.node(t, "n1", "eu", r1), b.node(t, "n2", "eu", r2), b.node(t, "n3", "us", r3)
		if relay, _ := f1.Place(Seat{Room: "old", Home: true, Relay: f1.Relay("old")}); relay.ID != "n1" {
			t.Fatalf("the room is sent to %q before n1 drains", relay.ID)
		}
		b.drain(f1)
		first, _ := f1.Place(Seat{Room: "old", Home: true})
		second, _ := f1.Place(Seat{Room: "old", Home: true})
		if first.ID != "n2" || second.ID != "n2" || f1.Relay("new") != "n2" || f1.Prepare("warm").ID != "n2" {
			t.Errorf("while n1 drains rooms are sent to %q, %q, %q and %q, want n2", first.ID, second.ID, f1.Relay("new"), f1.Prepare("warm").ID)
		}
		if got := f3.Relay("far"); got != "n3" {
			t.Errorf("a room of n3 is sent to %q", got)
		}
		b.set(func() { delete(b.nodes, "n2") })
		if got, _ := f1.Place(Seat{Room: "old", Home: true, Relay: "n2"}); got.ID != "n3" {
			t.Errorf("after n2 has died the room is sent to %q, want n3", got.ID)
		}
		b.set(func() { delete(b.nodes, "n3") })
		if got, _ := f1.Place(Seat{Room: "old", Home: true}); got.ID != "n1" || slices.ContainsFunc(got.URLs, func(u string) bool { return hasTURN([]string{u}) }) || len(got.URLs) != 1 {
			t.Errorf("with no relay left the URLs are %q of %q, want STUN of n1", got.URLs, got.ID)
		}
		f1.EndRoom("old")
		b.set(func() { clear(b.nodes) })
		soon()
		if !r1.over("old") || !r2.over("old") || !r3.over("old") {
			t.Error("the end of the room was not told to all that its credentials named")
		}
	})
}

// TestARoomMayOutliveItsRelay has a node without a relay send the two of a room to n3
// and, when that drains, to n4: what they still hold at the first one reaches what they
// hold at the second.
func TestARoomMayOutliveItsRelay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, r3, r4 := newBus(), newMemo("n3"), newMemo("n4")
		f1, f3 := b.node(t, "n1", "", nil), b.node(t, "n3", "", r3)
		f1.Place(Seat{Room: "room", Home: true, Relay: f1.Relay("room")})
		r3.hold(f3, "room", "room", "ma", 3000)
		f4 := b.node(t, "n4", "", r4)
		b.drain(f3)
		if relay, _ := f1.Place(Seat{Room: "room", Home: true}); relay.ID != "n4" {
			t.Fatalf("while n3 drains the room is sent to %q, want n4", relay.ID)
		}
		r4.hold(f4, "room", "room", "sb", 4000)
		soon()
		if r3.known("n4") != 1 || r4.known("n3") != 1 {
			t.Errorf("known of the other: %d and %d, want 1 and 1", r3.known("n4"), r4.known("n3"))
		}
		f1.EndRoom("room")
		soon()
		if !r3.over("room") || !r4.over("room") {
			t.Error("the room has not ended at both")
		}
	})
}

// TestNeighboursAreThoseThatLive holds that a relay knows within a tick which others
// there are.
func TestNeighboursAreThoseThatLive(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, r1, r2 := newBus(), newMemo("n1"), newMemo("n2")
		b.node(t, "n1", "", r1)
		b.node(t, "n2", "", r2)
		b.node(t, "n3", "", nil)
		pass(tickEvery)
		if len(r1.near) != 1 || !slices.Equal(r1.near["n2"], []netip.Addr{r2.at()}) {
			t.Errorf("the neighbours of n1 are %v, want n2", r1.near)
		}
		b.set(func() { delete(b.nodes, "n2") })
		pass(tickEvery)
		if len(r1.near) != 0 {
			t.Errorf("the neighbours of n1 are %v after n2 has gone", r1.near)
		}
	})
}
