package match

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// TestWhoSkipsOftenWaits lets somebody go on to the next a hundred times in a
// minute, in all the ways in which one can hide: with one user id, with one
// device, with nothing but his address.
func TestWhoSkipsOftenWaits(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		request func(i int) string
		free    int // skips without a cool-down, at least
		waits   int // skips with one, at least
	}{
		"one user":    {func(int) string { return asks("me") }, freeSkips, 85},
		"one device":  {func(i int) string { return asksFrom(fmt.Sprint("user-", i), "my phone") }, freeSkips, 85},
		"one address": {func(i int) string { return asksFrom(fmt.Sprint("user-", i), fmt.Sprint("device-", i)) }, PeoplePerAddr * freeSkips, 35},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := openSite(t, Config{FairUse: FairUse{SkipEvery: SkipEvery, PeoplePerAddr: PeoplePerAddr}})
				waits, longest := 0, 0
				for i := range 100 {
					a := s.from("192.0.2.1").connect(t, c.request(i))
					wait := a.must(wire.MatchWaiting).Wait
					if wait > 0 && i < c.free {
						t.Errorf("skip %d of %d free ones waits %d s", i+1, c.free, wait)
					}
					if wait > 0 {
						waits++
					}
					longest = max(longest, wait)
					a.close()
					<-time.After(600 * time.Millisecond)
				}
				if waits < c.waits || longest < 32 || longest > 60 {
					t.Errorf("100 skips in a minute: %d waited, the longest %d s; want %d or more, and 32 to 60 s", waits, longest, c.waits)
				}
				<-time.After(highestSkips * SkipEvery)
				a := s.from("192.0.2.1").connect(t, c.request(0))
				if m := a.must(wire.MatchWaiting); m.Wait != 0 {
					t.Errorf("later he still waits %d s", m.Wait)
				}
				s.stop()
			})
		})
	}
}

func TestWhoGoesOnNowAndThenNeverWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := openSite(t, Config{FairUse: FairUse{SkipEvery: SkipEvery, PeoplePerAddr: PeoplePerAddr}})
		for i := range 100 { // of five a minute
			a := s.from("192.0.2.1").connect(t, asksFrom("me", "my phone"))
			if m := a.must(wire.MatchWaiting); m.Wait != 0 {
				t.Errorf("request %d waits %d s", i, m.Wait)
			}
			a.close()
			<-time.After(12 * time.Second)
		}
		s.stop()
	})
}

// TestWaitingSideBySideIsNoSkip holds that only who is through with a request
// has skipped: a load test with one user id, or somebody with many tabs, has not.
func TestWaitingSideBySideIsNoSkip(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := openSite(t, Config{FairUse: FairUse{SkipEvery: SkipEvery, PeoplePerAddr: PeoplePerAddr}})
		for i := range 100 {
			if m := s.from("192.0.2.1").connect(t, asks("me")).must(wire.MatchWaiting); m.Wait != 0 {
				t.Errorf("tab %d waits %d s", i+1, m.Wait)
			}
		}
		s.stop()
	})
}

// TestACooldownIsKept holds that nobody meets who cools down, that he is told
// when it is over, and that it is no time of waiting.
func TestACooldownIsKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := openSite(t, Config{FairUse: FairUse{SkipEvery: SkipEvery}})
		for range highestSkips - 1 {
			s.from("192.0.2.1").connect(t, asks("me")).close()
		}
		synctest.Wait() // nobody else is here
		start := time.Now()
		a := s.from("192.0.2.1").connect(t, asks("me"))
		wait := a.must(wire.MatchWaiting).Wait
		if wait != 60 {
			t.Errorf("after %d skips one waits %d s, want 60", highestSkips, wait)
		}
		if m := a.must(wire.MatchWaiting); m.Wait != 0 || time.Since(start) < time.Minute {
			t.Errorf("after %v: %+v, want no news before the cool-down is over", time.Since(start), m)
		}
		a.must(wire.MatchTimeout)
		if took := time.Since(start); took < 3*time.Minute {
			t.Errorf("TIMEOUT after %v, want 2 minutes after the cool-down", took)
		}
		s.stop()
	})
}

func TestWhoCoolsDownMeetsNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := openSite(t, Config{FairUse: FairUse{SkipEvery: SkipEvery}})
		for range freeSkips + 3 {
			s.from("192.0.2.1").connect(t, asks("me")).close()
		}
		synctest.Wait() // nobody else is here
		start := time.Now()
		a := s.from("192.0.2.1").connect(t, asks("me"))
		wait := time.Duration(a.must(wire.MatchWaiting).Wait) * time.Second
		b := s.from("192.0.2.2").connect(t, asks("you"))
		a.must(wire.MatchFound)
		b.must(wire.MatchFound)
		if took := time.Since(start); took < wait || took > wait+2*tickEvery || wait != 8*time.Second {
			t.Errorf("matched after %v, want when the cool-down of %v (8 s) was over", took, wait)
		}
		s.stop()
	})
}

func TestTooManyWaitFromOneAddress(t *testing.T) {
	t.Parallel()
	s := openRealSite(t, Config{FairUse: FairUse{MaxPerAddr: 3}})
	here, there := s.from("127.0.0.2"), s.from("127.0.0.3")
	var mine []*client
	for i := range 3 {
		mine = append(mine, here.connect(t, request("me")))
		here.await(t, func(s Stats) bool { return s.Waiting == i+1 })
	}
	here.connect(t, request("me")).mustBeRefused(wire.ErrorTooMany, wire.ReasonTooMany)
	you := there.connect(t, request("you")) // meets one of mine
	mine[0].must(wire.MatchFound)
	you.must(wire.MatchFound)
	mine = append(mine, here.connect(t, request("me"))) // who has a partner does not wait
	here.await(t, func(s Stats) bool { return s.Waiting == 3 })
	here.connect(t, request("me")).mustBeRefused(wire.ErrorTooMany, wire.ReasonTooMany)
	mine[3].close()
	here.await(t, func(s Stats) bool { return s.Visitors == 2 })
	here.connect(t, request("me"))
	here.await(t, func(s Stats) bool { return s.Waiting == 3 })
	if n := s.lobby.Stats().Refusals[wire.ErrorTooMany]; n != 2 {
		t.Errorf("%d were refused, want 2", n)
	}
	s.stop()
}

func TestTooFastFromOneAddress(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := openSite(t, Config{FairUse: FairUse{OffersPerAddr: 2}})
		ask := func(ip string, i int) *client { return s.from(ip).connect(t, asks(fmt.Sprint("user-", i))) }
		for i := range 60 {
			c := ask(fmt.Sprintf("2001:db8::%d", i+1), i)
			c.must(wire.MatchWaiting)
			c.close()
		}
		m := ask("2001:db8::ffff:1", 0).mustBeRefused(wire.ErrorTooFast, wire.ReasonTooFast)
		if m.Wait != 1 {
			t.Errorf("ERROR too-fast says to wait %d s, want 1", m.Wait)
		}
		c := ask("2001:db8:0:1::1", 0) // the next /64
		c.must(wire.MatchWaiting)
		c.close()
		<-time.After(time.Second)
		for range 2 { // two a second
			c := ask("2001:db8::1", 0)
			c.must(wire.MatchWaiting)
			c.close()
		}
		ask("2001:db8::1", 0).mustBeRefused(wire.ErrorTooFast, wire.ReasonTooFast)
		s.stop()
	})
}

func TestTagsAreNormalised(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := openSite(t, Config{})
		a := s.from("192.0.2.1").connect(t, `{"user_id":"a","created_at":"2026-11-21T10:00:00Z","tags":["#Go "]}`)
		a.must(wire.MatchWaiting)
		s.from("192.0.2.2").connect(t, `{"user_id":"b","created_at":"2026-11-21T10:00:00Z","tags":["GO"]}`)
		if m := a.must(wire.MatchFound); len(m.Tags) != 1 || m.Tags[0] != "go" {
			t.Errorf("shared tags %q, want [go]", m.Tags)
		}
		s.stop()
	})
}

// TestRecentForgets holds a recent to its two bounds.
func TestRecentForgets(t *testing.T) {
	t.Parallel()
	now := time.Unix(1795255801, 0)
	r := newRecent[int, string](3, time.Minute)
	for i := range 3 {
		*r.touch(i, now) = fmt.Sprint(i)
	}
	r.touch(0, now.Add(time.Second))
	*r.touch(3, now.Add(2*time.Second)) = "3"
	if r.find(1, now) != nil || *r.find(0, now) != "0" || *r.find(2, now) != "2" || *r.find(3, now) != "3" || len(r.entries) != 3 {
		t.Errorf("a fourth entry left %d, want the one gone that was touched longest ago", len(r.entries))
	}
	r.drop(2)
	later := now.Add(61 * time.Second)
	if r.find(0, later) == nil || r.find(0, later.Add(time.Second)) != nil {
		t.Error("an entry lives other than a minute after it was touched")
	}
	if v := r.touch(0, later.Add(time.Hour)); *v != "" {
		t.Errorf("an entry that is over is back with %q", *v)
	}
	r.touch(9, later.Add(time.Hour))
	if len(r.entries) != 2 {
		t.Errorf("%d entries, want those gone that are over", len(r.entries))
	}
	var order []int
	r.all(func(_ time.Time, k int, _ *string) { order = append(order, k) })
	if fmt.Sprint(order) != "[0 9]" {
		t.Errorf("entries in the order %v, want the oldest first", order)
	}
}
