package signal

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

func (c *client) registerStandalone(room string) {
	c.t.Helper()
	c.send(`{"type":"register","roomId":"` + room + `","standalone":true,"ext":["resume"]}`)
	c.accept()
}

// TestAStandaloneMemberLeavesInSilence plays the official SDK: each of the two
// says that it is connected and needs its socket no more.
func TestAStandaloneMemberLeavesInSilence(t *testing.T) {
	t.Parallel()
	w := onLoopback(t)
	a, b := w.connect(t, false), w.connect(t, false)
	a.registerStandalone("room1")
	b.registerStandalone("room1")
	b.send(`{"type":"offer"}`)
	a.mustGet(`{"type":"offer"}`)
	a.send(`{"type":"connected"}`)
	a.mustClose(wire.CloseNormal, wire.ReasonDone)
	b.send(`{"type":"candidate"}`) // which nobody needs
	b.settle()
	c := w.connect(t, false)
	c.send(`{"type":"register","roomId":"room1"}`)
	c.mustReject(wire.RejectFull)
	b.send(`{"type":"connected"}`)
	b.mustClose(wire.CloseNormal, wire.ReasonDone)
	await(t, func() bool { s := w.rooms.Stats(); return s.Connected == 0 && s.Rooms == 0 })
	w.stop()
	if len(w.ended) != 0 {
		t.Error("the relay was taken from a chat that has just begun")
	}
}

func TestNoByeAroundStandaloneMembers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := onPipes(t)
		a, b := w.connect(t, false), w.connect(t, false)
		a.registerStandalone("room1")
		b.register("room1")
		a.lose()
		<-time.After(time.Hour)
		b.settle()
		if len(b.got) != 0 {
			t.Errorf("when a standalone member was lost, the other one got %s", <-b.got)
		}
		b.leave()
		if room := <-w.ended; room != "room1" {
			t.Errorf("Ended(%s), want room1: the one who is not standalone has left", room)
		}
		c, d := w.connect(t, false), w.connect(t, false)
		c.registerStandalone("room2")
		d.register("room2")
		d.lose()
		c.mustClose(wire.CloseNormal, wire.ReasonLeft) // and no bye before
		e := w.connect(t, false)
		e.registerStandalone("room3")
		e.mustClose(wire.CloseNormal, wire.ReasonAbsent)
		w.stop()
	})
}

// TestStandaloneMembersSeeNoPing holds that they are pinged below the level
// that pages see, and that one that is half-open is found.
func TestStandaloneMembersSeeNoPing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := onPipes(t, open())
		a, b := w.connect(t, true), w.connect(t, true) // who do not answer JSON pings
		pinged := make(chan struct{}, 1024)
		dead := func(string) error { pinged <- struct{}{}; return nil }
		a.ws.SetPingHandler(dead)
		start := time.Now()
		a.registerStandalone("one")
		b.registerStandalone("two")
		a.mustClose(wire.CloseNormal, wire.ReasonPongTimeout)
		if took := time.Since(start); took < 40*time.Second || took > 60*time.Second || len(pinged) < 8 {
			t.Errorf("a half-open standalone member was cut after %v and %d pings", took, len(pinged))
		}
		<-time.After(time.Hour + 1500*time.Millisecond) // not while it is pinged: a pipe has no buffer, and both would write
		if len(b.ends) != 0 || len(b.got) != 0 {
			t.Error("a standalone member that answers control pings was cut")
		}
		b.settle()
		w.stop()
	})
}

func TestConnectedIsIgnoredFromOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := onPipes(t)
		a, b := w.connect(t, false), w.connect(t, false)
		a.register("room1")
		b.register("room1")
		a.send(`{"type":"connected"}`)
		a.send(`{"type":"candidate"}`)
		b.mustGet(`{"type":"candidate"}`)
		early := w.connect(t, false)
		early.send(`{"type":"connected"}`)
		early.mustClose(wire.CloseNormal, wire.ReasonNoRegister)
		w.stop()
	})
}
