package signal

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

func TestWhoStandsByHasThreeMinutes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := onPipes(t)
		start := time.Now()
		idle, ready := w.connect(t, false), w.connect(t, false)
		idle.send(`{"type":"standby"}`)
		ready.send(`{"type":"standby"}`)
		synctest.Wait()
		if s := w.rooms.Stats(); s.Standby != 2 || s.Connected != 2 || w.rooms.Online() != 0 {
			t.Errorf("Stats() = %+v, Online() = %d; want 2 who stand by, and nobody online", s, w.rooms.Online())
		}
		<-time.After(standbyFor - time.Second)
		idle.send(`{"type":"standby"}`) // which gives no more time
		if ready.register("room1").IsExistClient {
			t.Error("who had stood by was told that somebody is there")
		}
		idle.mustClose(wire.CloseNormal, wire.ReasonFirstMessage)
		if took := time.Since(start); took != standbyFor {
			t.Errorf("cut after %v, want %v", took, standbyFor)
		}
		ready.settle() // its time is over, and it stays
		if s := w.rooms.Stats(); s.Standby != 0 || len(w.rooms.standing.sources) != 0 || w.rooms.Online() != 1 {
			t.Errorf("Stats() = %+v, want nobody who stands by", s)
		}
		w.stop()
	})
}

// TestWhoStandsByAnswersPings holds that a connection which is dead does not
// stay for the three minutes.
func TestWhoStandsByAnswersPings(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := onPipes(t)
		start := time.Now()
		c := w.connect(t, true)
		c.send(`{"type":"standby"}`)
		c.mustClose(wire.CloseNormal, wire.ReasonPongTimeout)
		if took := time.Since(start); took > 60*time.Second {
			t.Errorf("cut after %v, want 40 s to 60 s", took)
		}
		w.stop()
	})
}

func TestStandbyIsForThoseWithoutARoom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := onPipes(t)
		for _, c := range []struct {
			before []string
			last   string
			reason string
		}{
			{[]string{`{"type":"standby"}`}, `{"type":"offer","sdp":""}`, wire.ReasonNoRegister},
			{[]string{`{"type":"standby"}`}, `{"type":"connected"}`, wire.ReasonNoRegister},
			{[]string{`{"type":"standby"}`}, `{"type":"register"}`, wire.ReasonBadJSON},
		} {
			m := w.connect(t, false)
			for _, text := range append(c.before, c.last) {
				m.send(text)
			}
			m.mustClose(wire.CloseNormal, c.reason)
		}
		seated := w.connect(t, false)
		seated.register("room1")
		seated.send(`{"type":"standby"}`)
		seated.mustClose(wire.CloseNormal, wire.ReasonUnexpected)
		if s := w.rooms.Stats(); s.Standby != 0 {
			t.Errorf("Stats() = %+v, want nobody who stands by", s)
		}
		w.stop()
	})
}

// TestTheOldestOfAnAddressGivesWay opens more than one address may have.
func TestTheOldestOfAnAddressGivesWay(t *testing.T) {
	t.Parallel()
	w := onLoopback(t) // where all come from one address
	const more = 3
	clients := make([]*client, maxStandby+more)
	for i := range clients {
		clients[i] = w.connect(t, false)
		clients[i].send(`{"type":"standby"}`)
		clients[i].settle()
	}
	for _, c := range clients[:more] {
		c.mustClose(wire.CloseGoingAway, wire.ReasonTooMany)
	}
	if s := w.rooms.Stats(); s.Standby != maxStandby || s.Evicted != more {
		t.Errorf("Stats() = %+v, want %d who stand by and %d who gave way", s, maxStandby, more)
	}
	for _, c := range clients[more:] {
		c.leave()
		<-c.ends
	}
	await(t, func() bool { return w.rooms.Stats().Standby == 0 })
	w.stop()
}
