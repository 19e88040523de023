package main

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"github.com/wasmp2pchat/wasmp2pchat/internal/admin"
	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// talkRaw passes an offer one way and an answer the other way.
func talkRaw(a, b *rawClient) {
	a.t.Helper()
	b.send(`{"type":"offer"}`)
	a.mustGet(`{"type":"offer"}`)
	a.send(`{"type":"answer"}`)
	b.mustGet(`{"type":"answer"}`)
}

// enter takes a seat as a client that cannot come back.
func (c *rawClient) enter(room string) {
	c.t.Helper()
	c.send(`{"type":"register","roomId":"` + room + `"}`)
	if text := c.mustNext(); !strings.HasPrefix(text, `{"type":"accept"`) {
		c.t.Fatalf("the answer to register is %s, want accept", text)
	}
}

// mustEnd holds the connection to end after some message.
func (c *rawClient) mustEnd(want string, status websocket.StatusCode) {
	c.t.Helper()
	if want != "" {
		c.mustGet(want)
	}
	if text, err := c.next(); websocket.CloseStatus(err) != status {
		c.t.Errorf("got %s, %v; want the end with %d", text, err, status)
	}
}

// TestRoomsOverTwoUpgrades: those who are in a room of an old process talk, come back to
// it, meet who comes to the new one, and are seen and ended by the operator there. The
// old processes end when the last of them has gone.
func TestRoomsOverTwoUpgrades(t *testing.T) {
	t.Parallel()
	p := startLine(t, "SIGNAL_OPEN_ROOMS=true")
	signaling := p.url + "/signaling"
	dial := func() *rawClient { return dialRaw(t, signaling) }
	upgrade := func() {
		t.Helper()
		if _, err := p.upgrade(t); err != nil {
			t.Fatal(err)
		}
	}
	room := meet(t, p.url)
	a, b := dial(), dial()
	a.register(room, "alice", "")
	accept := b.register(room, "bob", "")
	talkRaw(a, b)
	waits := dial()
	waits.enter("lounge")
	stands := dial()
	stands.send(`{"type":"standby"}`)

	upgrade()
	talkRaw(a, b)
	joins := dial()
	joins.enter("lounge")
	talkRaw(waits, joins)

	upgrade()
	_ = b.conn.CloseNow() // without a word
	b = dial()
	if again := b.register(room, "bob", accept.ResumeToken); !again.Resumed || again.Rebuilt {
		t.Errorf("accept = %+v, want the seat that was", again)
	}
	talkRaw(a, b)
	talkRaw(waits, joins)
	stands.enter("hall")
	third := dial()
	third.enter("hall")
	talkRaw(stands, third)

	client := &admin.Client{URL: p.admin, HTTP: newClient(t)}
	rooms, more, err := admin.List[admin.RoomAnswer](t.Context(), client, "/api/rooms", url.Values{}, 10)
	if err != nil || len(rooms) != 3 || more {
		t.Fatalf("rooms = %+v, %v, %v; want three, of two processes", rooms, more, err)
	}
	for _, r := range rooms {
		var one admin.RoomAnswer
		must(t, client.Do(t.Context(), http.MethodGet, "/api/rooms/"+r.ID, nil, &one))
		if one.ID != r.ID || len(one.Members) != 2 {
			t.Errorf("room %s = %+v, want its two members", r.ID, one)
		}
		must(t, client.Do(t.Context(), http.MethodDelete, "/api/rooms/"+r.ID, nil, nil))
	}
	for _, c := range []*rawClient{a, b, waits, joins, stands, third} {
		c.mustEnd(`{"type":"bye","reason":"`+wire.ByeEnded+`"}`+"\n", websocket.StatusNormalClosure)
	}
	<-p.exited
	if p.err != nil {
		t.Errorf("the first process ended with %v", p.err)
	}
}
