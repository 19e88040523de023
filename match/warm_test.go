package match

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// relay is what a lobby tells the relay, in its order. It mints for life, unless
// it is scarce.
type relay struct {
	life time.Duration

	mu     sync.Mutex // guards the fields below
	scarce bool
	log    []string
}

func (r *relay) note(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.log = append(r.log, fmt.Sprintf(format, args...))
}

// heard takes what was noted so far.
func (r *relay) heard() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	log := r.log
	r.log = nil
	return log
}

func (r *relay) becomes(scarce bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.scarce = scarce
}

func (r *relay) hears(t *testing.T, want ...string) {
	t.Helper()
	synctest.Wait()
	if got := r.heard(); !slices.Equal(got, want) {
		t.Errorf("the relay heard %q, want %q", got, want)
	}
}

func (r *relay) servers(user string) ([]wire.ICEServer, time.Time) {
	return []wire.ICEServer{{URLs: []string{"turn:192.0.2.9"}, Username: user, Credential: "secret"}}, time.Now().Add(r.life)
}

// config is that of a lobby which talks to the relay.
func (r *relay) config(pool PoolConfig) Config {
	return Config{
		PoolConfig: pool,
		ICEServers: func(w Wanted) ([]wire.ICEServer, time.Time) {
			r.note("match %s %s %v%s", w.Room, w.Side, w.Partner, hiding(w.Hides))
			return r.servers(w.Room + "." + string(w.Side) + ".tag")
		},
		Warm: Warm{
			ICEServers: func(room string, visitor netip.Addr, hides bool) ([]wire.ICEServer, time.Time) {
				if r.mu.Lock(); r.scarce {
					r.mu.Unlock()
					return nil, time.Time{}
				}
				r.mu.Unlock()
				r.note("warm %s %v%s", room, visitor, hiding(hides))
				return r.servers(room)
			},
			Introduce: func(w Wanted) { r.note("introduce %s %v", w.Room, w.Partner) },
			Join:      func(room string, to Wanted) { r.note("join %s to %s %v", room, to.Room, to.Partner) },
			Unused:    func(room string) { r.note("unused %s", room) },
		},
	}
}

// hiding is what the relay notes of who hides.
func hiding(hides bool) string {
	if hides {
		return " hides"
	}
	return ""
}

// prepares is the request of somebody who prepares his connection.
func prepares(user string) string { return fmt.Sprintf(`{"user_id":%q,"ext":["warm"]}`, user) }

// username is that of the credentials in a message; empty: it has none.
func username(m wire.MatchMessage) string {
	if len(m.ICEServers) == 0 {
		return ""
	}
	return m.ICEServers[0].Username
}

// warmStory runs a story with a relay on a fake clock.
func warmStory(t *testing.T, pool PoolConfig, story func(t *testing.T, s *site, r *relay)) {
	t.Parallel()
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := &relay{life: 10 * time.Minute}
		s := openSite(t, r.config(pool))
		story(t, s, r)
		s.stop()
	})
}

// TestWhoWaitsPreparesTheRoomOfTheMatch holds that the credentials of WAITING
// are for the room of the match, and that the relay knows the partner before the
// visitor knows of the match.
func TestWhoWaitsPreparesTheRoomOfTheMatch(t *testing.T) {
	warmStory(t, PoolConfig{}, func(t *testing.T, s *site, r *relay) {
		a := s.from("192.0.2.1").connect(t, prepares("a"))
		if news := a.must(wire.MatchWaiting); username(news) != "name-1" || !news.ExpiresAt.Equal(time.Now().Add(r.life)) {
			t.Errorf("WAITING = %+v, want credentials for name-1, and their end", news)
		}
		r.hears(t, "warm name-1 192.0.2.1")
		b := s.from("192.0.2.2").connect(t, prepares("b"))
		forA, forB := a.must(wire.MatchFound), b.must(wire.MatchFound)
		if forA.RoomID != "room-1" || forB.RoomID != "room-1" {
			t.Errorf("rooms %q and %q, want that which a has prepared", forA.RoomID, forB.RoomID)
		}
		if username(forA) != "name-1.a.tag" || username(forB) != "name-1.b.tag" {
			t.Errorf("credentials of %q and %q, want fresh ones for that room", username(forA), username(forB))
		}
		if forA.Role != wire.RoleOffer || forB.Role != wire.RoleAnswer {
			t.Errorf("roles %q and %q, want the offer of who has prepared", forA.Role, forB.Role)
		}
		r.hears(t, "introduce name-1 192.0.2.2", "match name-1 a 192.0.2.2", "match name-1 b 192.0.2.1")
		a.close()
		b.close()
		r.hears(t) // the room is that of the two now
		if got := s.lobby.Stats().Warmed; got != 1 {
			t.Errorf("Stats().Warmed = %d, want 1", got)
		}
	})
}

// TestWhoHidesIsNotIntroduced lets one of two hide, who has waited or has come: the
// relay is told of him that he hides, and not where he is.
func TestWhoHidesIsNotIntroduced(t *testing.T) {
	const hidden = `{"user_id":%q,"ext":["warm","relay-only"]}`
	for name, c := range map[string]struct{ first, second, warm, a, b string }{
		"who has waited": {fmt.Sprintf(hidden, "a"), prepares("b"), " hides", "192.0.2.2 hides", "invalid IP"},
		"who has come":   {prepares("a"), fmt.Sprintf(hidden, "b"), "", "invalid IP", "192.0.2.1 hides"},
	} {
		t.Run(name, func(t *testing.T) {
			warmStory(t, PoolConfig{}, func(t *testing.T, s *site, r *relay) {
				a := s.from("192.0.2.1").connect(t, c.first)
				a.must(wire.MatchWaiting)
				b := s.from("192.0.2.2").connect(t, c.second)
				s.pair(t, a, b)
				a.close()
				b.close()
				r.hears(t, "warm name-1 192.0.2.1"+c.warm, "introduce name-1 "+strings.TrimSuffix(c.a, " hides"), "match name-1 a "+c.a, "match name-1 b "+c.b)
			})
		})
	}
}

// TestTheRelayIsNotToldWhereWhoHidesIs is the same where each has prepared a room.
func TestTheRelayIsNotToldWhereWhoHidesIs(t *testing.T) {
	warmStory(t, PoolConfig{}, func(t *testing.T, s *site, r *relay) {
		a := s.from("192.0.2.1").connect(t, `{"user_id":"a","tags":["go"],"ext":["warm","relay-only"]}`)
		a.must(wire.MatchWaiting)
		b := s.from("192.0.2.2").connect(t, `{"user_id":"b","tags":["art"],"ext":["warm"]}`)
		b.must(wire.MatchWaiting)
		s.pair(t, a, b)
		r.hears(t, "warm name-1 192.0.2.1 hides", "warm name-2 192.0.2.2",
			"introduce name-1 192.0.2.2", "match name-1 a 192.0.2.2 hides",
			"join name-2 to name-1 invalid IP", "match name-1 b invalid IP")
	})
}

// TestWaitingTellsUntilWhenTagsMatter has somebody with tags told how long he still
// meets only who shares one, whatever the operator has set; and nobody else.
func TestWaitingTellsUntilWhenTagsMatter(t *testing.T) {
	warmStory(t, PoolConfig{TagWait: 20 * time.Second}, func(t *testing.T, s *site, _ *relay) {
		a := s.from("192.0.2.1").connect(t, `{"user_id":"a","tags":["go"],"ext":["waiting"]}`)
		if news := a.must(wire.MatchWaiting); news.Relax != 20 {
			t.Errorf("WAITING = %+v at first, want relax 20", news)
		}
		<-time.After(5 * time.Second)
		b := s.from("192.0.2.2").connect(t, `{"user_id":"b","tags":["art"]}`)
		if news := b.must(wire.MatchWaiting); news.Relax != 0 {
			t.Errorf("WAITING of who has not announced it = %+v, want no relax", news)
		}
		if news := a.must(wire.MatchWaiting); news.Relax < 14 || news.Relax > 15 { // told of b within a second
			t.Errorf("WAITING = %+v after 5 s, want relax 14 or 15", news)
		}
	})
}

// TestRolesNeedTwo holds that there are no roles unless both have announced that
// they prepare: else who comes second makes the offer, as clients know it.
func TestRolesNeedTwo(t *testing.T) {
	for _, c := range []struct{ first, second string }{
		{asks("a"), asks("b")}, {prepares("a"), asks("b")}, {asks("a"), prepares("b")},
	} {
		t.Run(c.first+c.second, func(t *testing.T) {
			warmStory(t, PoolConfig{}, func(t *testing.T, s *site, _ *relay) {
				a := s.from("192.0.2.1").connect(t, c.first)
				a.must(wire.MatchWaiting)
				b := s.from("192.0.2.2").connect(t, c.second)
				if forA, forB := a.must(wire.MatchFound), b.must(wire.MatchFound); forA.Role != "" || forB.Role != "" || forA.RoomID != forB.RoomID {
					t.Errorf("MATCH = %+v and %+v, want no roles in one room", forA, forB)
				}
			})
		})
	}
}

// TestNothingIsMintedForWhoDoesNotPrepare has two who have not announced it.
func TestNothingIsMintedForWhoDoesNotPrepare(t *testing.T) {
	warmStory(t, PoolConfig{}, func(t *testing.T, s *site, r *relay) {
		a := s.from("192.0.2.1").connect(t, asks("a"))
		if news := a.must(wire.MatchWaiting); news.ICEServers != nil || !news.ExpiresAt.IsZero() {
			t.Errorf("WAITING = %+v, want no credentials", news)
		}
		b := s.from("192.0.2.2").connect(t, asks("b"))
		s.pair(t, a, b)
		a.close()
		b.close()
		r.hears(t, "match name-1 a 192.0.2.2", "match name-1 b 192.0.2.1")
	})
}

// TestTwoWhoHavePrepared lets two wait who like different things, until that does
// not matter: one room becomes part of the other.
func TestTwoWhoHavePrepared(t *testing.T) {
	warmStory(t, PoolConfig{}, func(t *testing.T, s *site, r *relay) {
		a := s.from("192.0.2.1").connect(t, `{"user_id":"a","tags":["go"],"ext":["warm"]}`)
		a.must(wire.MatchWaiting)
		b := s.from("192.0.2.2").connect(t, `{"user_id":"b","tags":["art"],"ext":["warm"]}`)
		if news := b.must(wire.MatchWaiting); username(news) != "name-2" {
			t.Errorf("WAITING = %+v, want credentials for name-2", news)
		}
		s.pair(t, a, b)
		r.hears(t, "warm name-1 192.0.2.1", "warm name-2 192.0.2.2",
			"introduce name-1 192.0.2.2", "match name-1 a 192.0.2.2",
			"join name-2 to name-1 192.0.2.1", "match name-1 b 192.0.2.1")
	})
}

// TestARoomThatIsNotUsedEnds has visitors who go without a match, in every way.
func TestARoomThatIsNotUsedEnds(t *testing.T) {
	for name, end := range map[string]func(t *testing.T, s *site, a *client){
		"he leaves":       func(_ *testing.T, _ *site, a *client) { a.close() },
		"he is cut":       func(_ *testing.T, _ *site, a *client) { _ = a.ws.Close() },
		"nobody comes":    func(_ *testing.T, _ *site, a *client) { a.must(wire.MatchTimeout) },
		"the server ends": func(_ *testing.T, s *site, _ *client) { s.stop() },
	} {
		t.Run(name, func(t *testing.T) {
			warmStory(t, PoolConfig{MaxWait: time.Minute}, func(t *testing.T, s *site, r *relay) {
				a := s.from("192.0.2.1").connect(t, prepares("a"))
				a.must(wire.MatchWaiting)
				end(t, s, a)
				<-a.ends
				r.hears(t, "warm name-1 192.0.2.1", "unused name-1")
			})
		})
	}
}

// TestCredentialsAreRenewed holds that who waits for a minute always has some
// that are good, however short they live, and is not sent many.
func TestCredentialsAreRenewed(t *testing.T) {
	for _, c := range []struct {
		life  time.Duration
		times int // at most
	}{
		{5 * time.Second, 20}, {30 * time.Second, 3}, {10 * time.Minute, 1},
	} {
		t.Run(c.life.String(), func(t *testing.T) {
			warmStory(t, PoolConfig{MaxWait: time.Minute}, func(t *testing.T, s *site, r *relay) {
				r.life = c.life
				a := s.from("192.0.2.1").connect(t, prepares("a"))
				times, good := 0, time.Now().Add(time.Second)
				for text := range a.got {
					m := decode(t, text)
					if !time.Now().Before(good) {
						t.Errorf("%+v comes %v after the end of the last credentials", m, time.Since(good))
					}
					if m.Type == wire.MatchWaiting && username(m) == "name-1" {
						times, good = times+1, m.ExpiresAt
					}
				}
				if times == 0 || times > c.times {
					t.Errorf("%d times credentials that live for %v in a minute, want at most %d", times, c.life, c.times)
				}
			})
		})
	}
}

// TestScarceCredentialsComeLater holds that who is given nothing at first is
// given something as soon as there is enough of it, and has a role anyhow.
func TestScarceCredentialsComeLater(t *testing.T) {
	warmStory(t, PoolConfig{}, func(t *testing.T, s *site, r *relay) {
		r.becomes(true)
		a := s.from("192.0.2.1").connect(t, prepares("a"))
		if news := a.must(wire.MatchWaiting); username(news) != "" {
			t.Errorf("WAITING = %+v, want no credentials", news)
		}
		<-time.After(5 * time.Second)
		r.becomes(false)
		was := time.Now()
		if news := a.must(wire.MatchWaiting); username(news) != "name-1" || time.Since(was) > NewsEvery {
			t.Errorf("after %v, WAITING = %+v, want credentials", time.Since(was), news)
		}
		r.becomes(true)
		b := s.from("192.0.2.2").connect(t, `{"user_id":"b","tags":["x"],"ext":["warm"]}`)
		b.must(wire.MatchWaiting)
		c := s.from("192.0.2.3").connect(t, `{"user_id":"c","tags":["x"],"ext":["warm"]}`)
		if forB, forC := b.must(wire.MatchFound), c.must(wire.MatchFound); forB.Role != wire.RoleOffer || forC.Role != wire.RoleAnswer {
			t.Errorf("roles %q and %q, want offer and answer", forB.Role, forC.Role)
		}
		r.hears(t, "warm name-1 192.0.2.1", "match name-2 a 192.0.2.3", "match name-2 b 192.0.2.2")
	})
}

// TestWhoIsOfferedAgainPreparesAnotherRoom lets a partner stay away.
func TestWhoIsOfferedAgainPreparesAnotherRoom(t *testing.T) {
	warmStory(t, PoolConfig{}, func(t *testing.T, s *site, r *relay) {
		me := s.from("192.0.2.1").connect(t, prepares("me"))
		me.must(wire.MatchWaiting)
		ghost := s.from("192.0.2.2").connect(t, asks("ghost"))
		room := s.pair(t, me, ghost)
		ghost.close()
		r.hears(t, "warm name-1 192.0.2.1", "introduce name-1 192.0.2.2", "match name-1 a 192.0.2.2", "match name-1 b 192.0.2.1")
		s.lobby.Absent(room, "me", netip.MustParseAddr("192.0.2.1"))
		if news := me.must(wire.MatchWaiting); username(news) != "name-2" {
			t.Errorf("WAITING = %+v, want credentials for another room", news)
		}
		you := s.from("192.0.2.3").connect(t, asks("you"))
		if room := s.pair(t, me, you); room != "room-2" {
			t.Errorf("the room is %q, want that which was prepared", room)
		}
		r.hears(t, "warm name-2 192.0.2.1", "introduce name-2 192.0.2.3", "match name-2 a 192.0.2.3", "match name-2 b 192.0.2.1")
	})
}

// TestWhoHasLeftOpensNoRoom holds that a match which comes too late for somebody
// tells the relay of no partner, and gives nobody credentials that were minted
// for a room that is taken.
func TestWhoHasLeftOpensNoRoom(t *testing.T) {
	t.Parallel()
	r := &relay{life: time.Minute}
	v := someone("a")
	v.lobby, v.warm = newLobby(r.config(PoolConfig{})), new(prepared)
	v.prepare()
	name, now := v.warm.due(time.Now()), time.Now()
	if !v.warm.give(name, now, now.Add(r.life)) || v.warm.due(now) != "" {
		t.Error("credentials were not given, or are due again")
	}
	v.forgo()
	v.forgo()
	for _, side := range []wire.Side{wire.SideA, wire.SideB} {
		if v.Meet(Meeting{RoomName: name, Side: side}) == nil {
			t.Errorf("Meet of who has left, as side %s = nil, want an error", side)
		}
	}
	v.News(1) // which would be a panic if it sent anything: there is no connection
	if v.warm.give(name, now, now.Add(r.life)) {
		t.Error("credentials were given for a room that has ended")
	}
	if got, want := r.heard(), []string{"unused " + name}; !slices.Equal(got, want) {
		t.Errorf("the relay heard %q, want %q", got, want)
	}
}
