package match

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"github.com/wasmp2pchat/wasmp2pchat/internal/pipenet"
	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// world is a lobby on a listener.
type world struct {
	lobby *Lobby
	dial  func(context.Context) (net.Conn, error)
	stop  func()
}

// numberedRooms is the settings of a pool that calls its rooms name-1, name-2, …
// and admits to them with room-1, room-2, …
func numberedRooms() PoolConfig {
	var drawn atomic.Int64
	return PoolConfig{
		RoomName: func() string { return fmt.Sprintf("name-%d", drawn.Add(1)) },
		RoomID:   func(name string) string { return "room-" + strings.TrimPrefix(name, "name-") },
	}
}

func newWorld(t *testing.T, l net.Listener, dial func(context.Context) (net.Conn, error)) *world {
	t.Helper()
	w := &world{dial: dial}
	w.lobby = New(Config{
		PoolConfig: numberedRooms(),
		ICEServers: func(w Wanted) ([]wire.ICEServer, time.Time) {
			if w.Partner.IsValid() && !w.Partner.IsLoopback() {
				t.Errorf("the partner of %s came from %v", w.Side, w.Partner)
			}
			return []wire.ICEServer{{URLs: []string{"turn:51.51.51.10:3478?transport=udp"}, Username: w.Room + "." + string(w.Side), Credential: "secret"}}, time.Unix(1795255801, 0)
		},
	})
	server := &http.Server{Handler: w.lobby, ReadHeaderTimeout: 5 * time.Second}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = w.lobby.Serve(ctx) })
	running.Go(func() { _ = server.Serve(l) })
	w.stop = func() {
		cancel()
		_ = server.Close()
		running.Wait()
	}
	return w
}

func onPipes(t *testing.T) *world {
	t.Helper()
	l := pipenet.Listen()
	return newWorld(t, l, l.Dial)
}

func onLoopback(t *testing.T) *world {
	t.Helper()
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return newWorld(t, l, func(ctx context.Context) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", l.Addr().String())
	})
}

// client is a visitor as the lobby sees one. It always reads, as browsers do.
type client struct {
	t    *testing.T
	ws   *websocket.Conn
	got  chan []byte   // what came; closed at the end
	ends chan struct{} // closed at the end, after err is set
	err  error         // how it ended
}

func (w *world) connect(t *testing.T, first string) *client {
	t.Helper()
	dialer := websocket.Dialer{NetDialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return w.dial(ctx) }}
	ws, resp, err := dialer.DialContext(t.Context(), "ws://chat.example.org/matchmaking", nil)
	if err != nil {
		t.Fatalf("dial: %v", err)
	}
	_ = resp.Body.Close()
	c := &client{t: t, ws: ws, got: make(chan []byte, 1024), ends: make(chan struct{})}
	if err := ws.WriteMessage(websocket.TextMessage, []byte(first)); err != nil {
		t.Fatalf("write: %v", err)
	}
	go c.read()
	return c
}

func (c *client) read() {
	defer close(c.ends)
	defer close(c.got)
	for {
		_, text, err := c.ws.ReadMessage()
		if err != nil {
			c.err = err
			_ = c.ws.Close()
			return
		}
		c.got <- text
	}
}

// next is the next message of the given type; others are skipped, as the
// seed's client does. It tells whether there was one.
func (c *client) next(typ string) (m wire.MatchMessage, ok bool) {
	for text := range c.got {
		var m wire.MatchMessage
		if err := json.Unmarshal(text, &m); err != nil {
			c.t.Errorf("%s: %v", text, err)
		}
		if m.Type == typ {
			return m, true
		}
	}
	return m, false
}

func (c *client) must(typ string) wire.MatchMessage {
	c.t.Helper()
	m, ok := c.next(typ)
	if !ok {
		<-c.ends
		c.t.Fatalf("waiting for %s: %v", typ, c.err)
	}
	return m
}

// mustClose holds the connection to end with a close code.
func (c *client) mustClose(code wire.CloseCode) {
	c.t.Helper()
	<-c.ends
	if !websocket.IsCloseError(c.err, int(code)) {
		c.t.Errorf("the connection ended with %v, want close %d", c.err, code)
	}
}

func request(user string) string {
	return fmt.Sprintf(`{"user_id":%q,"created_at":"2026-11-21T10:00:00.123456789Z"}`, user)
}

func TestTwoVisitorsAreGivenOneRoom(t *testing.T) {
	t.Parallel()
	w := onLoopback(t)
	a := w.connect(t, `{"user_id":"alice","created_at":"2026-11-21T10:00:00Z","tags":["music","go"],"ext":["waiting"]}`)
	if news := a.must(wire.MatchWaiting); news.Waiting != 1 || news.Online != 1 {
		t.Errorf("WAITING = %+v, want 1 waiting, 1 online", news)
	}
	b := w.connect(t, `{"user_id":"bob","created_at":"2026-11-21T10:00:00Z","tags":["go","art"]}`)
	forA, forB := a.must(wire.MatchFound), b.must(wire.MatchFound)
	if forA.RoomID == "" || forA.RoomID != forB.RoomID {
		t.Errorf("rooms %q and %q, want the same", forA.RoomID, forB.RoomID)
	}
	if forA.UserID != "alice" || forB.UserID != "bob" {
		t.Errorf("user ids %q and %q, want each its own", forA.UserID, forB.UserID)
	}
	if ua, ub := forA.ICEServers[0].Username, forB.ICEServers[0].Username; ua != "name-1.a" || ub != "name-1.b" || forA.RoomID != "room-1" {
		t.Errorf("credentials of %q and %q, want side a for who waited, b for the newcomer", ua, ub)
	}
	if len(forA.Tags) != 1 || forA.Tags[0] != "go" || len(forB.Tags) != 1 {
		t.Errorf("shared tags %v and %v, want [go]", forA.Tags, forB.Tags)
	}
	if forA.ExpiresAt.IsZero() || forA.CreatedAt.IsZero() {
		t.Errorf("MATCH = %+v, want its times", forA)
	}
	w.stop()
}

// TestTheSeedsClient sends exactly what the seed's client sends, one message,
// and reads what it reads.
func TestTheSeedsClient(t *testing.T) {
	t.Parallel()
	w := onLoopback(t)
	a := w.connect(t, `{"user_id":"0a1b2c3","created_at":"2026-11-21T10:00:00.123456789Z"}`)
	b := w.connect(t, `{"user_id":"3c2b1a0","created_at":"2026-11-21T10:00:01.5+01:00"}`)
	for _, c := range []*client{a, b} {
		text := <-c.got
		var m struct {
			Type      string    `json:"type"`
			RoomID    string    `json:"room_id"`
			UserID    string    `json:"user_id"`
			CreatedAt time.Time `json:"created_at"`
		}
		if err := json.Unmarshal(text, &m); err != nil || m.Type != "MATCH" || m.RoomID != "room-1" {
			t.Errorf("the first message is %s (%v), want MATCH with room-1", text, err)
		}
		_ = c.ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(1000, "close connection"), time.Now().Add(time.Second))
		c.mustClose(wire.CloseNormal)
	}
	w.stop()
}

func TestNobodyMeetsHimself(t *testing.T) {
	t.Parallel()
	w := onLoopback(t)
	a := w.connect(t, request("me"))
	w.await(t, func(s Stats) bool { return s.Waiting == 1 })
	b := w.connect(t, request("me"))
	w.await(t, func(s Stats) bool { return s.Waiting == 2 })
	c := w.connect(t, request("you"))
	forC := c.must(wire.MatchFound)
	d := w.connect(t, request("somebody"))
	forD := d.must(wire.MatchFound)
	if forA, forB := a.must(wire.MatchFound), b.must(wire.MatchFound); forA.RoomID == forB.RoomID || forA.RoomID != forC.RoomID || forB.RoomID != forD.RoomID {
		t.Errorf("rooms: me %q, me %q, you %q, somebody %q", forA.RoomID, forB.RoomID, forC.RoomID, forD.RoomID)
	}
	w.stop()
}

func TestBadRequests(t *testing.T) {
	t.Parallel()
	w := onLoopback(t)
	for name, first := range map[string]string{
		"not JSON":         `hello`,
		"null":             `null`,
		"a number":         `7`,
		"an array":         `[]`,
		"no user id":       `{"created_at":"2026-11-21T10:00:00Z"}`,
		"a number as id":   `{"user_id":7,"created_at":"2026-11-21T10:00:00Z"}`,
		"no time":          `{"user_id":"a","created_at":"yesterday"}`,
		"five tags":        `{"user_id":"a","created_at":"2026-11-21T10:00:00Z","tags":["a","b","c","d","e"]}`,
		"a 900 kB user id": `{"user_id":"` + strings.Repeat("a", 60_000) + `"}`,
	} {
		c := w.connect(t, first)
		if m, ok := c.next(wire.MatchError); !ok || m.Reason != wire.ErrorBadRequest {
			t.Errorf("%s: %+v, %v; want ERROR bad-request", name, m, ok)
		}
		c.mustClose(wire.CloseBadData)
	}
	if s := w.lobby.Stats(); s.Waiting != 0 || s.Refused != 9 {
		t.Errorf("Stats() = %+v, want nobody waiting, 9 refused", s)
	}
	w.stop()
}

func TestNobodyCame(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := onPipes(t)
		start := time.Now()
		c := w.connect(t, request("a"))
		c.must(wire.MatchTimeout)
		if took := time.Since(start); took < 2*time.Minute || took > 2*time.Minute+tickEvery {
			t.Errorf("TIMEOUT after %v, want 2m", took)
		}
		c.mustClose(wire.CloseNormal)
		w.stop()
	})
}

func TestNewsComeWhenTheyChangeAndOnlyToWhoAsked(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := onPipes(t)
		a := w.connect(t, `{"user_id":"me","created_at":"2026-11-21T10:00:00Z","ext":["waiting"]}`)
		a.must(wire.MatchWaiting)
		start := time.Now()
		<-time.After(10*time.Second + tickEvery/2) // no tick is then: it could see who has come and does not wait yet
		silent := w.connect(t, request("me"))
		if news := a.must(wire.MatchWaiting); news.Waiting != 2 || news.Online != 2 {
			t.Errorf("WAITING = %+v, want 2 waiting, 2 online", news)
		}
		if took := time.Since(start); took < 10*time.Second || took > 10*time.Second+NewsEvery+tickEvery {
			t.Errorf("news came after %v, want when they changed", took)
		}
		w.connect(t, request("you"))
		w.connect(t, request("they"))
		if first := <-silent.got; !bytes.Contains(first, []byte(`"MATCH"`)) {
			t.Errorf("a client that did not ask was told %s; want MATCH first", first)
		}
		w.stop()
	})
}

func TestShutdownTellsThoseWhoWait(t *testing.T) {
	t.Parallel()
	w := onLoopback(t)
	c := w.connect(t, request("a"))
	var stopped sync.WaitGroup
	stopped.Go(func() {
		w.await(t, func(s Stats) bool { return s.Waiting == 1 })
		w.stop()
	})
	if m := c.must(wire.MatchError); m.Reason != wire.ErrorShuttingDown {
		t.Errorf("ERROR %q, want %q", m.Reason, wire.ErrorShuttingDown)
	}
	c.mustClose(wire.CloseGoingAway)
	stopped.Wait()
}

// await returns when the lobby's counters are as wanted.
func (w *world) await(t *testing.T, wanted func(Stats) bool) {
	t.Helper()
	tick := time.NewTicker(200 * time.Microsecond)
	defer tick.Stop()
	deadline := time.Now().Add(10 * time.Second)
	for !wanted(w.lobby.Stats()) {
		if now := <-tick.C; now.After(deadline) {
			t.Fatalf("after 10 s: %+v", w.lobby.Stats())
		}
	}
}
