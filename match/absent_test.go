package match

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// pair lets a, who waits, and b meet.
func (s *site) pair(t *testing.T, a, b *client) (room string) {
	t.Helper()
	room = a.must(wire.MatchFound).RoomID
	b.must(wire.MatchFound)
	return room
}

// haveMet lets two users meet, who then avoid one another.
func (s *site) haveMet(t *testing.T, one, other string) {
	t.Helper()
	a := s.from("127.0.0.1").connect(t, asks(one))
	a.must(wire.MatchWaiting)
	b := s.from("127.0.0.2").connect(t, asks(other))
	s.pair(t, a, b)
	a.close()
	b.close()
}

// TestWhoIsAloneIsOfferedAgain lets the partner of me stay away from their
// room while I am still connected to the lobby: I come before x, who waits, on
// the same connection, and it counts as no skip.
func TestWhoIsAloneIsOfferedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := openSite(t, Config{PoolConfig: PoolConfig{Avoid: time.Hour}, FairUse: FairUse{SkipEvery: SkipEvery}})
		s.haveMet(t, "me", "x")
		me := s.from("192.0.2.1").connect(t, asks("me"))
		me.must(wire.MatchWaiting)
		ghost := s.from("192.0.2.2").connect(t, asks("ghost"))
		room := s.pair(t, me, ghost)
		ghost.close()
		x := s.from("192.0.2.3").connect(t, asks("x"))
		x.must(wire.MatchWaiting)

		<-time.After(10 * time.Second)
		s.lobby.Absent(room, "me", netip.MustParseAddr("192.0.2.1"))
		if news := me.must(wire.MatchWaiting); news.Waiting != 2 || news.Online != 2 || news.Wait != 0 {
			t.Errorf("who is offered again is told %+v, want 2 waiting, 2 online, no cool-down", news)
		}
		<-time.After(partTime - 9*time.Second) // the connection is kept; x and me meet after 20 s
		you := s.from("192.0.2.4").connect(t, asks("you"))
		if mine, yours := me.must(wire.MatchFound), you.must(wire.MatchFound); mine.RoomID != yours.RoomID || mine.RoomID == room {
			t.Errorf("rooms %q and %q, want the same new one", mine.RoomID, yours.RoomID)
		}
		if got := s.lobby.Stats(); got.Reoffers != 1 || got.Waiting != 1 || got.Visitors != 1 {
			t.Errorf("Stats() = %+v, want 1 offered again, 1 waiting", got)
		}
		if height := s.lobby.turnstile.users.find("me", time.Now()).height; height > 2 {
			t.Errorf("my level is %v, want that of my two requests at most", height)
		}
		s.stop()
	})
}

// TestWhoIsAloneAndComesBackIsTheFirst is the same for somebody who has closed
// his connection, as the seed's client does.
func TestWhoIsAloneAndComesBackIsTheFirst(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		clientID, addr string
		late           time.Duration
		first          bool
	}{
		"known by his user id":        {"seed", "203.0.113.9", 0, true},
		"known by his address":        {"a random id", "192.0.2.1", 0, true},
		"half a minute later":         {"seed", "192.0.2.1", rememberAlone, true},
		"too late":                    {"seed", "192.0.2.1", rememberAlone + time.Second, false},
		"the other one was alone":     {"ghost", "192.0.2.1", 0, false},
		"nobody knows him":            {"a random id", "203.0.113.9", 0, false},
		"known by the address of two": {"a random id", "192.0.2.2", 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := openSite(t, Config{FairUse: FairUse{SkipEvery: SkipEvery}})
				for range freeSkips { // any more would cool him down
					s.from("192.0.2.1").connect(t, request("seed")).close()
				}
				me := "192.0.2.1"
				if name == "known by the address of two" {
					me = "192.0.2.2"
				}
				a := s.from(me).connect(t, request("seed"))
				synctest.Wait()
				ghost := s.from("192.0.2.2").connect(t, request("ghost"))
				room := s.pair(t, a, ghost)
				a.close()
				ghost.close()
				s.lobby.Absent(room, c.clientID, netip.MustParseAddr(c.addr))
				<-time.After(c.late)
				again := s.from(me).connect(t, asks("seed"))
				if news := again.must(wire.MatchWaiting); (news.Wait == 0) != c.first && c.late == 0 {
					t.Errorf("who comes back waits %d s, want first: %v", news.Wait, c.first)
				}
				again.close()
				s.from(me).connect(t, asks("seed")).close() // it is good for once
				if got := s.lobby.Stats().Reoffers; (got == 1) != c.first {
					t.Errorf("%d offered again, want first: %v", got, c.first)
				}
				s.stop()
			})
		})
	}
}

// TestWhoComesBackStandsBeforeOthers holds the place at the head, and that
// there is no cool-down.
func TestWhoComesBackStandsBeforeOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := openSite(t, Config{PoolConfig: PoolConfig{Avoid: time.Hour}, FairUse: FairUse{SkipEvery: SkipEvery}})
		s.haveMet(t, "me", "x")
		me := s.from("192.0.2.1").connect(t, asks("me"))
		me.must(wire.MatchWaiting)
		ghost := s.from("192.0.2.2").connect(t, asks("ghost"))
		room := s.pair(t, me, ghost)
		me.close()
		x := s.from("192.0.2.3").connect(t, asks("x"))
		x.must(wire.MatchWaiting)
		for range highestSkips { // whatever I did before
			s.lobby.turnstile.skip(Party{User: "me"}, time.Now())
		}
		s.lobby.Absent(room, "me", netip.MustParseAddr("192.0.2.1"))
		me = s.from("192.0.2.1").connect(t, asks("me"))
		if news := me.must(wire.MatchWaiting); news.Wait != 0 {
			t.Errorf("who comes back waits %d s", news.Wait)
		}
		you := s.from("192.0.2.4").connect(t, asks("you"))
		if mine, yours := me.must(wire.MatchFound), you.must(wire.MatchFound); mine.RoomID != yours.RoomID {
			t.Errorf("rooms %q and %q, want the same", mine.RoomID, yours.RoomID)
		}
		s.stop()
	})
}

// TestWhoIsOfferedAgainIsTold holds that he hears that he waits again, though
// no more are here than before.
func TestWhoIsOfferedAgainIsTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := openSite(t, Config{})
		me := s.from("192.0.2.1").connect(t, asks("me"))
		before := me.must(wire.MatchWaiting)
		ghost := s.from("192.0.2.2").connect(t, asks("ghost"))
		room := s.pair(t, me, ghost)
		ghost.close()
		s.lobby.Absent(room, "me", netip.Addr{})
		if after := me.must(wire.MatchWaiting); after.Waiting != before.Waiting || after.Online != before.Online {
			t.Errorf("WAITING = %+v, want as before: %+v", after, before)
		}
		s.stop()
	})
}

// TestAClientThatKnowsNoWaitingIsLeftAlone holds that who has not asked for
// WAITING messages is not matched once more on a connection that he may have
// forgotten.
func TestAClientThatKnowsNoWaitingIsLeftAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := openSite(t, Config{})
		a := s.from("192.0.2.1").connect(t, request("seed"))
		synctest.Wait()
		ghost := s.from("192.0.2.2").connect(t, request("ghost"))
		room := s.pair(t, a, ghost)
		<-time.After(10 * time.Second)
		s.lobby.Absent(room, "seed", netip.MustParseAddr("192.0.2.1"))
		b := s.from("192.0.2.4").connect(t, asks("you"))
		b.must(wire.MatchWaiting)
		a.mustClose(wire.CloseNormal)
		if n := s.lobby.Stats().Waiting; n != 1 {
			t.Errorf("%d wait, want the newcomer alone", n)
		}
		again := s.from("192.0.2.1").connect(t, request("seed"))
		again.must(wire.MatchFound)
		b.must(wire.MatchFound)
		s.stop()
	})
}

// TestWhoLeavesBeforeHeIsOfferedAgain lets the one who is alone leave at the
// moment at which the lobby wants to offer him: he is the first when he comes
// back.
func TestWhoLeavesBeforeHeIsOfferedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := openSite(t, Config{})
		a := s.from("192.0.2.1").connect(t, asks("me"))
		a.must(wire.MatchWaiting)
		ghost := s.from("192.0.2.2").connect(t, asks("ghost"))
		room := s.pair(t, a, ghost)
		v, _, _ := s.lobby.meetings.absent(&absence{Room: room, Client: "me"}) // as Absent, but the ping comes too late
		if v == nil {
			t.Fatal("who is connected is not found")
		}
		_ = a.ws.NetConn().Close()
		synctest.Wait()
		if was, _ := s.lobby.meetings.wasAlone("me"); !was {
			t.Error("who left before he was offered again is not remembered")
		}
		s.stop()
	})
}
