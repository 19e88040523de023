package signal

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// minting makes credentials that say what they were minted from.
func minting(ttl time.Duration) func(*Config) {
	return func(c *Config) {
		c.ICEServers = func(room string, side wire.Side, hides bool, partner netip.Addr) ([]wire.ICEServer, time.Time) {
			expires := time.Now().Add(ttl).Truncate(time.Second)
			if ttl == 0 {
				expires = time.Time{}
			}
			name := fmt.Sprint(room, ".", string(side), ".", partner)
			if hides {
				name += ", hides"
			}
			return []wire.ICEServer{{URLs: []string{"turn:51.51.51.10:3478"}, Username: name, Credential: "secret"}}, expires
		}
	}
}

// refreshed is the next message, which is a Refresh.
func (c *client) refreshed() (r wire.Refresh) {
	c.t.Helper()
	text := <-c.got
	if err := json.Unmarshal([]byte(text), &r); err != nil || r.Type != wire.SignalICEServers || len(r.ICEServers) == 0 {
		c.t.Fatalf("got %q (%v), want fresh ICE servers", text, err)
	}
	return r
}

// TestWhoHidesIsInNoCredential has one of two hide, the first or the second: what
// is minted for the other one, at once or later, does not know where he is.
func TestWhoHidesIsInNoCredential(t *testing.T) {
	t.Parallel()
	for hider := range 2 {
		synctest.Test(t, func(t *testing.T) {
			w := onPipes(t, minting(10*time.Second))
			members := []*client{w.connect(t, false), w.connect(t, false)}
			names := []string{"alice", "bob"}
			want := []string{"room1.a." + pipeAddr(2).String(), "room1.b." + pipeAddr(1).String()}
			want[hider] += ", hides"
			want[1-hider] = strings.Replace(want[1-hider], pipeAddr(hider+1).String(), "invalid IP", 1)
			for i, c := range members {
				ext := []string{wire.ExtRefresh}
				if i == hider {
					ext = append(ext, wire.ExtRelayOnly)
				}
				register, err := json.Marshal(wire.Register{Type: wire.SignalRegister, RoomID: "room1", ClientID: names[i], Ext: ext})
				if err != nil {
					t.Fatal(err)
				}
				c.send(string(register))
				got := c.accept().ICEServers[0].Username
				if i == 1 && got != want[i] {
					t.Errorf("the second one is given %s, want %s", got, want[i])
				}
			}
			for i, c := range members {
				if got := c.refreshed().ICEServers[0].Username; got != want[i] {
					t.Errorf("%s is given %s later, want %s", names[i], got, want[i])
				}
			}
			w.stop()
		})
	}
}

func TestCredentialsAreReplacedBeforeTheyEnd(t *testing.T) {
	t.Parallel()
	for _, ttl := range []time.Duration{2 * time.Second, 3 * time.Second, 5 * time.Second, 10 * time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			w := onPipes(t, minting(ttl))
			<-time.After(700 * time.Millisecond) // expiries are cut to seconds
			a, b, plain := w.connect(t, false), w.connect(t, false), w.connect(t, false)
			if name := a.registerExt("room1", "alice").ICEServers[0].Username; name != "room1.a.invalid IP" {
				t.Errorf("ttl %v: the first credentials are for %s, though nobody else has come", ttl, name)
			}
			if name := b.registerExt("room1", "bob").ICEServers[0].Username; name != "room1.b."+pipeAddr(1).String() {
				t.Errorf("ttl %v: the second credentials are for %s, not for the first member", ttl, name)
			}
			plain.register("room2")
			other := w.connect(t, false)
			other.register("room2")
			expires := time.Now().Add(ttl).Truncate(time.Second)
			for range 5 {
				for _, c := range []*client{a, b} {
					want := "room1.a." + pipeAddr(2).String()
					if c == b {
						want = "room1.b." + pipeAddr(1).String()
					}
					fresh := c.refreshed()
					if fresh.ICEServers[0].Username != want {
						t.Errorf("ttl %v: credentials for %s, want %s", ttl, fresh.ICEServers[0].Username, want)
					}
					if left := time.Until(expires); left <= 0 || ttl > time.Minute && left < ttl/4-time.Second {
						t.Errorf("ttl %v: fresh credentials come %v before the old ones end", ttl, left)
					}
					if !fresh.ExpiresAt.After(expires) && ttl > time.Minute {
						t.Errorf("ttl %v: the new ones end at %v, the old ones at %v", ttl, fresh.ExpiresAt, expires)
					}
					if c == b {
						expires = fresh.ExpiresAt
					}
				}
			}
			if len(plain.got) != 0 || len(other.got) != 0 {
				t.Error("who has not announced it was sent something")
			}
			if n := w.rooms.Stats().Refreshes; n < 10 {
				t.Errorf("%d refreshes were counted, want 10", n)
			}
			a.leave()
			for text := range b.got {
				if text == bye {
					break
				}
			}
			<-b.ends
			sent := w.rooms.Stats().Refreshes
			<-time.After(2 * ttl)
			if n := w.rooms.Stats().Refreshes; n != sent {
				t.Errorf("after both had left, %d more were sent", n-sent)
			}
			w.stop()
		})
	}
}

func TestCredentialsWithoutAnEndAreKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := onPipes(t, minting(0))
		a, b := w.connect(t, false), w.connect(t, false)
		a.registerExt("room1", "alice")
		b.registerExt("room1", "bob")
		<-time.After(24 * time.Hour)
		if len(a.got) != 0 || len(b.got) != 0 {
			t.Error("credentials that never end were replaced")
		}
		w.stop()
	})
}

// TestARelayGoes has the members of its rooms sent other ICE servers at once, and
// then again before those end.
func TestARelayGoes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := onPipes(t, minting(10*time.Minute))
		a, b, plain := w.connect(t, false), w.connect(t, false), w.connect(t, false)
		a.registerExt("room1", "alice")
		b.registerExt("room1", "bob")
		plain.register("room2")
		other := w.connect(t, false)
		other.registerExt("room3", "carl")
		asked := map[string]bool{}
		start := time.Now()
		if sent := w.rooms.Refresh(func(room string) bool { asked[room] = true; return room != "room3" }); sent != 2 || len(asked) != 3 {
			t.Errorf("Refresh = %d, asked of %v; want 2 who have announced it, of 3 rooms", sent, asked)
		}
		for _, c := range []*client{a, b} {
			c.refreshed()
		}
		if took := time.Since(start); took != 0 {
			t.Errorf("they were told after %v", took)
		}
		if n := len(plain.got) + len(other.got); n != 0 {
			t.Errorf("%d others were told", n)
		}
		for _, c := range []*client{a, b} {
			c.refreshed()
		}
		if took := time.Since(start); took < 7*time.Minute || took > 8*time.Minute {
			t.Errorf("the next ones came after %v, want three quarters of 10 minutes", took)
		}
		b.lose()
		synctest.Wait()
		if sent := w.rooms.Refresh(func(string) bool { return true }); sent != 1 {
			t.Errorf("Refresh = %d, want alice, who is still here", sent)
		}
		w.stop()
	})
}
