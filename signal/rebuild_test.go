package signal

import (
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// sealing lets tokens outlive the rooms that have issued them.
func sealing(secret string) func(*Config) {
	return func(c *Config) {
		c.Seal = func(text []byte) [sealBytes]byte {
			mac := hmac.New(sha256.New, []byte(secret))
			mac.Write(text)
			return [sealBytes]byte(mac.Sum(nil))
		}
	}
}

// expired refuses the ids of rooms, as they are a minute after a match.
func expired(c *Config) {
	c.Admit = func(string) (time.Time, error) { return time.Time{}, errForged }
}

// returns asks a seat back from another process, and wants it.
func (w *world) returns(t *testing.T, room, id, token string) (*client, wire.Accept) {
	t.Helper()
	c := w.connect(t, false)
	c.comeBack(room, id, token)
	accept := c.accept()
	if !accept.Resumed || !accept.Rebuilt || accept.ResumeToken == "" || accept.ResumeToken == token || len(accept.ResumeToken) > wire.MaxTokenBytes {
		t.Errorf("accept of %s = %+v, want resumed, rebuilt, and a new token", id, accept)
	}
	return c, accept
}

// TestAChatOutlivesTheServer ends the rooms in the middle of a chat, and lets
// its two members come to others, one before the other.
func TestAChatOutlivesTheServer(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		room string
		swap bool // the second one is the first to come back
	}{
		"a match":                        {"room1", false},
		"a match, the second one first":  {"room1", true},
		"a named room":                   {"kitchen", false},
		"a named room, the second first": {"kitchen", true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				options := []func(*Config){minting(10 * time.Minute), sealing("s")}
				if c.room == "kitchen" {
					options = append(options, open())
				}
				old := onPipes(t, options...)
				a, b, tokenA, tokenB := old.pair(t, c.room)
				old.stop()
				a.mustClose(wire.CloseGoingAway, wire.ReasonShutdown)
				b.mustClose(wire.CloseGoingAway, wire.ReasonShutdown)
				<-time.After(2 * time.Hour)
				if c.room == "room1" {
					options = append(options, expired)
				}
				w := onPipes(t, options...)
				ids, tokens := []string{"alice", "bob"}, []string{tokenA, tokenB}
				if c.swap {
					ids, tokens = []string{"bob", "alice"}, []string{tokenB, tokenA}
				}
				one, first := w.returns(t, c.room, ids[0], tokens[0])
				one.send(`{"type":"offer","n":1}`) // kept until the other one is back
				one.send(`{"type":"candidate","n":2}`)
				<-time.After(holdFor - time.Second)
				two, second := w.returns(t, c.room, ids[1], tokens[1])
				two.mustGet(`{"type":"offer","n":1}`)
				two.mustGet(`{"type":"candidate","n":2}`)
				if first.IsExistClient != c.swap || second.IsExistClient == c.swap || first.IsExistUser != c.swap {
					t.Errorf("accepts = %+v, %+v; want as they were: the second one of the room made the offer", first, second)
				}
				side := map[bool]string{false: ".a.", true: ".b."}
				name, _, _ := strings.Cut(first.ICEServers[0].Username, ".")
				if c.room == "kitchen" && !strings.HasPrefix(name, "alias") || c.room == "room1" && name != "room1" {
					t.Errorf("TURN knows the room as %s", name)
				}
				want := []string{name + side[c.swap] + "invalid IP", name + side[!c.swap] + pipeAddr(1).String(), name + side[c.swap] + pipeAddr(2).String()}
				got := []string{first.ICEServers[0].Username, second.ICEServers[0].Username, one.refreshed().ICEServers[0].Username}
				if fmt.Sprint(got) != fmt.Sprint(want) {
					t.Errorf("credentials for %v, want %v: the last when the other one has come", got, want)
				}
				two.send(`{"type":"answer"}`)
				one.mustGet(`{"type":"answer"}`)
				w.goesOn(t, c.room, ids[0], name, one, two, first)
				w.stop()
			})
		})
	}
}

// goesOn holds that a room which was built anew is like any other: nobody else
// enters it, who is lost comes back to it, and it ends when one leaves. TURN
// knows it by name; id is the client of one, who came back first.
func (w *world) goesOn(t *testing.T, room, id, name string, one, two *client, first wire.Accept) {
	t.Helper()
	stranger := w.connect(t, false)
	stranger.send(`{"type":"register","roomId":"` + room + `"}`)
	stranger.mustReject(map[string]string{"room1": wire.RejectNotFound, "kitchen": wire.RejectFull}[room])

	one.lose() // and all is as ever
	synctest.Wait()
	two.send(candidate(7))
	again := w.connect(t, false)
	again.comeBack(room, id, first.ResumeToken)
	if accept := again.accept(); !accept.Resumed || accept.Rebuilt || accept.ConnectionID != first.ConnectionID {
		t.Errorf("accept = %+v, want resumed, not rebuilt", accept)
	}
	again.mustGet(candidate(7))
	again.leave()
	two.mustBye()
	if ended := <-w.ended; ended != name {
		t.Errorf("Ended(%s), want %s", ended, name)
	}
	if s := w.rooms.Stats(); s.Rebuilt != 2 || s.Resumed != 3 || s.Rooms != 0 || w.rooms.held != 0 {
		t.Errorf("Stats() = %+v, %d are held; want 2 rebuilt, 3 resumed, no room", s, w.rooms.held)
	}
}

// TestWhoComesBackAloneIsTold holds that nobody waits for ever for one who is
// not coming, and that he is told when he comes too late.
func TestWhoComesBackAloneIsTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		old := onPipes(t, sealing("s"))
		_, _, tokenA, tokenB := old.pair(t, "room1")
		old.stop()
		<-time.After(time.Hour)
		w := onPipes(t, sealing("s"), expired)
		start := time.Now()
		b, _ := w.returns(t, "room1", "bob", tokenB)
		b.send(candidate(0))
		b.mustBye()
		if took := time.Since(start); took < holdFor || took > holdFor+tickEvery {
			t.Errorf("told after %v, want 30s", took)
		}
		w.nothingIsKept(t)
		late := w.connect(t, false)
		late.comeBack("room1", "alice", tokenA)
		late.mustBye()
		<-time.After(holdFor + tickEvery)
		w.rooms.mu.Lock()
		if n := len(w.rooms.rooms); n != 0 || w.rooms.held != 0 {
			t.Errorf("%d rooms are remembered, %d seats held", n, w.rooms.held)
		}
		w.rooms.mu.Unlock()
		later, _ := w.returns(t, "room1", "alice", tokenA) // it may, for a day: for 30 s each time
		later.mustBye()
		w.stop()
	})
}

// TestTheOtherOneMayComeForTheFirstTime restarts the server between the two of
// a match: who has never been there registers, and has the seat.
func TestTheOtherOneMayComeForTheFirstTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		old := onPipes(t, sealing("s"))
		a := old.connect(t, false)
		token := a.registerExt("room1", "alice").ResumeToken
		old.stop()
		<-time.After(time.Second)
		w := onPipes(t, minting(10*time.Minute), sealing("s"))
		again, accept := w.returns(t, "room1", "alice", token)
		if accept.IsExistClient {
			t.Errorf("accept = %+v, want that nobody is there", accept)
		}
		again.send(candidate(0)) // for one who had been there
		synctest.Wait()
		b := w.connect(t, false)
		if accept := b.register("room1"); !accept.IsExistClient || accept.Resumed {
			t.Errorf("accept = %+v, want the second seat", accept)
		}
		again.refreshed()
		again.send(candidate(1))
		b.mustGet(candidate(1)) // and nothing before
		w.nothingIsKept(t)
		c := w.connect(t, false)
		c.send(`{"type":"register","roomId":"room1"}`)
		c.mustReject(wire.RejectFull)
		<-time.After(holdFor + time.Second)
		b.send(`{"type":"offer"}`)
		again.mustGet(`{"type":"offer"}`)
		w.stop()
	})
}

// TestTheFirstSeatIsForNoNewcomer holds that the second one of a room, when it
// is the first to come back, meets the first one or nobody.
func TestTheFirstSeatIsForNoNewcomer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		old := onPipes(t, sealing("s"))
		_, _, _, tokenB := old.pair(t, "room1")
		old.stop()
		<-time.After(time.Second)
		w := onPipes(t, sealing("s"))
		w.returns(t, "room1", "bob", tokenB)
		c := w.connect(t, false)
		c.send(`{"type":"register","roomId":"room1"}`)
		c.mustReject(wire.RejectFull)
		w.stop()
	})
}

// TestAllComeBackAtOnce restarts a server with many rooms, and lets both
// members of each come at the same time: each pair finds each other, and what
// they say arrives once and in order.
func TestAllComeBackAtOnce(t *testing.T) {
	t.Parallel()
	old := onLoopback(t, sealing("s"), minting(10*time.Minute))
	const rooms, messages = 40, 20
	tokens := make([][2]string, rooms)
	for i := range tokens {
		_, _, tokens[i][0], tokens[i][1] = old.pair(t, fmt.Sprintf("room%d", i))
	}
	old.stop()
	w := onLoopback(t, sealing("s"), expired, minting(10*time.Minute))
	var both sync.WaitGroup
	for i := range tokens {
		for side, id := range []string{"alice", "bob"} {
			both.Go(func() {
				c := w.connect(t, false)
				c.comeBack(fmt.Sprintf("room%d", i), id, tokens[i][side])
				for n := range messages {
					c.send(candidate(n)) // in one flight
				}
				if accept := c.accept(); !accept.Rebuilt || accept.IsExistClient != (side == 1) {
					t.Errorf("accept = %+v", accept)
				}
				for n := 0; n < messages; {
					if text, ok := c.next(); !ok || text == candidate(n) {
						n++
					} else if !strings.Contains(text, `"type":"iceServers"`) {
						t.Errorf("got %q, want %q", text, candidate(n))
						return
					}
				}
			})
		}
	}
	both.Wait()
	if s := w.rooms.Stats(); s.Rebuilt != 2*rooms || s.Rooms != rooms || w.rooms.kept.bytes.Load() != 0 {
		t.Errorf("Stats() = %+v, %d bytes are kept; want %d rebuilt", s, w.rooms.kept.bytes.Load(), 2*rooms)
	}
	w.stop()
}

// TestOneOfTheTwoLearnsTheOthersAddress lets them come back at the same time:
// whoever was told first is sent credentials that know the other one, however
// the two meet on the way.
func TestOneOfTheTwoLearnsTheOthersAddress(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		old := onPipes(t, sealing("s"))
		_, _, tokenA, tokenB := old.pair(t, "room1")
		old.stop()
		<-time.After(time.Second)
		held := make(chan struct{})
		w := onPipes(t, sealing("s"), minting(10*time.Minute), func(c *Config) {
			mint := c.ICEServers
			c.ICEServers = func(room string, side wire.Side, hides bool, partner netip.Addr) ([]wire.ICEServer, time.Time) {
				if !partner.IsValid() {
					<-held // the accept of the first takes long
				}
				return mint(room, side, hides, partner)
			}
		})
		a := w.connect(t, false)
		a.comeBack("room1", "alice", tokenA)
		synctest.Wait()
		b, accept := w.returns(t, "room1", "bob", tokenB)
		close(held)
		a.accept()
		if got := a.refreshed().ICEServers[0].Username; got != "room1.a."+pipeAddr(2).String() || accept.ICEServers[0].Username != "room1.b."+pipeAddr(1).String() {
			t.Errorf("fresh credentials for %s, want for the other one", got)
		}
		b.send(`{"type":"offer"}`)
		a.mustGet(`{"type":"offer"}`)
		w.stop()
	})
}
