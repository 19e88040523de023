package match

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// standsBy is what a page says that has just been opened.
const standsBy = `{"type":"STANDBY"}`

// standbyStory runs a story of people online on a fake clock.
func standbyStory(t *testing.T, cfg Config, story func(t *testing.T, s *site, online *atomic.Int64)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var online atomic.Int64
		cfg.Online = func() int { return int(online.Load()) }
		s := openSite(t, cfg)
		story(t, s, &online)
		s.stop()
	})
}

// isClosed holds the connection to end with a code and a reason.
func (c *client) isClosed(code wire.CloseCode, reason string) {
	c.t.Helper()
	<-c.ends
	if closed, ok := errors.AsType[*websocket.CloseError](c.err); !ok || closed.Code != int(code) || closed.Text != reason {
		c.t.Errorf("the connection ended with %v, want close %d %q", c.err, code, reason)
	}
}

// TestWhoStandsByAsksOnTheSameConnection is the way of a page: it stands by, is
// told who is online, asks, and waits for longer than it might have stood by.
func TestWhoStandsByAsksOnTheSameConnection(t *testing.T) {
	standbyStory(t, Config{}, func(t *testing.T, s *site, online *atomic.Int64) {
		online.Store(7)
		page := s.from("192.0.2.1").connect(t, standsBy)
		if text, want := string(<-page.got), `{"type":"WAITING","online":7}`+"\n"; text != want {
			t.Errorf("who stands by is told %s, want %s", text, want)
		}
		if got := s.lobby.Stats(); got.Standby != 1 || got.Connected != 1 || got.Visitors != 0 || got.Waiting != 0 {
			t.Errorf("Stats() = %+v, want 1 who stands by, and nobody who waits", got)
		}
		other := s.from("192.0.2.2").connect(t, asks("other")) // who stands by is no partner
		if news := other.must(wire.MatchWaiting); news.Waiting != 1 {
			t.Errorf("WAITING = %+v, want 1 waiting", news)
		}
		other.close()
		<-time.After(standbyFor - time.Second)
		page.say(asks("page"))
		if news := page.must(wire.MatchWaiting); news.Waiting != 1 {
			t.Errorf("WAITING = %+v, want 1 waiting", news)
		}
		if got := s.lobby.Stats(); got.Standby != 0 || got.Waiting != 1 {
			t.Errorf("Stats() = %+v, want nobody who stands by, and 1 who waits", got)
		}
		<-time.After(90 * time.Second)
		you := s.from("192.0.2.3").connect(t, asks("you"))
		s.pair(t, page, you)
	})
}

// TestWhoStandsByHearsOfOthers holds that news comes when there is any, within
// standbyNewsEvery and no more often, until the time is over.
func TestWhoStandsByHearsOfOthers(t *testing.T) {
	standbyStory(t, Config{}, func(t *testing.T, s *site, online *atomic.Int64) {
		page := s.from("192.0.2.1").connect(t, standsBy)
		if text, want := string(<-page.got), `{"type":"WAITING"}`+"\n"; text != want {
			t.Errorf("who stands by is told %s, want %s: nobody is online", text, want)
		}
		begin, last := time.Now(), time.Now()
		for n := int64(1); n <= 4; n++ { // the number changes, and changes again before it is told
			online.Store(100 * n)
			<-time.After(time.Second)
			online.Store(n)
			news := page.must(wire.MatchWaiting)
			if since := time.Since(last); news.Online != int(n) || since < standbyNewsEvery || since > standbyNewsEvery+standbyTick {
				t.Errorf("after %v, WAITING = %+v, want %d online, every %v", since, news, n, standbyNewsEvery)
			}
			last = time.Now()
		}
		page.say(standsBy) // which changes nothing
		if text, more := <-page.got; more {
			t.Errorf("who stands by is told %s, and nothing has changed", text)
		}
		page.isClosed(wire.CloseNormal, wire.ReasonDone)
		if since := time.Since(begin); since != standbyFor {
			t.Errorf("the connection is kept for %v, want %v", since, standbyFor)
		}
	})
}

// TestFewStandByAtOneAddress holds that the oldest gives way to one too many of
// its subscriber address, and to nobody else's.
func TestFewStandByAtOneAddress(t *testing.T) {
	standbyStory(t, Config{}, func(t *testing.T, s *site, _ *atomic.Int64) {
		elsewhere := s.from("192.0.2.1").connect(t, standsBy)
		var pages []*client
		for i := range maxStandbyPerAddr + 2 {
			page := s.from(fmt.Sprintf("2001:db8::%d", i+1)).connect(t, standsBy) // one /64
			page.must(wire.MatchWaiting)
			pages = append(pages, page)
		}
		for _, page := range pages[:2] {
			page.isClosed(wire.CloseGoingAway, wire.ReasonStandby)
		}
		synctest.Wait()
		if got := s.lobby.Stats().Standby; got != maxStandbyPerAddr+1 {
			t.Errorf("%d stand by, want %d", got, maxStandbyPerAddr+1)
		}
		pages[2].close() // which makes room for one
		pages = append(pages, s.from("2001:db8::ffff").connect(t, standsBy))
		for _, page := range append(pages[3:], elsewhere) {
			page.say(asks("somebody")) // as one user, so that nobody meets
			page.must(wire.MatchWaiting)
		}
		synctest.Wait()
		if got := s.lobby.Stats(); got.Standby != 0 || got.Visitors != maxStandbyPerAddr+1 {
			t.Errorf("Stats() = %+v, want %d who wait", got, maxStandbyPerAddr+1)
		}
		s.lobby.standby.mu.Lock()
		defer s.lobby.standby.mu.Unlock()
		if n := len(s.lobby.standby.byAddr); n != 0 {
			t.Errorf("%d addresses are remembered, want 0", n)
		}
	})
}

// TestFewStandByInAll holds that all addresses together have a bound.
func TestFewStandByInAll(t *testing.T) {
	standbyStory(t, Config{MaxStandby: 3}, func(t *testing.T, s *site, _ *atomic.Int64) {
		var pages []*client
		for i := range 5 {
			page := s.from(fmt.Sprintf("192.0.2.%d", i+1)).connect(t, standsBy)
			page.must(wire.MatchWaiting)
			pages = append(pages, page)
		}
		for _, page := range pages[:2] {
			page.isClosed(wire.CloseGoingAway, wire.ReasonStandby)
		}
		synctest.Wait() // the server is through with them, too
		if got := s.lobby.Stats(); got.Standby != 3 || got.Connected != 3 {
			t.Errorf("Stats() = %+v, want 3 who stand by", got)
		}
	})
}

// TestWhatEndsAStandby has pages that stand by and do what they must not, or go.
func TestWhatEndsAStandby(t *testing.T) {
	for name, c := range map[string]struct {
		first string
		then  func(s *site, page *client)
		code  wire.CloseCode
		why   string
	}{
		"it says what makes no sense": {standsBy, func(_ *site, page *client) { page.say("hello") }, wire.CloseBadData, wire.ReasonBadJSON},
		"it asks for too much":        {standsBy, func(_ *site, page *client) { page.say(asks(strings.Repeat("x", 200))) }, wire.CloseBadData, wire.ReasonBadJSON},
		"it leaves":                   {standsBy, func(_ *site, page *client) { page.close() }, wire.CloseNormal, ""},
		"the server stops":            {standsBy, func(s *site, _ *client) { s.stop() }, wire.CloseGoingAway, wire.ReasonShutdown},
		"it never said so":            {`{"type":"REPORT","room_id":"r","user_id":"u","reason":"spam"}`, func(*site, *client) {}, wire.CloseNormal, wire.ReasonFirstMessage},
	} {
		t.Run(name, func(t *testing.T) {
			standbyStory(t, Config{}, func(t *testing.T, s *site, _ *atomic.Int64) {
				page := s.from("192.0.2.1").connect(t, c.first)
				<-page.got
				c.then(s, page)
				page.isClosed(c.code, c.why)
				synctest.Wait()
				if got := s.lobby.Stats(); got.Standby != 0 || got.Connected != 0 {
					t.Errorf("Stats() = %+v, want nobody", got)
				}
			})
		})
	}
}

// TestWhoStandsByMayReport holds that a report is taken before the request, and
// ends nothing; and that who waits already does not stand by any more.
func TestWhoStandsByMayReport(t *testing.T) {
	standbyStory(t, Config{}, func(t *testing.T, s *site, _ *atomic.Int64) {
		page := s.from("192.0.2.1").connect(t, standsBy)
		page.must(wire.MatchWaiting)
		page.say(reports("room", "page", wire.ReportSpam))
		if m := page.must(wire.MatchError); m.Reason != wire.ErrorUnknownRoom {
			t.Errorf("the answer to a report is %+v, want %s", m, wire.ErrorUnknownRoom)
		}
		page.say(asks("page"))
		page.must(wire.MatchWaiting)
		page.say(standsBy)
		<-time.After(standbyFor + time.Second)
		if got := s.lobby.Stats(); got.Standby != 0 || got.Waiting != 1 {
			t.Errorf("Stats() = %+v, want 1 who waits", got)
		}
	})
}

// TestAStandbyIsWhatWireSays holds the request as a client of ours writes it.
func TestAStandbyIsWhatWireSays(t *testing.T) {
	t.Parallel()
	text, err := json.Marshal(wire.Standby{Type: wire.MatchStandby})
	if said, wrong := parse(text); err != nil || wrong != nil || !said.standby {
		t.Errorf("parse(%s) = %+v, %v, %v; want a standby", text, said, err, wrong)
	}
}
