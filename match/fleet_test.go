package match

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// TestTheOneWhoIsAloneIsOfferedAgainAtHisNode lets the home of a room tell of a
// member whose connection to the lobby is at another node: he comes before x, on
// the connection that he has.
func TestTheOneWhoIsAloneIsOfferedAgainAtHisNode(t *testing.T) {
	fleetOf(t, func(t *testing.T, f *fleetStory) {
		room, ghost, me := f.meet("n1", "ghost", "me")
		ghost.close()
		x := f.at("n1", "192.0.2.3", "x")
		x.must(wire.MatchWaiting)
		<-time.After(10 * time.Second)
		f.sites["n1"].lobby.Absent(room, "me", netip.MustParseAddr("192.0.2.2"))
		mine, others := me.must(wire.MatchFound), x.must(wire.MatchFound) // the line has x, who is met
		if mine.RoomID != others.RoomID || mine.RoomID == room {
			t.Errorf("rooms %q and %q, want the same new one", mine.RoomID, others.RoomID)
		}
		if got := f.sites["n2"].lobby.Stats().Reoffers; got != 1 {
			t.Errorf("%d were offered again at his node, want him", got)
		}
		if got := f.wires.toldAll(); got != 0 {
			t.Errorf("all were told %d times, want his node only", got)
		}
	})
}

// TestTheOneWhoIsAloneIsTheFirstWhereverHeComesBack is the same for somebody who
// has closed his connection to the lobby; the place is good for once.
func TestTheOneWhoIsAloneIsTheFirstWhereverHeComesBack(t *testing.T) {
	for _, home := range []string{"n1", "n2", "n3"} { // n3 does not know the room
		for _, back := range []string{"n1", "n2", "n3"} {
			t.Run("the room is at "+home+" and he comes back to "+back, func(t *testing.T) {
				fleetOf(t, func(t *testing.T, f *fleetStory) {
					room, ghost, me := f.meet("n1", "ghost", "me")
					ghost.close()
					me.close()
					f.sites[home].lobby.Absent(room, "me", netip.MustParseAddr("192.0.2.2"))
					for range highestSkips { // whatever he did before
						f.sites[back].lobby.turnstile.skip(Party{User: "me"}, time.Now())
					}
					again := f.at(back, "192.0.2.2", "me")
					if news := again.must(wire.MatchWaiting); news.Wait != 0 {
						t.Errorf("who comes back waits %d s", news.Wait)
					}
					again.close()
					for node, s := range f.sites {
						if was, _ := s.lobby.meetings.wasAlone("me"); was {
							t.Errorf("%s would let him be the first once more", node)
						}
					}
				})
			})
		}
	}
}

// TestWhoLeavesBeforeHeIsOfferedAgainIsTheFirstAnywhere is somebody whose connection
// ends while he is about to be offered again.
func TestWhoLeavesBeforeHeIsOfferedAgainIsTheFirstAnywhere(t *testing.T) {
	fleetOf(t, func(t *testing.T, f *fleetStory) {
		room, _, me := f.meet("n1", "ghost", "me")
		v, _, _ := f.sites["n2"].lobby.meetings.absent(&absence{Room: room, Client: "me"}) // as Absent, but the ping comes too late
		if v == nil {
			t.Fatal("who is connected is not found")
		}
		_ = me.ws.NetConn().Close()
		synctest.Wait()
		if was, moved := f.sites["n3"].lobby.meetings.wasAlone("me"); !was || moved {
			t.Errorf("wasAlone = %v, %v, want him remembered as one who was stood up", was, moved)
		}
	})
}

// TestWhoWaitsAtANodeThatStopsIsTheFirstAtAnother drains a node, and stops one:
// who waited keeps his place; who skips so often that he would have to wait has none.
func TestWhoWaitsAtANodeThatStopsIsTheFirstAtAnother(t *testing.T) {
	for name, end := range map[string]func(f *fleetStory){
		"it is drained": func(f *fleetStory) { f.sites["n1"].lobby.Drain() },
		"it stops":      func(f *fleetStory) { f.stop("n1") },
	} {
		t.Run(name, func(t *testing.T) {
			fleetOf(t, func(t *testing.T, f *fleetStory) {
				f.line.apart = true
				me := f.at("n1", "192.0.2.1", "me")
				me.must(wire.MatchWaiting)
				for range highestSkips {
					f.sites["n1"].lobby.turnstile.skip(Party{User: "me too"}, time.Now())
				}
				skipper := f.at("n1", "192.0.2.2", "me too")
				skipper.must(wire.MatchWaiting)
				end(f)
				for _, c := range []*client{me, skipper} {
					if m := c.must(wire.MatchError); m.Reason != wire.ErrorShuttingDown {
						t.Errorf("who waited was told %+v", m)
					}
				}
				synctest.Wait()
				if was, moved := f.sites["n2"].lobby.meetings.wasAlone("me"); !was || !moved {
					t.Errorf("wasAlone = %v, %v, want him remembered as one who had to move", was, moved)
				}
				if was, _ := f.sites["n2"].lobby.meetings.wasAlone("me too"); was {
					t.Error("who had a cool-down gets rid of it at another node")
				}
				again := f.at("n3", "192.0.2.1", "me")
				again.must(wire.MatchWaiting)
				if got := f.sites["n3"].lobby.Stats().Reoffers; got != 0 {
					t.Errorf("%d count as stood up, want none", got)
				}
			})
		})
	}
}

// TestManyMoveInFewMessages holds that none of many is left behind, whatever their
// names are, and that no message is too long.
func TestManyMoveInFewMessages(t *testing.T) {
	fleetOf(t, func(t *testing.T, f *fleetStory) {
		long := strings.Repeat("\x01", wire.MaxUserIDBytes-4) // six bytes each, escaped
		users := []string{}
		for i := range 1000 {
			users = append(users, fmt.Sprintf("%s%04d", long, i))
		}
		f.sites["n1"].lobby.others.move(users)
		for _, user := range users {
			if was, moved := f.sites["n2"].lobby.meetings.wasAlone(user); !was || !moved {
				t.Fatalf("%q was left behind", user)
			}
		}
		if got := f.wires.toldAll(); got > 1000*wire.MaxUserIDBytes/placesTold+2 {
			t.Errorf("they were told in %d messages", got)
		}
	})
}

// TestAReportCountsAtAnyNode reports somebody at the nodes that know the meeting and
// at one that does not.
func TestAReportCountsAtAnyNode(t *testing.T) {
	for _, node := range []string{"n1", "n2", "n3"} {
		fleetOfNamed(t, "at "+node, func(t *testing.T, f *fleetStory) {
			room, a, b := f.meet("n1", "ann", "bob")
			a.close()
			b.close()
			if m := f.report(node, "192.0.2.1", room, "ann"); m.Type != wire.MatchReported {
				t.Errorf("a report is answered with %+v", m)
			}
			if m := f.report(node, "192.0.2.1", room, "ann"); m.Type != wire.MatchReported {
				t.Errorf("the same report is answered with %+v", m)
			}
			if got := f.sites[node].lobby.Stats().Reports; got != 1 {
				t.Errorf("%d reports count, want 1", got)
			}
			for at, s := range f.sites {
				bob := s.lobby.cfg.Bans.suspectsOf(Party{Addr: netip.MustParseAddr("192.0.2.2")}, PeoplePerAddr)[0]
				if r := s.lobby.cfg.Bans.suspects.find(bob.mark, time.Now()); r == nil || len(r.Complaints) != 1 {
					t.Errorf("%s knows of %+v, want one complaint", at, r)
				}
			}
		})
	}
}

func fleetOfNamed(t *testing.T, name string, story func(t *testing.T, f *fleetStory)) {
	t.Helper()
	t.Run(name, func(t *testing.T) { fleetOf(t, story) })
}

// TestAReportThatNobodyKnowsIsRefused holds that one hears so within answerTime, that
// not everybody is asked about any number of them, and that a late answer is none.
func TestAReportThatNobodyKnowsIsRefused(t *testing.T) {
	fleetOf(t, func(t *testing.T, f *fleetStory) {
		began := time.Now()
		if m := f.report("n3", "192.0.2.1", "no room", "ann"); m.Reason != wire.ErrorUnknownRoom || time.Since(began) != answerTime {
			t.Errorf("after %v the answer is %+v, want unknown room after %v", time.Since(began), m, answerTime)
		}
		lobby := f.sites["n3"].lobby
		lobby.others.settle(lobby.others.asked, &answer{Counts: true})
		if got := lobby.Stats().Reports; got != 0 {
			t.Errorf("%d reports count, want none", got)
		}
		before, v := f.wires.toldAll(), &visitor{lobby: lobby}
		for range 10 * strangeBurst {
			lobby.others.ask(v, wire.Report{Type: wire.MatchReport, RoomID: "no room", UserID: "x", Reason: wire.ReportSpam})
		}
		for range 10 * strangeBurst {
			lobby.Absent("no room", "x", netip.Addr{})
		}
		if asked := f.wires.toldAll() - before; asked != 2*strangeBurst {
			t.Errorf("all were asked %d times at once, want %d", asked, 2*strangeBurst)
		}
		for _, q := range lobby.others.questions {
			q.late.Stop() // their visitor has no connection
		}
	})
}

// complain lets so many people meet the troll and report him, each time at other
// nodes.
func (f *fleetStory) complain(people int) {
	f.t.Helper()
	nodes := []string{"n1", "n2", "n3"}
	for range people {
		n := f.names["victim"]
		f.names["victim"]++
		victim, node := fmt.Sprint("victim-", n), nodes[n%3]
		troll := f.sites[nodes[(n+1)%3]].from("192.0.2.66").connect(f.t, asksFrom(fmt.Sprint("troll-", n), "his phone"))
		<-time.After(time.Duration(troll.must(wire.MatchWaiting).Wait) * time.Second)
		c := f.sites[node].from(fmt.Sprint("198.51.100.", n)).connect(f.t, asks(victim))
		room := c.must(wire.MatchFound).RoomID
		troll.must(wire.MatchFound)
		troll.close()
		c.close()
		if m := f.report(nodes[(n+2)%3], fmt.Sprint("198.51.100.", n), room, victim); m.Type != wire.MatchReported {
			f.t.Errorf("the report is answered with %+v", m)
		}
	}
}

// bans is the names of the bans that hold at a node.
func (f *fleetStory) bans(node string) (names []string) {
	for _, ban := range f.sites[node].lobby.cfg.Bans.List() {
		names = append(names, ban.Name)
	}
	return names
}

// TestReportsAtAllNodesLeadToOneBan lets few people report somebody at each node,
// and many in all.
func TestReportsAtAllNodesLeadToOneBan(t *testing.T) {
	fleetOf(t, func(t *testing.T, f *fleetStory) {
		f.complain(reportsToBan)
		want := f.bans("n1")
		if len(want) != 1 {
			t.Fatalf("n1 has the bans %q, want one", want)
		}
		for _, node := range []string{"n1", "n2", "n3"} {
			if got := f.bans(node); !slices.Equal(got, want) {
				t.Errorf("%s has the bans %q, want those of n1: %q", node, got, want)
			}
			troll := f.sites[node].from("192.0.2.67").connect(t, asksFrom("troll", "his phone"))
			if m := troll.mustBeRefused(wire.ErrorBanned, wire.ReasonBanned); m.Ban != want[0] {
				t.Errorf("at %s the ban is %q, want %q", node, m.Ban, want[0])
			}
		}
	})
}

// TestTheOperatorBansInTheWholeFleet bans at one node somebody who waits at a second
// and has a room at a third, and lifts the ban at yet another one.
func TestTheOperatorBansInTheWholeFleet(t *testing.T) {
	fleetOf(t, func(t *testing.T, f *fleetStory) {
		room, a, b := f.meet("n3", "ann", "troll") // from 192.0.2.2
		a.close()
		b.close()
		waits := f.at("n2", "192.0.2.2", "troll")
		waits.must(wire.MatchWaiting)
		banned, err := f.sites["n1"].lobby.BanAddr(netip.MustParseAddr("192.0.2.2"), aDay())
		if err != nil || len(banned.Bans) != 1 {
			t.Fatalf("BanAddr = %+v, %v", banned, err)
		}
		if m := waits.mustBeRefused(wire.ErrorBanned, wire.ReasonBanned); m.Ban != banned.Bans[0].Name {
			t.Errorf("who waits elsewhere is told %+v", m)
		}
		synctest.Wait()
		if !slices.Equal(f.ended["n2"], []string{room}) || !slices.Equal(f.ended["n3"], []string{room}) {
			t.Errorf("rooms %v are to end, want %q at n2 and n3", f.ended, room)
		}
		if found, err := f.sites["n3"].lobby.cfg.Bans.Lift(banned.Bans[0].Name); !found || err != nil {
			t.Fatalf("Lift = %v, %v", found, err)
		}
		for _, node := range []string{"n1", "n2", "n3"} {
			free := f.at(node, "192.0.2.2", "troll")
			free.must(wire.MatchWaiting)
			free.close()
		}
	})
}

// TestTheOperatorBansADeviceInTheWholeFleet is the same for a device.
func TestTheOperatorBansADeviceInTheWholeFleet(t *testing.T) {
	fleetOf(t, func(t *testing.T, f *fleetStory) {
		troll := f.sites["n1"].from("192.0.2.66").connect(t, asksFrom("troll", "his phone"))
		troll.must(wire.MatchWaiting)
		ann := f.at("n2", "192.0.2.1", "ann")
		room := ann.must(wire.MatchFound).RoomID
		again := f.sites["n3"].from("192.0.2.77").connect(t, asksFrom("another name", "his phone"))
		again.must(wire.MatchWaiting)
		banned, err := f.sites["n2"].lobby.BanMember(room, "troll", netip.Addr{}, BanDevice, aDay())
		if err != nil || len(banned.Bans) != 1 {
			t.Fatalf("BanMember = %+v, %v", banned, err)
		}
		again.mustBeRefused(wire.ErrorBanned, wire.ReasonBanned)
	})
}

// TestANodeThatWasDownLearnsTheBans restarts a node, with the file that it had, after
// others have banned somebody and let somebody else off.
func TestANodeThatWasDownLearnsTheBans(t *testing.T) {
	fleetOf(t, func(t *testing.T, f *fleetStory) {
		file := filepath.Join(t.TempDir(), "bans.json")
		f.stop("n3")
		f.start("n3", file)
		first, err := f.sites["n1"].lobby.BanAddr(netip.MustParseAddr("192.0.2.66"), aDay())
		if err != nil {
			t.Fatal(err)
		}
		f.stop("n3")
		second, err := f.sites["n2"].lobby.BanAddr(netip.MustParseAddr("192.0.2.77"), aDay())
		if err != nil {
			t.Fatal(err)
		}
		if found, err := f.sites["n1"].lobby.cfg.Bans.Lift(first.Bans[0].Name); !found || err != nil {
			t.Fatalf("Lift = %v, %v", found, err)
		}
		synctest.Wait()
		f.start("n3", file)
		if got, want := f.bans("n3"), []string{second.Bans[0].Name}; !slices.Equal(got, want) {
			t.Errorf("after its restart the node has the bans %q, want %q", got, want)
		}
	})
}

// TestBansSurviveAStoreThatForgets cuts a node off while it bans, lets the store
// lose everything, and fail for a while: in the end all have all bans.
func TestBansSurviveAStoreThatForgets(t *testing.T) {
	fleetOf(t, func(t *testing.T, f *fleetStory) {
		f.wires.becomes("n1", true)
		f.shelf.mu.Lock()
		f.shelf.err = fmt.Errorf("down")
		f.shelf.mu.Unlock()
		for node, addr := range map[string]string{"n1": "192.0.2.66", "n2": "192.0.2.77"} {
			if _, err := f.sites[node].lobby.BanAddr(netip.MustParseAddr(addr), aDay()); err != nil {
				t.Fatal(err)
			}
		}
		if got := f.bans("n3"); len(got) != 1 {
			t.Errorf("n3 has the bans %q, want that of n2", got)
		}
		f.shelf.mu.Lock()
		f.shelf.err, f.shelf.kept = nil, map[string][]byte{"not a mark": []byte("not a ban")}
		f.shelf.mu.Unlock()
		<-time.After(2 * syncEvery)
		synctest.Wait()
		for _, node := range []string{"n1", "n2", "n3"} {
			if got := f.bans(node); len(got) != 2 {
				t.Errorf("%s has the bans %q, want both", node, got)
			}
		}
		<-time.After(24 * time.Hour)
		synctest.Wait()
		if n := f.shelf.count(); n != 1 {
			t.Errorf("%d records are kept a day later, want only what is none", n)
		}
	})
}

// TestTheLaterOfTwoBansCounts tells two nodes of two bans in both orders, and of the
// lifting of the first.
func TestTheLaterOfTwoBansCounts(t *testing.T) {
	t.Parallel()
	now := time.Now()
	who := mark(strings.Repeat("ab", markBytes))
	ban := func(name string, since time.Time) *ruling {
		return &ruling{Mark: who, Times: 1, Ban: Ban{Name: name, Kind: BanDevice, Since: since, Until: since.Add(time.Hour)}}
	}
	first, second, twin := ban("first", now), ban("second", now.Add(time.Second)), ban("second twin", now.Add(time.Second))
	lifted := &ruling{Mark: who, Lifted: now.Add(time.Millisecond)}
	for i, order := range [][]*ruling{{first, second, twin, lifted}, {twin, lifted, second, first}, {lifted, first, twin, second}} {
		b := newBans(BansConfig{})
		for _, m := range order {
			b.learn(m, now)
		}
		if list := b.List(); len(list) != 1 || list[0].Name != "second twin" {
			t.Errorf("order %d: the bans are %+v, want the last one", i, list)
		}
		if b.learn(&ruling{Mark: who, Lifted: now.Add(time.Minute)}, now); len(b.List()) != 0 {
			t.Errorf("order %d: a ban holds that was lifted", i)
		}
	}
}

// TestWhatIsNoMessageIsCounted tells a lobby nonsense of every kind.
func TestWhatIsNoMessageIsCounted(t *testing.T) {
	fleetOf(t, func(t *testing.T, f *fleetStory) {
		kinds := []string{toldAbsent, toldPlaces, toldReport, toldAnswer, toldComplaint, toldBan}
		for _, kind := range kinds {
			plug{f.wires, "n2"}.Tell("n1", kind, []byte(`{"room":7}nonsense`))
		}
		plug{f.wires, "n2"}.Tell("n1", toldPlaces, slices.Repeat([]byte(" "), maxTold+1))
		if got := f.sites["n1"].lobby.Stats().Unread; got != uint64(len(kinds)+1) {
			t.Errorf("%d messages could not be read, want all %d", got, len(kinds)+1)
		}
	})
}
