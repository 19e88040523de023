package match

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// TestAThousandWhoWaitAreHandedOverTwice has a thousand wait, who fit nobody among
// them, for their tags; two upgrades later as many come, each of whom fits the two of
// them who have waited longest. Each has to meet the first of these: nobody has lost
// his place, his connection or his partner, and nobody has got two.
func TestAThousandWhoWaitAreHandedOverTwice(t *testing.T) {
	const waiting = 1000
	dynastyOf(t, Config{PoolConfig: PoolConfig{TagWait: time.Hour, MaxWait: 2 * time.Hour}}, func(t *testing.T, d *dynasty) {
		var waits, come []*client
		for i := range waiting {
			waits = append(waits, d.asks(fmt.Sprint("waits-", i), taste(i)))
			synctest.Wait()
		}
		for range 2 {
			<-time.After(10 * time.Second)
			d.upgrade()
			<-time.After(5 * time.Second)
			if s := d.newest().lobby.Stats(); s.Waiting != waiting || s.Visitors != waiting || s.Connected != waiting {
				t.Fatalf("process %s: %+v, want %d who wait", d.newest().node, s, waiting)
			}
		}
		d.kill(d.all[1]) // it keeps nobody
		for i := range waiting {
			come = append(come, d.asks(fmt.Sprint("comes-", i), taste(i, (i+1)%waiting)))
			synctest.Wait()
		}
		for i := range waiting {
			a, b := waits[i].must(wire.MatchFound), come[i].must(wire.MatchFound)
			if a.RoomID == "" || a.RoomID != b.RoomID {
				t.Fatalf("waiter %d is in %q, newcomer %d in %q: want the same room", i, a.RoomID, i, b.RoomID)
			}
		}
		for i := range waiting {
			waits[i].close()
			come[i].close()
			if _, again := waits[i].next(wire.MatchFound); again {
				t.Errorf("waiter %d was matched twice", i)
			}
		}
		<-time.After(2 * time.Second)
		for _, p := range []*process{d.all[0], d.all[2]} {
			if s := p.lobby.Stats(); s.Connected != 0 || s.Piped != 0 || s.Visitors != 0 {
				t.Errorf("process %s: %+v, want nobody left", p.node, s)
			}
		}
	})
}

// TestOneUsersTabsKeepTheirOrder is for those who stand behind one another, and who
// would be matched with nobody among them.
func TestOneUsersTabsKeepTheirOrder(t *testing.T) {
	dynastyOf(t, Config{}, func(t *testing.T, d *dynasty) {
		var tabs []*client
		for range 20 {
			tabs = append(tabs, d.asks("me"))
			synctest.Wait()
			<-time.After(10 * time.Millisecond)
		}
		d.upgrade()
		<-time.After(2 * time.Second)
		for i, tab := range tabs {
			other := d.asks(fmt.Sprint("other-", i))
			if a, b := tab.must(wire.MatchFound), other.must(wire.MatchFound); a.RoomID != b.RoomID {
				t.Errorf("tab %d is in %q, who came in %q", i, a.RoomID, b.RoomID)
			}
		}
	})
}

// TestTagsRelaxFromWhenTheVisitorCame holds that an upgrade makes no wait longer.
func TestTagsRelaxFromWhenTheVisitorCame(t *testing.T) {
	dynastyOf(t, Config{}, func(t *testing.T, d *dynasty) {
		start := time.Now()
		a := d.asks("a", taste(1))
		<-time.After(5 * time.Second)
		d.upgrade()
		<-time.After(time.Second)
		d.upgrade()
		<-time.After(time.Second)
		b := d.asks("b")
		a.must(wire.MatchFound)
		b.must(wire.MatchFound)
		if took := time.Since(start); took < 8*time.Second || took > 8*time.Second+2*tickEvery {
			t.Errorf("they met after %v, want 8 s", took)
		}
	})
}

// TestAWaitEndsWhenItWouldHave is the same for the end of a wait.
func TestAWaitEndsWhenItWouldHave(t *testing.T) {
	dynastyOf(t, Config{PoolConfig: PoolConfig{MaxWait: time.Minute}}, func(t *testing.T, d *dynasty) {
		start := time.Now()
		a := d.asks("a")
		<-time.After(40 * time.Second)
		d.upgrade()
		a.must(wire.MatchTimeout)
		a.mustClose(wire.CloseNormal)
		if took := time.Since(start); took < time.Minute || took > time.Minute+2*tickEvery {
			t.Errorf("it ended after %v, want 1 min", took)
		}
	})
}

// TestNobodyIsToldOfAnUpgrade holds that who waits hears the same as without one.
func TestNobodyIsToldOfAnUpgrade(t *testing.T) {
	dynastyOf(t, Config{}, func(t *testing.T, d *dynasty) {
		a := d.asks("a")
		a.must(wire.MatchWaiting)
		d.upgrade()
		<-time.After(30 * time.Second)
		d.upgrade()
		<-time.After(30 * time.Second)
		select {
		case text := <-a.got:
			t.Errorf("he was told %s", text)
		default:
		}
	})
}

// TestANewProcessThatFailsCostsNobodyAnything asks for the estate again and again.
func TestANewProcessThatFailsCostsNobodyAnything(t *testing.T) {
	dynastyOf(t, Config{}, func(t *testing.T, d *dynasty) {
		a := d.asks("a")
		a.must(wire.MatchWaiting)
		for range 3 {
			old := d.newest()
			failed := d.start(old.lobby.Estate())
			synctest.Wait()
			d.kill(failed)
			d.all = d.all[:1]
			synctest.Wait()
		}
		b := d.asks("b")
		if x, y := a.must(wire.MatchFound), b.must(wire.MatchFound); x.RoomID != y.RoomID {
			t.Errorf("rooms %q and %q", x.RoomID, y.RoomID)
		}
	})
}

// TestWhoLeavesBeforeTheMatchIsMetByNobody lets those leave whose connections another
// process keeps; who comes meets the one who has stayed.
func TestWhoLeavesBeforeTheMatchIsMetByNobody(t *testing.T) {
	dynastyOf(t, Config{}, func(t *testing.T, d *dynasty) {
		var leave []*client
		for range 20 {
			leave = append(leave, d.asks("me"))
			synctest.Wait()
		}
		stays := d.asks("me")
		synctest.Wait()
		d.upgrade()
		<-time.After(2 * time.Second)
		for _, c := range leave {
			_ = c.ws.NetConn().Close()
		}
		other := d.asks("other") // at once
		if a, b := stays.must(wire.MatchFound), other.must(wire.MatchFound); a.RoomID != b.RoomID {
			t.Errorf("rooms %q and %q", a.RoomID, b.RoomID)
		}
	})
}

// TestTheEndOfAProcessEndsItsConnections kills one whose connections' visitors wait in
// another one, and then one whose visitors' connections another one keeps.
func TestTheEndOfAProcessEndsItsConnections(t *testing.T) {
	dynastyOf(t, Config{}, func(t *testing.T, d *dynasty) {
		gone := d.asks("gone")
		d.upgrade()
		<-time.After(2 * time.Second)
		d.kill(d.all[0])
		gone.mustClose(wire.CloseGoingAway)
		synctest.Wait()
		if s := d.newest().lobby.Stats(); s.Waiting != 0 || s.Connected != 0 || s.Visitors != 0 {
			t.Errorf("its connection has ended, and %+v", s)
		}
		stays := d.asks("stays")
		heir := d.upgrade()
		<-time.After(2 * time.Second)
		d.kill(heir)
		stays.mustClose(wire.CloseGoingAway)
	})
}

// TestWhoLeavesOnTheWayCostsNobodyHisPlace lets one leave after he was handed over and
// before anybody there knows, where another one already waits who fits.
func TestWhoLeavesOnTheWayCostsNobodyHisPlace(t *testing.T) {
	dynastyOf(t, Config{}, func(t *testing.T, d *dynasty) {
		leaves := d.asks("leaves")
		synctest.Wait()
		old := d.newest()
		heir := d.start(old.lobby.Estate())
		waits := d.asks("waits")
		synctest.Wait()
		d.line.keep(heir.node)
		old.lobby.Retire(heir.node)
		synctest.Wait()
		_ = leaves.ws.NetConn().Close()
		synctest.Wait()
		d.line.keep("")
		<-time.After(time.Second)
		if s := heir.lobby.Stats(); s.Matches != 0 || s.Waiting != 1 {
			t.Errorf("%+v, want one who waits", s)
		}
		comes := d.asks("comes")
		if a, b := waits.must(wire.MatchFound), comes.must(wire.MatchFound); a.RoomID != b.RoomID {
			t.Errorf("rooms %q and %q", a.RoomID, b.RoomID)
		}
	})
}

// TestWhatIsSaidOnTheWayIsHeardOnce has a client say something while nobody has adopted
// its visitor, and once too much.
func TestWhatIsSaidOnTheWayIsHeardOnce(t *testing.T) {
	dynastyOf(t, Config{}, func(t *testing.T, d *dynasty) {
		says := d.newest().from("192.0.2.1").connect(t, `{"type":"STANDBY"}`)
		floods := d.newest().from("192.0.2.2").connect(t, `{"type":"STANDBY"}`)
		synctest.Wait()
		old := d.newest()
		heir := d.start(old.lobby.Estate())
		d.line.keep(heir.node)
		old.lobby.Retire(heir.node)
		synctest.Wait()
		says.say(asks("says"))
		for range maxKeptFrames + 1 {
			floods.say(reports("room", "floods", wire.ReportSpam))
		}
		floods.mustClose(wire.ClosePolicy)
		d.line.keep("")
		<-time.After(time.Second)
		if s := heir.lobby.Stats(); s.Waiting != 1 || s.Connected != 1 || s.Unread != 0 {
			t.Errorf("%+v, want one who waits", s)
		}
		comes := d.asks("comes")
		d.newest().pair(t, says, comes)
	})
}

// TestWhomNobodyAdoptsIsSentAway holds that a connection whose visitor got lost on the
// way does not stay for ever.
func TestWhomNobodyAdoptsIsSentAway(t *testing.T) {
	dynastyOf(t, Config{}, func(t *testing.T, d *dynasty) {
		a := d.asks("a")
		synctest.Wait()
		old := d.newest()
		heir := d.start(old.lobby.Estate())
		d.line.keep(heir.node)
		old.lobby.Retire(heir.node)
		a.mustClose(wire.CloseGoingAway)
		d.line.keep("")
		<-time.After(time.Second)
		if s := heir.lobby.Stats(); s.Connected != 0 || s.Visitors != 0 {
			t.Errorf("%+v, want nobody", s)
		}
	})
}

// TestAMatchIsToldAsTheProcessHandsOver lets two meet in the old process at the moment
// at which it retires, and their partners report them in the new one.
func TestAMatchIsToldAsTheProcessHandsOver(t *testing.T) {
	dynastyOf(t, Config{}, func(t *testing.T, d *dynasty) {
		old := d.newest()
		a := d.asks("a")
		synctest.Wait()
		heir := d.start(old.lobby.Estate())
		b := old.from("192.0.2.2").connect(t, asks("b"))
		old.lobby.Retire(heir.node)
		room := old.pair(t, a, b)
		<-time.After(time.Second)
		b.say(reports(room, "b", wire.ReportSpam))
		b.must(wire.MatchReported)
		if s := heir.lobby.Stats(); s.Reports != 1 || s.Waiting != 0 {
			t.Errorf("%+v, want a report, and nobody who waits", s)
		}
		<-time.After(partTime)
		a.mustClose(wire.CloseNormal)
		b.mustClose(wire.CloseNormal)
	})
}
