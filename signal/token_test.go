package signal

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// TestTheLatestTokenHasTheSeat comes back with several tokens of one seat.
func TestTheLatestTokenHasTheSeat(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		old := onPipes(t, sealing("s"))
		a, _, t1, _ := old.pair(t, "room1")
		a.lose()
		synctest.Wait()
		again := old.connect(t, false)
		again.comeBack("room1", "alice", t1)
		t2 := again.accept().ResumeToken
		old.stop()
		<-time.After(time.Second)

		for _, later := range []bool{false, true} {
			w := onPipes(t, sealing("s"))
			if later {
				early, _ := w.returns(t, "room1", "alice", t1)
				early.send(`{"type":"pong"}`)
				synctest.Wait()
				c, accept := w.returns(t, "room1", "alice", t2)
				early.mustClose(wire.CloseNormal, wire.ReasonReplaced)
				c.send(`{"type":"pong"}`)
				synctest.Wait()
				t3 := accept.ResumeToken
				c.lose()
				synctest.Wait()
				last := w.connect(t, false)
				last.comeBack("room1", "alice", t3)
				if !last.accept().Resumed {
					t.Error("the token of this process does not count")
				}
			} else {
				w.returns(t, "room1", "alice", t2) // its accept may have been lost
				c, _ := w.returns(t, "room1", "alice", t2)
				c.send(`{"type":"pong"}`)
				synctest.Wait()
				for _, token := range []string{t1, t2} {
					thief := w.connect(t, false)
					thief.comeBack("room1", "alice", token)
					thief.mustGet(`{"type":"reject","reason":"not-found"}` + "\n")
				}
				c.settle()
			}
			w.stop()
			<-time.After(time.Second)
		}
	})
}

// TestATokenSaysWhatItsMemberHasAnnounced holds that a client need not say again
// what it is, and that the webhook is not asked about it.
func TestATokenSaysWhatItsMemberHasAnnounced(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		old := onPipes(t, sealing("s"))
		a := old.connect(t, false)
		a.send(`{"type":"register","roomId":"room1","standalone":true,"ext":["resume","relay-only","early","refresh"]}`)
		token := a.accept().ResumeToken
		old.stop()
		<-time.After(tokenLife - time.Second)
		app := newApplication()
		w := app.onPipesWith(t, sealing("s"))
		again := w.connect(t, false)
		again.send(`{"type":"register","roomId":"room1","resumeToken":"` + token + `"}`)
		accept := again.accept()
		if !accept.Rebuilt {
			t.Errorf("accept = %+v, want rebuilt", accept)
		}
		w.rooms.mu.Lock()
		c := w.rooms.rooms["room1"].seats[0].claim
		w.rooms.mu.Unlock()
		want := claim{visit: visit{RoomID: "room1", ClientID: c.ClientID, ConnectionID: accept.ConnectionID}, resume: true, refresh: true, early: true, hidden: true, standalone: true}
		if c != want || c.ClientID == "" {
			t.Errorf("the seat is of %+v, want %+v", c, want)
		}
		again.leave()
		if got := <-app.gone; !strings.Contains(got, accept.ConnectionID) || len(app.asked) != 0 {
			t.Errorf("told of %s, asked %d times; want told of the new connection, and not asked", got, len(app.asked))
		}
		w.stop()
	})
}

// TestTokensThatAreNone builds no room for anybody else.
func TestTokensThatAreNone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		old := onPipes(t, sealing("s"), open())
		_, _, token, _ := old.pair(t, "room1")
		_, _, named, _ := old.pair(t, "kitchen")
		long := old.connect(t, false) // whose id looks like the end of another token
		splice := long.registerExt("x", strings.Repeat("y", 30)+`\u0005room9alice`).ResumeToken
		raw, err := encoding().DecodeString(splice)
		if err != nil {
			t.Fatal(err)
		}
		forged := append(append(raw[:len(raw)-sealBytes:len(raw)-sealBytes], "\x01x"+strings.Repeat("y", 30)...), raw[len(raw)-sealBytes:]...)
		old.stop()

		w := onPipes(t, sealing("s"), open()) // at the very time at which the old one has ended
		try := func(w *world, room, id, token string) {
			t.Helper()
			c := w.connect(t, false)
			c.comeBack(room, id, token)
			c.mustReject(wire.RejectNotFound)
		}
		try(w, "room1", "alice", token) // as it would be of a server that is still there
		w.stop()
		<-time.After(time.Second)
		w = onPipes(t, sealing("s"), open())
		flipped := []byte(token)
		flipped[len(flipped)/2] ^= 1
		try(w, "room1", "bob", token)
		try(w, "room2", "alice", token)
		try(w, "room1", "alice", string(flipped))
		try(w, "room1", "alice", token[:len(token)-1])
		try(w, "room1", "alice", "A")
		try(w, "room9", "alice", encoding().EncodeToString(forged))
		other := onPipes(t, sealing("S"), open())
		try(other, "room1", "alice", token)
		unsealed := onPipes(t, open())
		try(unsealed, "room1", "alice", token)
		try(unsealed, "room1", "alice", unsealed.rooms.notary.token(&seat{room: &room{}, claim: claim{visit: visit{RoomID: "room1"}, said: "alice"}}))
		closed := onPipes(t, sealing("s")) // applications may name rooms no more
		try(closed, "kitchen", "alice", named)
		w.rooms.held = maxHeld
		try(w, "room1", "alice", token)
		for _, w := range []*world{w, other, unsealed, closed} {
			w.stop()
			if n := len(w.rooms.rooms); n != 0 {
				t.Errorf("%d rooms were built", n)
			}
		}
		<-time.After(tokenLife)
		w = onPipes(t, sealing("s"))
		try(w, "room1", "alice", token)
		w.stop()
	})
}

// TestATokenOfThreeServers restarts again and again.
func TestATokenOfThreeServers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := onPipes(t, sealing("s"), open())
		_, _, tokenA, tokenB := w.pair(t, strings.Repeat("k", wire.MaxRoomIDBytes))
		for range 3 {
			w.stop()
			<-time.After(20 * time.Hour)
			w = onPipes(t, sealing("s"), open())
			a, acceptA := w.returns(t, strings.Repeat("k", wire.MaxRoomIDBytes), "alice", tokenA)
			b, acceptB := w.returns(t, strings.Repeat("k", wire.MaxRoomIDBytes), "bob", tokenB)
			tokenA, tokenB = acceptA.ResumeToken, acceptB.ResumeToken
			b.send(`{"type":"offer"}`)
			a.mustGet(`{"type":"offer"}`)
			if u := acceptA.ICEServers[0].Username; u != "alias1.a" || acceptB.ICEServers[0].Username != "alias1.b" {
				t.Errorf("TURN knows the room as %s, want the alias of before", u)
			}
		}
		w.stop()
	})
}

// FuzzToken holds that no change of a token is a token, and that what is read
// is what was sealed.
func FuzzToken(f *testing.F) {
	cfg := Config{}
	sealing("s")(&cfg)
	old := newNotary(cfg.Seal, false)
	f.Add("room", "client", uint8(3), "alias", 10, byte('A'))
	f.Add("r", "", uint8(31), "", 0, byte('_'))
	f.Fuzz(func(t *testing.T, roomID, client string, flags uint8, alias string, at int, char byte) {
		if len(roomID) == 0 || len(roomID) > wire.MaxRoomIDBytes || len(client) > wire.MaxClientIDBytes || len(alias) > maxAlias {
			return
		}
		s := &seat{room: &room{alias: alias, named: alias != ""}, side: wire.SideA, claim: claim{visit: visit{RoomID: roomID}, said: client}}
		if flags&flagSideB != 0 {
			s.side = wire.SideB
		}
		s.standalone, s.refresh, s.early, s.hidden = flags&flagStandalone != 0, flags&flagRefresh != 0, flags&flagEarly != 0, flags&flagHidden != 0
		token := old.token(s)
		next := newNotary(cfg.Seal, false)
		next.born = old.last.Load() + 1
		reg := &registration{Register: wire.Register{RoomID: roomID, ClientID: client, ResumeToken: token}}
		p := next.read(reg)
		if p == nil || len(token) > wire.MaxTokenBytes || strings.Trim(token, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			t.Fatalf("read(%q) = %v", token, p)
		}
		if p.side != s.side || p.alias != alias || p.claim.early != s.early || p.claim.hidden != s.hidden || p.claim.refresh != s.refresh || p.claim.standalone != s.standalone {
			t.Fatalf("read = %+v, want what was sealed: %+v", p, s)
		}
		if old.read(reg) != nil {
			t.Fatal("a process takes its own token for one of another")
		}
		if at < 0 || at >= len(token) || token[at] == char {
			return
		}
		reg.ResumeToken = token[:at] + string(rune(char)) + token[at+1:]
		if next.read(reg) != nil {
			t.Fatalf("read(%q) accepts a change of %q", reg.ResumeToken, token)
		}
	})
}
