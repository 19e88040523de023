package match

import (
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// TestWhoWasToldIsOfferedAgainInTheNextProcess holds that one whose partner does not
// come is offered again on his connection, though the process that keeps both the
// connection and the room is not the one where he waits.
func TestWhoWasToldIsOfferedAgainInTheNextProcess(t *testing.T) {
	for name, upgrades := range map[string]int{"one upgrade": 1, "two": 2} {
		t.Run(name, func(t *testing.T) {
			dynastyOf(t, Config{}, func(t *testing.T, d *dynasty) {
				a, b := d.asks("a"), d.asks("b")
				room := d.newest().pair(t, a, b)
				b.close()
				for range upgrades {
					d.upgrade()
					<-time.After(100 * time.Millisecond)
				}
				d.all[0].lobby.Absent(room, "a", netip.Addr{})
				a.must(wire.MatchWaiting)
				c := d.asks("c")
				d.newest().pair(t, a, c)
				if n := d.newest().lobby.Stats().Reoffers; n != 1 {
					t.Errorf("%d were offered again, want 1", n)
				}
			})
		})
	}
}

// TestAnAbsenceThatIsHeardOnTheWay has it come to the old process at the moment at
// which it hands over.
func TestAnAbsenceThatIsHeardOnTheWay(t *testing.T) {
	dynastyOf(t, Config{}, func(t *testing.T, d *dynasty) {
		a, b := d.asks("a"), d.asks("b")
		room := d.newest().pair(t, a, b)
		b.close()
		d.all[0].lobby.Absent(room, "a", netip.Addr{})
		d.upgrade()
		a.must(wire.MatchWaiting)
		c := d.asks("c")
		x, y := a.must(wire.MatchFound), c.must(wire.MatchFound)
		if x.RoomID != y.RoomID {
			t.Errorf("rooms %q and %q", x.RoomID, y.RoomID)
		}
		<-time.After(time.Second)
		if s := d.newest().lobby.Stats(); s.Visitors != 0 {
			t.Errorf("%+v, want nobody who has no partner", s)
		}
	})
}

// TestWhoHasMetDoesNotMeetAgainSoonAfterAnUpgrade is for Avoid, which counts from when
// the two have met.
func TestWhoHasMetDoesNotMeetAgainSoonAfterAnUpgrade(t *testing.T) {
	dynastyOf(t, Config{PoolConfig: PoolConfig{Avoid: 15 * time.Second}}, func(t *testing.T, d *dynasty) {
		a, b := d.asks("a"), d.asks("b")
		d.newest().pair(t, a, b)
		met := time.Now()
		a.close()
		b.close()
		<-time.After(5 * time.Second)
		d.upgrade()
		synctest.Wait()
		a, b = d.asks("a"), d.asks("b")
		<-time.After(5 * time.Second)
		if s := d.newest().lobby.Stats(); s.Waiting != 2 {
			t.Fatalf("%+v, want both to wait", s)
		}
		<-time.After(5*time.Second + tickEvery)
		a.close()
		a = d.asks("a")
		d.newest().pair(t, b, a)
		if took := time.Since(met); took < 15*time.Second || took > 16*time.Second {
			t.Errorf("they met again after %v, want 15 s", took)
		}
	})
}

// TestSkipsAndRequestsCountAcrossAnUpgrade holds that an upgrade lets nobody skip, or
// ask, more often.
func TestSkipsAndRequestsCountAcrossAnUpgrade(t *testing.T) {
	cfg := Config{FairUse: FairUse{SkipEvery: SkipEvery, OffersPerAddr: 0.5}}
	dynastyOf(t, cfg, func(t *testing.T, d *dynasty) {
		for range 11 {
			d.asks("skips").close()
		}
		heir := d.upgrade()
		synctest.Wait()
		now := time.Now()
		if wait := heir.lobby.turnstile.coolDown(Party{User: "skips"}, now); wait != waitAt(12) {
			t.Errorf("the next request waits %v, want %v", wait, waitAt(12))
		}
		for range 4 {
			d.asks("other").close()
		}
		d.asks("one more").mustBeRefused(wire.ErrorTooFast, wire.ReasonTooFast)
	})
}

// TestAReportOfAMeetingInTheProcessBefore counts as any other, once, and a ban of the
// process before holds; the file is written by the newest one.
func TestAReportOfAMeetingInTheProcessBefore(t *testing.T) {
	dynastyOf(t, Config{}, func(t *testing.T, d *dynasty) {
		a, b := d.asks("a"), d.asks("b")
		room := d.newest().pair(t, a, b)
		if _, err := d.newest().lobby.BanAddr(netip.MustParseAddr("198.51.100.7"), Sentence{For: time.Hour, Reason: "spam"}); err != nil {
			t.Fatal(err)
		}
		heir := d.upgrade()
		synctest.Wait()
		for range 2 {
			a.say(reports(room, "a", wire.ReportSpam))
			a.must(wire.MatchReported)
		}
		if n := heir.lobby.Stats().Reports; n != 1 {
			t.Errorf("%d reports count, want 1", n)
		}
		banned := heir.from("198.51.100.7").connect(t, asks("c"))
		banned.mustBeRefused(wire.ErrorBanned, wire.ReasonBanned)
		if err := d.all[0].lobby.cfg.Bans.save(); err != nil {
			t.Error(err)
		}
		found, err := heir.lobby.cfg.Bans.Lift(heir.lobby.cfg.Bans.List()[0].Name)
		if !found || err != nil {
			t.Errorf("Lift: %v, %v", found, err)
		}
		_ = d.all[0].lobby.cfg.Bans.save()
		saved, err := readBans(d.file)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range saved.Records {
			if r.Times > 0 {
				t.Errorf("the process before has written a ban that was lifted: %+v", r)
			}
		}
	})
}

// TestABanOfTheOperatorEndsAWaitAcrossProcesses bans somebody whose connection the
// process before keeps.
func TestABanOfTheOperatorEndsAWaitAcrossProcesses(t *testing.T) {
	dynastyOf(t, Config{}, func(t *testing.T, d *dynasty) {
		a := d.newest().from("198.51.100.7").connect(t, asks("a"))
		heir := d.upgrade()
		<-time.After(time.Second)
		if _, err := heir.lobby.BanAddr(netip.MustParseAddr("198.51.100.7"), Sentence{For: time.Hour}); err != nil {
			t.Fatal(err)
		}
		a.mustBeRefused(wire.ErrorBanned, wire.ReasonBanned)
		synctest.Wait()
		if s := heir.lobby.Stats(); s.Visitors != 0 || s.Waiting != 0 || s.Refusals[wire.ErrorBanned] != 1 {
			t.Errorf("%+v, want nobody and one who was refused", s)
		}
	})
}

// TestARoomThatWasPreparedInTheProcessBefore holds that it is the room of the match,
// and that of one who leaves is ended, once.
func TestARoomThatWasPreparedInTheProcessBefore(t *testing.T) {
	var introduced []Wanted
	var unused []string
	minted := map[string]int{}
	warm := Warm{
		ICEServers: func(room string, _ netip.Addr, _ bool) ([]wire.ICEServer, time.Time) {
			minted[room]++
			return []wire.ICEServer{{URLs: []string{"turn:192.0.2.9"}, Username: room}}, time.Now().Add(time.Hour)
		},
		Introduce: func(w Wanted) { introduced = append(introduced, w) },
		Unused:    func(room string) { unused = append(unused, room) },
	}
	dynastyOf(t, Config{Warm: warm}, func(t *testing.T, d *dynasty) {
		a := d.newest().from("192.0.2.1").connect(t, `{"user_id":"me","created_at":"2026-11-21T10:00:00Z","ext":["warm"]}`)
		given := a.must(wire.MatchWaiting)
		leaves := d.newest().from("192.0.2.1").connect(t, `{"user_id":"me","created_at":"2026-11-21T10:00:00Z","ext":["warm"]}`)
		leaves.must(wire.MatchWaiting)
		d.upgrade()
		<-time.After(time.Second)
		d.upgrade()
		<-time.After(10 * time.Second)
		leaves.close()
		b := d.asks("b")
		found := a.must(wire.MatchFound)
		b.must(wire.MatchFound)
		room := given.ICEServers[0].Username
		if "room-"+strings.TrimPrefix(room, "name-") != found.RoomID || len(introduced) != 1 || introduced[0].Room != room {
			t.Errorf("prepared %s, met in %s, introduced %+v", room, found.RoomID, introduced)
		}
		if len(unused) != 1 || unused[0] == room || minted[room] != 1 || minted[unused[0]] != 1 {
			t.Errorf("unused %v, minted %v: want the other room, and each minted once", unused, minted)
		}
	})
}

// TestWhoStandsByIsHandedOver lets one ask in the next process whose page was opened
// before, and one whose socket was opened and who has said nothing yet.
func TestWhoStandsByIsHandedOver(t *testing.T) {
	dynastyOf(t, Config{}, func(t *testing.T, d *dynasty) {
		a := d.newest().from("192.0.2.1").connect(t, `{"type":"STANDBY"}`)
		a.must(wire.MatchWaiting)
		heir := d.upgrade()
		<-time.After(time.Second)
		if s := heir.lobby.Stats(); s.Standby != 1 {
			t.Errorf("%+v, want one who stands by", s)
		}
		d.upgrade()
		<-time.After(time.Second)
		b := d.asks("b")
		a.say(asks("a"))
		d.newest().pair(t, b, a)
		if s := d.newest().lobby.Stats(); s.Standby != 0 || s.Connected != 2 {
			t.Errorf("%+v, want nobody who stands by, two connections", s)
		}
	})
}

// TestThePagesThatStandByTooLongAreClosed holds that their minute is that of the
// connection.
func TestThePagesThatStandByTooLongAreClosed(t *testing.T) {
	dynastyOf(t, Config{}, func(t *testing.T, d *dynasty) {
		start := time.Now()
		a := d.newest().from("192.0.2.1").connect(t, `{"type":"STANDBY"}`)
		<-time.After(30 * time.Second)
		d.upgrade()
		a.mustClose(wire.CloseNormal)
		if took := time.Since(start).Round(time.Second); took != standbyFor {
			t.Errorf("closed after %v, want %v", took, standbyFor)
		}
		synctest.Wait()
		if s := d.newest().lobby.Stats(); s.Standby != 0 || s.Connected != 0 {
			t.Errorf("%+v, want nobody", s)
		}
	})
}
