package signal

import (
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// ended is what those are told whose room the operator has ended.
const ended = `{"type":"bye","reason":"room-ended"}` + "\n"

func (c *client) mustEnd() {
	c.t.Helper()
	c.mustGet(ended)
	c.mustClose(wire.CloseNormal, wire.ReasonLeft)
}

func TestRoomsAreListed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := onPipes(t)
		began := time.Now()
		a, b, c := w.connect(t, false), w.connect(t, false), w.connect(t, false)
		a.registerExt("room1", "ann")
		b.send(`{"type":"register","roomId":"room1","clientId":"bob","ext":["relay-only"]}`)
		b.accept()
		c.register("room2")
		names := w.rooms.Names()
		slices.Sort(names)
		if !slices.Equal(names, []string{"room1", "room2"}) {
			t.Errorf("Names() = %q, want both", names)
		}
		seen := w.rooms.Describe([]string{"room1", "room3"})
		one, known := seen["room1"]
		if len(seen) != 1 || !known || len(one.Members) != 2 || one.Since.Before(began.Truncate(time.Millisecond)) {
			t.Fatalf("Describe = %+v, want room1 with two members", seen)
		}
		want := []Occupant{
			{Side: wire.SideA, ClientID: "ann", Addr: pipeAddr(1)},
			{Side: wire.SideB, ClientID: "bob", Addr: pipeAddr(2), Hides: true},
		}
		if !slices.Equal(one.Members, want) {
			t.Errorf("members = %+v, want %+v", one.Members, want)
		}
		a.lose()
		synctest.Wait()
		if m := w.rooms.Describe([]string{"room1"})["room1"].Members; len(m) != 2 || !m[0].Away || m[1].Away {
			t.Errorf("members = %+v, want the first away", m)
		}
		c.leave()
		synctest.Wait()
		if names := w.rooms.Names(); !slices.Equal(names, []string{"room1"}) {
			t.Errorf("Names() = %q, want room1 only", names)
		}
		w.stop()
	})
}

// TestEndTellsBoth ends a room of which one member is away.
func TestEndTellsBoth(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := onPipes(t)
		a, b := w.connect(t, false), w.connect(t, false)
		a.register("room1")
		b.register("room1")
		if !w.rooms.End("room1") {
			t.Error("End = false, want that somebody was there")
		}
		a.mustEnd()
		b.mustEnd()
		if got := <-w.ended; got != "room1" {
			t.Errorf("Config.Ended was told %q, want room1", got)
		}
		if w.rooms.End("room1") || w.rooms.Stats().Rooms != 0 {
			t.Error("the room is still there")
		}
		late := w.connect(t, false)
		late.send(`{"type":"register","roomId":"room1"}`)
		late.mustReject(wire.RejectFull)

		c := w.connect(t, false)
		seat := c.registerExt("room2", "cid")
		c.lose()
		synctest.Wait()
		if !w.rooms.End("room2") {
			t.Error("End of a room whose member is away = false")
		}
		back := w.connect(t, false)
		back.comeBack("room2", "cid", seat.ResumeToken)
		back.mustEnd()
		w.stop()
	})
}

// TestARoomIsOverBeforeItBegins ends a room to which nobody has come yet, and
// holds that it is forgotten when its id admits no more.
func TestARoomIsOverBeforeItBegins(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := onPipes(t)
		if w.rooms.End("room1") || w.rooms.End("no id of ours") {
			t.Error("End = true, want that nobody was there")
		}
		a := w.connect(t, false)
		a.send(`{"type":"register","roomId":"room1"}`)
		a.mustReject(wire.RejectNotFound)
		if stats := w.rooms.Stats(); stats.Rooms != 0 {
			t.Errorf("%d rooms have somebody in them, want none", stats.Rooms)
		}
		<-time.After(2 * time.Minute)
		w.rooms.mu.Lock()
		if n := len(w.rooms.rooms); n != 0 {
			t.Errorf("%d rooms are remembered, want none", n)
		}
		w.rooms.mu.Unlock()
		w.stop()
	})
}

func TestEndFromANetwork(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := onPipes(t)
		a, b, c := w.connect(t, false), w.connect(t, false), w.connect(t, false)
		a.register("room1")
		b.register("room1")
		c.register("room2")
		if names := w.rooms.EndFrom(netip.PrefixFrom(pipeAddr(2), 32)); !slices.Equal(names, []string{"room1"}) {
			t.Errorf("EndFrom = %q, want room1", names)
		}
		a.mustEnd()
		b.mustEnd()
		if names := w.rooms.EndFrom(netip.MustParsePrefix("192.0.2.0/24")); len(names) != 0 {
			t.Errorf("EndFrom a network without members = %q", names)
		}
		c.settle()
		w.stop()
	})
}
