package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"github.com/wasmp2pchat/wasmp2pchat/internal/admin"
	"github.com/wasmp2pchat/wasmp2pchat/internal/redisdb/redistest"
	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// bansAt is the names of the bans that hold at a server.
func bansAt(t *testing.T, s *server) (names []string) {
	t.Helper()
	list, _, err := admin.List[admin.Ban](t.Context(), &admin.Client{URL: s.admin}, "/api/bans", url.Values{}, 10)
	must(t, err)
	for _, ban := range list {
		names = append(names, ban.Name)
	}
	return names
}

// TestABanHoldsInTheWholeFleet bans at one node somebody who has a chat at another
// and waits there, starts a third which has never heard of it, and lifts the ban at
// that one, while the second is down: it has it in its file.
func TestABanHoldsInTheWholeFleet(t *testing.T) {
	t.Parallel()
	redis, dir := redistest.Start(t), t.TempDir()
	one := startServer(t, fleetOf(redis, "n1")...)
	two := startServer(t, fleetOf(redis, "n2", "STATE_DIR="+dir)...)
	for _, s := range []*server{one, two} {
		until(t, "each lists both", func() bool { return len(nodesAt(t, s)) == 2 })
	}
	a, b := openTerminal(t, "--relay", two.url), openTerminal(t, "--relay", two.url)
	a.expect("* connected: relay-")
	b.expect("* connected: relay-")
	waits := openTerminal(t, two.url)
	waits.expect("* looking for somebody")

	until(t, "the first one knows who is at the second", func() bool { return nodesAt(t, one)["n2"].Online >= 3 })
	var banned admin.Banned
	client := &admin.Client{URL: one.admin}
	must(t, client.Do(t.Context(), http.MethodPost, "/api/bans", admin.BanRequest{Address: "127.0.0.1", Reason: "sells watches"}, &banned))
	if len(banned.Bans) != 1 {
		t.Fatalf("banned = %+v, want an address", banned)
	}
	a.expect("* the stranger has left")
	b.expect("* the stranger has left")
	if err := <-waits.done; err == nil || !strings.Contains(err.Error(), "banned") {
		t.Errorf("who waited at the other node ended with %v, want that he is banned", err)
	}

	must(t, two.stop())
	three := startServer(t, fleetOf(redis, "n3")...)
	until(t, "the third has learned of the ban", func() bool { return len(bansAt(t, three)) == 1 })
	client.URL = three.admin
	must(t, client.Do(t.Context(), http.MethodDelete, "/api/bans/"+banned.Bans[0].Name, nil, nil))
	until(t, "the first one knows that it is lifted", func() bool { return len(bansAt(t, one)) == 0 })
	until(t, "so does redis", func() bool { return strings.Contains(redis.Do(t, "HVALS", "wasmp2pchat:bans"), "lifted") })
	two = startServer(t, fleetOf(redis, "n2", "STATE_DIR="+dir)...)
	until(t, "the second has learned that it is lifted", func() bool { return len(bansAt(t, two)) == 0 })
	for _, s := range []*server{one, two, three} {
		must(t, s.stop())
	}
}

// line is a WebSocket to one of a server's services, which answers pings.
type line struct {
	t    *testing.T
	conn *websocket.Conn
}

// dialLine opens one and says something first.
func dialLine(t *testing.T, s *server, path, first string) *line {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	conn, response, err := websocket.Dial(ctx, s.url+path, nil)
	if response != nil && response.Body != nil {
		_ = response.Body.Close()
	}
	if err == nil {
		err = conn.Write(ctx, websocket.MessageText, []byte(first))
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.CloseNow() })
	return &line{t, conn}
}

// hears waits for a message of one of the types, and returns it.
func (l *line) hears(types ...string) (m wire.MatchMessage) {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(l.t.Context(), patience)
	defer cancel()
	for !slices.Contains(types, m.Type) {
		_, text, err := l.conn.Read(ctx)
		if err != nil {
			l.t.Fatalf("waiting for %q: %v", types, err)
		}
		m = wire.MatchMessage{}
		if err := json.Unmarshal(text, &m); err != nil {
			l.t.Fatalf("%s: %v", text, err)
		}
		if m.Type == wire.SignalPing {
			must(l.t, l.conn.Write(ctx, websocket.MessageText, []byte(`{"type":"`+wire.SignalPong+`"}`)))
		}
	}
	return m
}

// TestWhoIsStoodUpInAFleetIsOfferedAgain lets one of two who met at different nodes
// stay away from their room: the other one, whose connection to the lobby is not at
// the room's home, is offered again on it. Then he reports, at a third node, whom he
// meets next.
func TestWhoIsStoodUpInAFleetIsOfferedAgain(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	nodes := make([]*server, 3)
	for i := range nodes {
		nodes[i] = startServer(t, fleetOf(redis, fmt.Sprint("n", i))...)
	}
	for _, s := range nodes {
		until(t, "each lists all", func() bool { return len(nodesAt(t, s)) == len(nodes) })
	}
	asks := func(user string) string { return fmt.Sprintf(`{"user_id":%q,"ext":["waiting"]}`, user) }
	ghost := dialLine(t, nodes[0], "/matchmaking", asks("ghost"))
	ghost.hears(wire.MatchWaiting)
	me := dialLine(t, nodes[1], "/matchmaking", asks("me"))
	room := me.hears(wire.MatchFound).RoomID
	if other := ghost.hears(wire.MatchFound).RoomID; other != room {
		t.Fatalf("rooms %q and %q, want the same", room, other)
	}
	_ = ghost.conn.CloseNow()
	seat := dialLine(t, nodes[1], "/signaling", fmt.Sprintf(`{"type":"register","roomId":%q,"clientId":"me"}`, room))
	seat.hears(wire.SignalAccept)
	seat.hears(wire.SignalBye) // nobody came within ten seconds
	me.hears(wire.MatchWaiting)

	you := dialLine(t, nodes[2], "/matchmaking", asks("you"))
	next := you.hears(wire.MatchFound).RoomID
	if mine := me.hears(wire.MatchFound).RoomID; mine != next || next == room {
		t.Errorf("rooms %q and %q, want the same new one", mine, next)
	}
	for _, c := range []struct{ user, want string }{{"me", wire.MatchReported}, {"nobody", wire.MatchError}} {
		report := fmt.Sprintf(`{"type":"REPORT","room_id":%q,"user_id":%q,"reason":"spam"}`, next, c.user)
		if m := dialLine(t, nodes[0], "/matchmaking", report).hears(wire.MatchReported, wire.MatchError); m.Type != c.want {
			t.Errorf("a report of %q is answered with %+v, want %s", c.user, m, c.want)
		}
	}
	for _, s := range nodes {
		must(t, s.stop())
	}
}
