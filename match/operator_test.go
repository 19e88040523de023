package match

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// aDay is a sentence that nothing is wrong with.
func aDay() Sentence { return Sentence{For: 24 * time.Hour, Reason: "sells watches"} }

// TestTheOperatorBansAnAddress bans one that waits, of a lobby that counts nothing
// per address, and holds that others of the /64 are banned too.
func TestTheOperatorBansAnAddress(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := openSite(t, Config{})
		troll, other := s.from("2001:db8::66").connect(t, asks("troll")), s.from("192.0.2.1").connect(t, `{"type":"STANDBY"}`)
		troll.must(wire.MatchWaiting)
		banned, err := s.lobby.BanAddr(netip.MustParseAddr("2001:db8::1"), aDay())
		if err != nil || len(banned.Bans) != 1 || banned.Bans[0].Kind != BanAddress || !banned.Bans[0].Operator || banned.Bans[0].Reason != "sells watches" {
			t.Fatalf("BanAddr = %+v, %v", banned, err)
		}
		if m := troll.mustBeRefused(wire.ErrorBanned, wire.ReasonBanned); m.Ban != banned.Bans[0].Name || m.Wait != 24*60*60 {
			t.Errorf("who waited is told %+v, want the name of the ban and a day", m)
		}
		if n := s.lobby.pool.Waiting(); n != 0 {
			t.Errorf("%d wait, want nobody", n)
		}
		back := s.from("2001:db8::67").connect(t, asks("another name"))
		back.mustBeRefused(wire.ErrorBanned, wire.ReasonBanned)
		other.say(asks("ann"))
		other.must(wire.MatchWaiting)
		<-time.After(24*time.Hour + time.Second)
		free := s.from("2001:db8::66").connect(t, asks("troll"))
		free.must(wire.MatchWaiting)
		s.stop()
	})
}

// TestTheOperatorBansAMember bans one of two who were matched: his device, his
// address, or both, and not the other one's.
func TestTheOperatorBansAMember(t *testing.T) {
	t.Parallel()
	for kind, want := range map[string][]string{"": {BanDevice, BanAddress}, BanDevice: {BanDevice}, BanAddress: {BanAddress}} {
		synctest.Test(t, func(t *testing.T) {
			s := openSite(t, Config{})
			victim := s.from("192.0.2.1").connect(t, asksFrom("victim", "her phone"))
			victim.must(wire.MatchWaiting)
			troll := s.from("192.0.2.66").connect(t, asksFrom("troll", "his phone"))
			room := troll.must(wire.MatchFound).RoomID
			victim.close()
			banned, err := s.lobby.BanMember(room, "troll", netip.MustParseAddr("192.0.2.66"), kind, aDay())
			var kinds []string
			for _, ban := range banned.Bans {
				kinds = append(kinds, ban.Kind)
			}
			if err != nil || !slices.Equal(kinds, want) || !slices.Contains(banned.Rooms, room) {
				t.Errorf("BanMember(%q) = %+v, %v; want %q and the room", kind, banned, err, want)
			}
			<-troll.ends
			for _, c := range []struct{ ip, device, kind string }{{"192.0.2.67", "his phone", BanDevice}, {"192.0.2.66", "another phone", BanAddress}} {
				again := s.from(c.ip).connect(t, asksFrom("again", c.device))
				if slices.Contains(want, c.kind) {
					again.mustBeRefused(wire.ErrorBanned, wire.ReasonBanned)
				} else {
					again.must(wire.MatchWaiting)
					again.close()
				}
			}
			victim = s.from("192.0.2.1").connect(t, asksFrom("victim", "her phone"))
			victim.must(wire.MatchWaiting)
			if none, err := s.lobby.BanMember("no such room", "troll", netip.Addr{}, "", aDay()); err != nil || len(none.Bans) != 0 {
				t.Errorf("BanMember of nobody = %+v, %v", none, err)
			}
			s.stop()
		})
	}
}

func TestSentencesHaveBounds(t *testing.T) {
	t.Parallel()
	lobby := newLobby(Config{})
	for _, c := range []struct {
		name string
		s    Sentence
		want error
	}{
		{"too short", Sentence{For: time.Minute - 1}, ErrBanLength},
		{"too long", Sentence{For: MaxBan + 1}, ErrBanLength},
		{"no length", Sentence{}, ErrBanLength},
		{"a long reason", Sentence{For: time.Hour, Reason: strings.Repeat("x", MaxReasonBytes+1)}, ErrBanReason},
		{"two lines", Sentence{For: time.Hour, Reason: "a\nb"}, ErrBanReason},
		{"bytes that are no text", Sentence{For: time.Hour, Reason: "\xff"}, ErrBanReason},
	} {
		if banned, err := lobby.BanAddr(netip.MustParseAddr("192.0.2.1"), c.s); !errors.Is(err, c.want) || len(banned.Bans) != 0 {
			t.Errorf("%s: %+v, %v; want %v", c.name, banned, err, c.want)
		}
	}
	if list := lobby.cfg.Bans.List(); len(list) != 0 {
		t.Errorf("there are bans: %+v", list)
	}
}

// TestTheOperatorsBansAreKept reads them from the file.
func TestTheOperatorsBansAreKept(t *testing.T) {
	t.Parallel()
	cfg := BansConfig{File: filepath.Join(t.TempDir(), "bans.json"), Key: []byte("key")}
	bans, err := OpenBans(cfg)
	if err != nil {
		t.Fatal(err)
	}
	addr := netip.MustParseAddr("192.0.2.66")
	banned, err := newLobby(Config{Bans: bans}).BanAddr(addr, aDay())
	if err != nil {
		t.Fatal(err)
	}
	again, err := OpenBans(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if v := again.judge(Party{Addr: addr}, 0, time.Now()); v.ban != banned.Bans[0].Name {
		t.Errorf("after a restart the verdict is %+v, want %s", v, banned.Bans[0].Name)
	}
	if list := again.List(); len(list) != 1 || !list[0].Operator || list[0].Reason != "sells watches" {
		t.Errorf("after a restart the list is %+v", list)
	}
	if found, err := again.Lift(banned.Bans[0].Name); !found || err != nil {
		t.Errorf("Lift = %v, %v", found, err)
	}
}

// TestDrainAndReopen sends away who waits and who stands by, refuses who comes, and
// takes it back.
func TestDrainAndReopen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := openSite(t, Config{})
		away := func(c *client) {
			t.Helper()
			if m := c.must(wire.MatchError); m.Reason != wire.ErrorShuttingDown {
				t.Errorf("ERROR %q, want %q", m.Reason, wire.ErrorShuttingDown)
			}
			<-c.ends
			if closed, ok := errors.AsType[*websocket.CloseError](c.err); !ok || closed.Code != int(wire.CloseGoingAway) {
				t.Errorf("the connection ended with %v, want 1001", c.err)
			}
		}
		a := s.from("192.0.2.1").connect(t, asks("ann"))
		a.must(wire.MatchWaiting)
		b := s.from("192.0.2.2").connect(t, asks("bob"))
		a.must(wire.MatchFound)
		b.must(wire.MatchFound)
		waits, stands := s.from("192.0.2.3").connect(t, asks("cid")), s.from("192.0.2.4").connect(t, `{"type":"STANDBY"}`)
		waits.must(wire.MatchWaiting)
		synctest.Wait()
		s.lobby.Drain()
		away(waits)
		away(stands)
		come := s.from("192.0.2.5")
		dialer := websocket.Dialer{NetDialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return come.dial(ctx) }}
		_, resp, err := dialer.DialContext(t.Context(), "ws://chat.example.org/matchmaking", nil)
		if resp == nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if err == nil || resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" {
			t.Errorf("who comes is answered %v, %v; want 503", resp, err)
		}
		select {
		case <-a.ends:
			t.Errorf("who was matched was sent away: %v", a.err)
		default:
		}
		a.close()
		b.close()
		s.lobby.Reopen()
		back := s.from("192.0.2.3").connect(t, asks("cid"))
		back.must(wire.MatchWaiting)
		s.stop()
	})
}

// TestWhoAsksWhileTheLobbyDrains asks on a connection that was open before.
func TestWhoAsksWhileTheLobbyDrains(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := openSite(t, Config{})
		c := s.from("192.0.2.1").connect(t, `{"type":"STANDBY"}`)
		synctest.Wait()
		s.lobby.draining.Store(true) // as if he was not seen yet
		c.say(asks("ann"))
		if m := c.must(wire.MatchError); m.Reason != wire.ErrorShuttingDown {
			t.Errorf("ERROR %q, want %q", m.Reason, wire.ErrorShuttingDown)
		}
		s.stop()
	})
}
