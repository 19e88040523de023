package match

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// scene is a site where somebody misbehaves, whose device and address are
// always the same, and who calls himself otherwise each time.
type scene struct {
	*site
	t       *testing.T
	names   int
	address string
	device  string
}

func openScene(t *testing.T, bans *Bans) *scene {
	t.Helper()
	return &scene{
		site: openSite(t, Config{Bans: bans, FairUse: FairUse{PeoplePerAddr: PeoplePerAddr}}),
		t:    t, address: "192.0.2.66", device: "his phone",
	}
}

func (s *scene) troll() *client {
	s.t.Helper()
	s.names++
	return s.from(s.address).connect(s.t, asksFrom(fmt.Sprint("troll-", s.names), s.device))
}

// later is the scene after a long time, in which nobody is there: a lobby that
// runs has much to do in a day.
func (s *scene) later(d time.Duration) {
	s.t.Helper()
	s.stop()
	<-time.After(d)
	s.site = openScene(s.t, s.lobby.cfg.Bans).site
}

// meets lets a user from an address meet him and report him.
func (s *scene) meets(ip, user string) {
	s.t.Helper()
	troll := s.troll()
	<-time.After(time.Duration(troll.must(wire.MatchWaiting).Wait) * time.Second)
	victim := s.from(ip).connect(s.t, asks(user))
	room := victim.must(wire.MatchFound).RoomID
	troll.must(wire.MatchFound)
	troll.close()
	victim.close()
	s.complains(ip, room, user)
}

func (s *scene) complains(ip, room, user string) {
	s.t.Helper()
	c := s.from(ip).connect(s.t, reports(room, user, wire.ReportSpam))
	c.must(wire.MatchReported)
	c.close()
}

// wait is how long he waits when he asks again; he does not stay.
func (s *scene) wait() int {
	s.t.Helper()
	c := s.troll()
	defer c.close()
	return c.must(wire.MatchWaiting).Wait
}

func TestReportsCoolDownThenBanAndBansGrow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := openScene(t, nil)
		victim := 0
		for round, days := range []int{1, 2, 4, 8, 16, 30, 30} {
			for n := 1; n <= reportsToBan; n++ {
				victim++
				s.meets(fmt.Sprintf("198.51.100.%d", victim), fmt.Sprint("victim-", victim))
				switch {
				case n < reportsToCool:
					if wait := s.wait(); wait != 0 {
						t.Errorf("round %d: after %d reports he waits %d s, want 0", round, n, wait)
					}
				case n < reportsToBan:
					if wait := s.wait(); wait != 300 {
						t.Errorf("round %d: after %d reports he waits %d s, want 300", round, n, wait)
					}
					<-time.After(coolFor)
				}
			}
			m := s.troll().mustBeRefused(wire.ErrorBanned, wire.ReasonBanned)
			if m.Wait != days*24*3600 || m.Ban == "" {
				t.Errorf("round %d: ERROR banned = %+v, want a name and %d days", round, m, days)
			}
			list := s.lobby.cfg.Bans.List()
			if len(list) != 1 || list[0].Name != m.Ban || list[0].Kind != BanDevice || list[0].Reasons[wire.ReportSpam] != reportsToBan {
				t.Errorf("round %d: List() = %+v, want this ban, for 5 × spam", round, list)
			}
			if n := s.lobby.Stats().Reports; n != reportsToBan {
				t.Errorf("round %d: %d reports count, want %d", round, n, reportsToBan)
			}
			s.later(time.Duration(days)*24*time.Hour + time.Second)
		}
		s.stop()
	})
}

// TestAnAddressNeedsMoreReports holds that who gives no device, or another one
// each time, is known by his address, which others may share.
func TestAnAddressNeedsMoreReports(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := openScene(t, nil)
		for n := 1; n <= PeoplePerAddr*reportsToBan; n++ {
			s.device = fmt.Sprint("device-", n)
			s.meets(fmt.Sprintf("198.51.100.%d", n), fmt.Sprint("victim-", n))
			s.device = "another"
			if n < PeoplePerAddr*reportsToCool {
				if wait := s.wait(); wait != 0 {
					t.Errorf("after %d reports the address waits %d s, want 0", n, wait)
				}
			} else if n < PeoplePerAddr*reportsToBan {
				if wait := s.wait(); wait != 300 {
					t.Errorf("after %d reports the address waits %d s, want 300", n, wait)
				}
				<-time.After(coolFor)
			}
		}
		s.troll().mustBeRefused(wire.ErrorBanned, wire.ReasonBanned)
		if list := s.lobby.cfg.Bans.List(); len(list) != 1 || list[0].Kind != BanAddress {
			t.Errorf("List() = %+v, want one ban of an address", list)
		}
		s.stop()
	})
}

// TestReportsThatDoNotCount lets one person try to ban another: from one
// address, as one user, and with a ban of his own.
func TestReportsThatDoNotCount(t *testing.T) {
	t.Parallel()
	for name, meet := range map[string]func(s *scene, i int){
		"of one address": func(s *scene, i int) { s.meets("198.51.100.1", fmt.Sprint("victim-", i)) },
		"of one user":    func(s *scene, i int) { s.meets(fmt.Sprintf("198.51.100.%d", i), "victim") },
		"older than a day": func(s *scene, i int) {
			s.meets(fmt.Sprintf("198.51.100.%d", i), fmt.Sprint("victim-", i))
			s.later(13 * time.Hour)
		},
		"of one meeting": func(s *scene, i int) {
			troll, victim := s.troll(), s.from(fmt.Sprintf("198.51.100.%d", 1+i/10)).connect(s.t, asks(fmt.Sprint("victim-", i/10)))
			room := victim.must(wire.MatchFound).RoomID
			troll.must(wire.MatchFound)
			for n := range 5 {
				s.complains(fmt.Sprintf("198.51.100.%d", 100+n), room, fmt.Sprint("victim-", i/10))
			}
			troll.close()
			victim.close()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := openScene(t, nil)
				for i := range 12 {
					meet(s, i)
				}
				if wait := s.wait(); wait != 0 {
					t.Errorf("he waits %d s, want 0", wait)
				}
				if n := s.lobby.Stats().Reports; n > 12 {
					t.Errorf("%d reports are counted of 12 meetings", n)
				}
				s.stop()
			})
		})
	}
}

func TestReportsOfTheBannedDoNotCount(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := openScene(t, nil)
		var rooms []string
		for range reportsToBan { // he meets five, who will be reported by him
			troll := s.troll()
			victim := s.from("198.51.100.1").connect(t, asksFrom("victim", "her phone"))
			rooms = append(rooms, victim.must(wire.MatchFound).RoomID)
			troll.close()
			victim.close()
		}
		for n := range reportsToBan {
			s.meets(fmt.Sprintf("203.0.113.%d", n), fmt.Sprint("witness-", n))
		}
		for i, room := range rooms {
			s.complains(s.address, room, fmt.Sprint("troll-", i+1)) // is told nothing of it
		}
		if n := s.lobby.Stats().Reports; n != reportsToBan {
			t.Errorf("%d reports count, want the %d of the witnesses", n, reportsToBan)
		}
		s.stop()
	})
}

// TestAStrangerReports holds that only who was in a room may complain of it,
// and that the connection goes on to its request all the same.
func TestAStrangerReports(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := openSite(t, Config{})
		a := s.from("192.0.2.1").connect(t, asks("a"))
		a.must(wire.MatchWaiting)
		b := s.from("192.0.2.2").connect(t, asks("b"))
		room := b.must(wire.MatchFound).RoomID
		b.close()
		for _, report := range []string{reports(room, "c", wire.ReportSpam), reports("another room", "a", wire.ReportSpam), reports(room, "", wire.ReportSpam)} {
			c := s.from("192.0.2.3").connect(t, report)
			m := c.must(wire.MatchError)
			if strings.Contains(report, `"user_id":""`) {
				if m.Reason != wire.ErrorBadRequest {
					t.Errorf("%s: ERROR %q, want bad-request", report, m.Reason)
				}
				c.mustClose(wire.CloseBadData)
				continue
			}
			if m.Reason != wire.ErrorUnknownRoom {
				t.Errorf("%s: ERROR %q, want unknown-room", report, m.Reason)
			}
			c.say(asks("c"))
			c.must(wire.MatchWaiting)
			c.close()
		}
		<-time.After(rememberMeeting + time.Second)
		c := s.from("192.0.2.2").connect(t, reports(room, "b", wire.ReportSpam))
		if m := c.must(wire.MatchError); m.Reason != wire.ErrorUnknownRoom {
			t.Errorf("an hour later: ERROR %q, want unknown-room", m.Reason)
		}
		start := time.Now()
		c.mustClose(wire.CloseNormal) // a report alone does not keep a connection
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("a connection that only reports is kept for %v, want 5 s", took)
		}
		if s.lobby.Stats().Reports != 0 {
			t.Error("a report counts")
		}
		s.stop()
	})
}

// TestAReportBesideTheRequest holds that one may complain of the last partner on
// the connection on which one looks for the next, before and while one waits.
func TestAReportBesideTheRequest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := openSite(t, Config{})
		var rooms []string
		for range 2 {
			a := s.from("192.0.2.1").connect(t, asks("a"))
			a.must(wire.MatchWaiting)
			b := s.from("192.0.2.2").connect(t, asks("b"))
			rooms = append(rooms, s.pair(t, a, b))
			a.close()
			b.close()
		}
		a := s.from("192.0.2.1").connect(t, reports(rooms[0], "a", wire.ReportMinor))
		a.must(wire.MatchReported)
		a.say(asks("a"))
		a.must(wire.MatchWaiting)
		a.say(reports(rooms[1], "a", wire.ReportOther))
		a.must(wire.MatchReported)
		a.say("nothing that counts")
		c := s.from("192.0.2.3").connect(t, asks("c"))
		s.pair(t, a, c)
		if n := s.lobby.Stats().Reports; n != 2 {
			t.Errorf("%d reports count, want 2", n)
		}
		s.stop()
	})
}
