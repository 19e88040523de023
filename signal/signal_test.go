package signal

import (
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

func TestTwoAreIntroduced(t *testing.T) {
	t.Parallel()
	w := onLoopback(t)
	a, b := w.connect(t, false), w.connect(t, false)
	first := a.register("room1")
	if first.IsExistClient || first.IsExistUser || len(first.ConnectionID) != 26 {
		t.Errorf("accept of the first = %+v, want both flags false and an id of 26 characters", first)
	}
	second := b.register("room1")
	if !second.IsExistClient || !second.IsExistUser {
		t.Errorf("accept of the second = %+v, want both flags true", second)
	}
	if u1, u2 := first.ICEServers[0].Username, second.ICEServers[0].Username; u1 != "room1.a" || u2 != "room1.b" {
		t.Errorf("credentials of %q and %q, want room1.a and room1.b", u1, u2)
	}
	for _, text := range []string{
		`{"type":"offer","sdp":"v=0\r\n"}`,
		"{ \"type\" : \"candidate\",\n\t\"ice\": {\"candidate\":\"\"}, \"unknown\": [1, 2.50, \"\\u00e9\"] }\n",
		`{"sdp":"x","type":"answer"}`,
		`{"type":"candidate","ice":null}`,
	} {
		b.send(text)
		if got := <-a.got; got != text {
			t.Errorf("sent %q, the other one got %q", text, got)
		}
		a.write(websocket.BinaryMessage, text)
		if got := <-b.got; got != text {
			t.Errorf("sent %q in a binary frame, the other one got %q", text, got)
		}
	}
	a.lose()
	b.mustBye()
	w.stop()
}

// TestTheSeedsClient registers with exactly the bytes of the seed's client
// (go-ayame) and of the official SDK: unknown fields and nulls do no harm.
func TestTheSeedsClient(t *testing.T) {
	t.Parallel()
	w := onLoopback(t)
	a, b := w.connect(t, false), w.connect(t, false)
	a.send(`{"type":"register","roomId":"room1","clientId":"0a1b2c3","authnMetadata":null,"signalingKey":null,"ayameClient":"go-ayame v0.1.0","environment":"js wasm"}`)
	if a.accept().IsExistClient {
		t.Error("the first was told that somebody is there")
	}
	b.send(`{"type":"register","roomId":"room1","clientId":"8a4b6bfc-76a0-4a0e-9ad5-1c3f5d2c9a11","authnMetadata":{"a":[1]},"key":"k","standalone":false}`)
	if !b.accept().IsExistClient {
		t.Error("the second was not told to make the offer")
	}
	b.send(`{"type":"offer","sdp":"v=0"}`)
	if got := <-a.got; got != `{"type":"offer","sdp":"v=0"}` {
		t.Errorf("got %q, want the offer", got)
	}
	w.stop()
}

func TestARoomHasTwoSeatsEver(t *testing.T) {
	t.Parallel()
	w := onLoopback(t)
	a, b, c := w.connect(t, false), w.connect(t, false), w.connect(t, false)
	a.register("room1")
	b.register("room1")
	c.send(`{"type":"register","roomId":"room1"}`)
	c.mustReject(wire.RejectFull)

	a.lose()
	<-b.ends
	d := w.connect(t, false)
	d.send(`{"type":"register","roomId":"room1"}`)
	if got := <-d.got; got != `{"type":"reject","reason":"full"}`+"\n" {
		t.Errorf("after both had left a client got %q, want reject full", got)
	}
	e, f := w.connect(t, false), w.connect(t, false)
	e.register("room2")
	e.lose()
	await(t, func() bool { return w.rooms.Stats().Rooms == 0 })
	f.send(`{"type":"register","roomId":"room2"}`)
	if got := <-f.got; got != `{"type":"reject","reason":"not-found"}`+"\n" {
		t.Errorf("who came after the other had left got %q, want reject not-found", got)
	}
	g := w.connect(t, false)
	g.send(`{"type":"register","roomId":"guessed"}`)
	if got := <-g.got; got != `{"type":"reject","reason":"not-found"}`+"\n" {
		t.Errorf("with a guessed id a client got %q, want reject not-found", got)
	}
	w.stop()
}

func TestFaultsCloseWith1000AndSayWhich(t *testing.T) {
	t.Parallel()
	w := onLoopback(t)
	for name, c := range map[string]struct {
		send   []string
		reason string
	}{
		"not JSON":                     {[]string{`hello`}, wire.ReasonBadJSON},
		"null":                         {[]string{`null`}, wire.ReasonBadJSON},
		"a number":                     {[]string{`7`}, wire.ReasonBadJSON},
		"an object without a type":     {[]string{`{}`}, wire.ReasonBadJSON},
		"cut in the middle":            {[]string{`{"type":"offer","sdp":"`}, wire.ReasonBadJSON},
		"no room id":                   {[]string{`{"type":"register"}`}, wire.ReasonBadJSON},
		"a room id that is a number":   {[]string{`{"type":"register","roomId":7}`}, wire.ReasonBadJSON},
		"a room id of 60 kB":           {[]string{`{"type":"register","roomId":"room` + strings.Repeat("x", 60_000) + `"}`}, wire.ReasonBadJSON},
		"an offer before register":     {[]string{`{"type":"offer","sdp":""}`}, wire.ReasonNoRegister},
		"a type that nobody knows":     {[]string{`{"type":"register","roomId":"room-x"}`, `{"type":"teapot"}`}, wire.ReasonUnexpected},
		"a second register":            {[]string{`{"type":"register","roomId":"room-y"}`, `{"type":"register","roomId":"room-y"}`}, wire.ReasonRegisteredOnce},
		"a bye, which servers say":     {[]string{`{"type":"register","roomId":"room-z"}`, `{"type":"bye"}`}, wire.ReasonUnexpected},
		"an answer that is a bad JSON": {[]string{`{"type":"register","roomId":"room-w"}`, `{"type":"answer"`}, wire.ReasonBadJSON},
	} {
		m := w.connect(t, false)
		for i, text := range c.send {
			m.send(text)
			if i < len(c.send)-1 {
				m.accept()
			}
		}
		t.Log(name)
		m.mustClose(wire.CloseNormal, c.reason)
	}
	big := w.connect(t, false)
	big.send(strings.Repeat(" ", wire.MaxMessageBytes+1))
	big.mustClose(wire.CloseTooBig, "")
	w.stop()
}

func TestWithNobodyThereMessagesAreDropped(t *testing.T) {
	t.Parallel()
	w := onLoopback(t)
	a := w.connect(t, false)
	a.register("room1")
	a.send(`{"type":"offer","sdp":"lost"}`)
	a.send(`{"type":"connected"}`)
	a.settle()
	b := w.connect(t, false)
	b.register("room1")
	a.send(`{"type":"candidate","ice":{}}`)
	if got := <-b.got; got != `{"type":"candidate","ice":{}}` {
		t.Errorf("got %q, want the candidate that was sent after b came", got)
	}
	w.stop()
}

func TestPingsAndPongs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := onPipes(t)
		a, b := w.connect(t, false), w.connect(t, true)
		a.register("room1")
		b.register("room1")
		start := time.Now()
		b.mustClose(wire.CloseNormal, wire.ReasonPongTimeout)
		if took := time.Since(start); took < 40*time.Second || took > 60*time.Second {
			t.Errorf("who answers no ping was cut after %v, want 40 s to 60 s", took)
		}
		if got := <-a.got; got != `{"type":"bye"}`+"\n" {
			t.Errorf("the other one got %q, want bye", got)
		}
		w.stop()
	})
}

func TestWhoDoesNotRegisterIsCut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := onPipes(t)
		start := time.Now()
		c := w.connect(t, false) // its pongs do not count
		c.mustClose(wire.CloseNormal, wire.ReasonFirstMessage)
		if took := time.Since(start); took != 5*time.Second {
			t.Errorf("cut after %v, want 5s", took)
		}
		w.stop()
	})
}

// TestShutdownIsNoBye holds that a chat survives the loss of the server: a
// client that is told bye would hang up.
func TestShutdownIsNoBye(t *testing.T) {
	t.Parallel()
	w := onLoopback(t)
	a, b := w.connect(t, false), w.connect(t, false)
	a.register("room1")
	b.register("room1")
	w.stop()
	a.mustClose(wire.CloseGoingAway, wire.ReasonShutdown)
	b.mustClose(wire.CloseGoingAway, wire.ReasonShutdown)
}

// TestARoomEndsWhenSomebodyLeavesIt and not when he is only lost: then the two
// may still be talking, through the relay.
func TestARoomEndsWhenSomebodyLeavesIt(t *testing.T) {
	t.Parallel()
	w := onLoopback(t)
	a, b := w.connect(t, false), w.connect(t, false)
	a.register("room-lost")
	b.register("room-lost")
	a.lose()
	<-b.ends // which answers the close frame of the server
	c, d := w.connect(t, false), w.connect(t, false)
	c.register("room-left")
	d.register("room-left")
	c.leave()
	if room := <-w.ended; room != "room-left" {
		t.Errorf("%s has ended, want room-left", room)
	}
	<-d.ends
	w.stop()
	if len(w.ended) != 0 {
		t.Errorf("%s has ended, too", <-w.ended)
	}
}

// TestNothingIsLeft registers and resets a thousand times, the way in which
// the seed keeps dead seats.
func TestNothingIsLeft(t *testing.T) {
	w := onLoopback(t)
	goroutines, descriptors := runtime.NumGoroutine(), openFiles(t)
	for i := range 1000 {
		c := w.connect(t, false)
		c.send(`{"type":"register","roomId":"room` + string(rune('a'+i%26)) + string(rune('a'+i/26%26)) + string(rune('a'+i/676)) + `"}`)
		c.reset()
		<-c.ends
	}
	await(t, func() bool { return w.rooms.Stats().Connected == 0 && runtime.NumGoroutine() <= goroutines+5 })
	if n := openFiles(t); n > descriptors+5 {
		t.Errorf("%d descriptors before, %d after", descriptors, n)
	}
	w.rooms.attend(time.Now().Add(2 * time.Minute))
	if n := len(w.rooms.rooms); n != 0 {
		t.Errorf("%d rooms are remembered after their ids have expired", n)
	}
	w.stop()
}
