package signal

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// open lets applications name rooms; TURN knows them as alias1, alias2, …
func open() func(*Config) {
	var n atomic.Int64
	return func(c *Config) { c.OpenRoom = func() string { return fmt.Sprintf("alias%d", n.Add(1)) } }
}

func TestARoomThatAnApplicationHasNamed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := onPipes(t, open())
		a, b, c := w.connect(t, false), w.connect(t, false), w.connect(t, false)
		first, second := a.register("my.kitchen"), b.register("my.kitchen")
		if first.IsExistClient || !second.IsExistClient {
			t.Error("the second is not the one who makes the offer")
		}
		name, _, _ := strings.Cut(first.ICEServers[0].Username, ".")
		if !strings.HasPrefix(name, "alias") || second.ICEServers[0].Username != name+".b" {
			t.Errorf("credentials of %q and %q, want of one alias", first.ICEServers[0].Username, second.ICEServers[0].Username)
		}
		c.send(`{"type":"register","roomId":"my.kitchen"}`)
		c.mustReject(wire.RejectFull)
		<-time.After(time.Hour)
		a.leave()
		b.mustBye()
		if room := <-w.ended; room != name {
			t.Errorf("Ended(%s), want %s", room, name)
		}
		d := w.connect(t, false)
		if again := d.register("my.kitchen"); again.IsExistClient || again.ICEServers[0].Username == first.ICEServers[0].Username {
			t.Errorf("accept = %+v, want a new room under the old name", again)
		}
		<-time.After(time.Hour) // nobody is absent: nobody was promised
		d.send(`{"type":"pong"}`)
		e := w.connect(t, false)
		if !e.register("my.kitchen").IsExistClient {
			t.Error("the first of a named room was sent away while it waited")
		}
		w.stop()
	})
}

// TestNoDeadSeats registers and resets, a hundred times, in the way in which
// 99 of 100 rooms of the seed keep a dead seat.
func TestNoDeadSeats(t *testing.T) {
	t.Parallel()
	w := onLoopback(t, open())
	for i := range 100 {
		c := w.connect(t, false)
		c.send(fmt.Sprintf(`{"type":"register","roomId":"r%d"}`, i))
		c.reset()
	}
	await(t, func() bool { s := w.rooms.Stats(); return s.Connected == 0 && s.Rooms == 0 })
	for i := range 100 {
		a, b := w.connect(t, false), w.connect(t, false)
		if a.register(fmt.Sprintf("r%d", i)).IsExistClient || !b.register(fmt.Sprintf("r%d", i)).IsExistClient {
			t.Errorf("room %d has a dead seat", i)
		}
		a.leave()
		b.mustBye()
	}
	w.stop()
}

// TestWhoReconnectsIsNotFull holds what a client of Ayame's server meets for a
// minute: its own dead connection.
func TestWhoReconnectsIsNotFull(t *testing.T) {
	t.Parallel()
	w := onLoopback(t, open())
	a, b := w.connect(t, false), w.connect(t, false)
	a.register("kitchen")
	b.register("kitchen")
	a.reset()
	b.mustBye()
	again := w.connect(t, false)
	if again.register("kitchen").IsExistClient {
		t.Error("the one who came again was told to make an offer to nobody")
	}
	w.stop()
}

// TestANewcomerMeetsNoSurvivor holds that the seed's deadlock cannot occur: a
// survivor who waits for an offer beside a newcomer who waits for one, too.
func TestANewcomerMeetsNoSurvivor(t *testing.T) {
	t.Parallel()
	w := onLoopback(t, open())
	for range 20 {
		a, b := w.connect(t, false), w.connect(t, false)
		a.register("kitchen")
		b.register("kitchen")
		go a.leave()
		c, d := w.connect(t, false), w.connect(t, false)
		b.mustBye()
		if c.register("kitchen").IsExistClient || !d.register("kitchen").IsExistClient {
			t.Fatal("two newcomers do not agree who makes the offer")
		}
		d.send(`{"type":"offer"}`)
		c.mustGet(`{"type":"offer"}`)
		c.leave()
		d.mustBye()
	}
	w.stop()
}

func TestNamesThatAreNone(t *testing.T) {
	t.Parallel()
	w := onLoopback(t, open(), func(c *Config) { c.MaxMessage = 1 << 20 })
	for name, id := range map[string]string{
		"null":        `null`,
		"a number":    `7`,
		"empty":       `""`,
		"129 bytes":   `"` + strings.Repeat("x", 129) + `"`,
		"900 kB":      `"` + strings.Repeat("x", 900_000) + `"`,
		"an object":   `{"a":1}`,
		"not in UTF8": "\"\xff\"",
	} {
		t.Log(name)
		c := w.connect(t, false)
		c.write(websocket.BinaryMessage, `{"type":"register","roomId":`+id+`}`)
		c.mustClose(wire.CloseNormal, wire.ReasonBadJSON)
	}
	longest := w.connect(t, false)
	longest.register(strings.Repeat("é", 64))
	huge := w.connect(t, false)
	huge.send(strings.Repeat("x", 10_000_000))
	huge.mustClose(wire.CloseTooBig, "")
	w.stop()
}

func TestResumeInANamedRoom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := onPipes(t, open())
		a, b, tokenA, _ := w.pair(t, "kitchen")
		<-time.After(time.Hour)
		a.lose()
		synctest.Wait()
		again := w.connect(t, false)
		again.comeBack("kitchen", "alice", tokenA)
		accept := again.accept()
		if !accept.Resumed || !strings.HasPrefix(accept.ICEServers[0].Username, "alias") {
			t.Errorf("accept = %+v, want the old seat", accept)
		}
		again.lose()
		synctest.Wait()
		b.leave()
		<-b.ends
		fresh := w.connect(t, false)
		if fresh.register("kitchen").IsExistClient { // opened anew while alice is still away
			t.Error("the newcomer was told that somebody is there")
		}
		late := w.connect(t, false)
		late.comeBack("kitchen", "alice", accept.ResumeToken)
		late.mustReject(wire.RejectNotFound)
		w.stop()
	})
}
