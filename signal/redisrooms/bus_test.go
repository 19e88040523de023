package redisrooms_test

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/wasmp2pchat/wasmp2pchat/internal/redisdb"
	"github.com/wasmp2pchat/wasmp2pchat/internal/redisdb/redistest"
	"github.com/wasmp2pchat/wasmp2pchat/signal"
	"github.com/wasmp2pchat/wasmp2pchat/signal/redisrooms"
	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

var _ signal.Fleet = (*redisrooms.Bus)(nil)

// node is one process of a fleet.
type node struct {
	rooms *signal.Rooms
	bus   *redisrooms.Bus
	addr  string
	stop  func()
}

// patience is longer than anything that these tests wait for.
const patience = 20 * time.Second

// start makes a node whose Redis is at a URL, and waits until it is there.
func start(t *testing.T, id, url string) *node {
	t.Helper()
	db, err := redisdb.Open(url, redisdb.Options{})
	if err != nil {
		t.Fatal(err)
	}
	n := &node{bus: redisrooms.New(redisrooms.Config{DB: db, Node: id})}
	n.rooms = signal.New(signal.Config{
		Admit: func(string) (time.Time, error) { return time.Now().Add(time.Minute), nil },
		ICEServers: func(room string, side wire.Side, _ bool, _ netip.Addr) ([]wire.ICEServer, time.Time) {
			return []wire.ICEServer{{URLs: []string{"turn:" + id}, Username: room + "." + string(side)}}, time.Time{}
		},
		Seal: func(text []byte) (mac [16]byte) {
			copy(mac[:], text[len(text)-1:])
			mac[1] = byte(len(text))
			return mac
		},
		Fleet: n.bus,
	})
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n.addr = l.Addr().String()
	server := &http.Server{Handler: n.rooms, ReadHeaderTimeout: 5 * time.Second}
	var running sync.WaitGroup
	roomsCtx, stopRooms := context.WithCancel(context.WithoutCancel(t.Context()))
	busCtx, stopBus := context.WithCancel(context.WithoutCancel(t.Context()))
	running.Go(func() { _ = server.Serve(l) })
	roomsDone, busDone := make(chan struct{}), make(chan struct{})
	go func() { defer close(roomsDone); _ = n.rooms.Serve(roomsCtx) }()
	go func() { defer close(busDone); _ = n.bus.Serve(busCtx, n.rooms) }()
	dbCtx, stopDB := context.WithCancel(context.WithoutCancel(t.Context()))
	running.Go(func() { _ = db.Serve(dbCtx) })
	n.stop = sync.OnceFunc(func() {
		stopRooms()
		_ = server.Close()
		<-roomsDone
		stopBus()
		<-busDone
		stopDB()
		running.Wait()
	})
	t.Cleanup(n.stop)
	redistest.Until(t, db.Up)
	return n
}

// client is a WebSocket that always reads.
type client struct {
	t   *testing.T
	ws  *websocket.Conn
	mu  sync.Mutex
	got chan string
	err error // how it ended; after got is closed

	ended chan struct{} // closed then
}

func (n *node) dial(t *testing.T) *client {
	t.Helper()
	ws, resp, err := websocket.DefaultDialer.DialContext(t.Context(), "ws://"+n.addr+"/signaling", nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	c := &client{t: t, ws: ws, got: make(chan string, 256), ended: make(chan struct{})}
	go func() {
		defer close(c.ended)
		defer close(c.got)
		for {
			_, text, err := ws.ReadMessage()
			switch {
			case err != nil:
				c.err = err
				_ = ws.Close()
				return
			case strings.HasPrefix(string(text), `{"type":"ping"`):
				c.send(`{"type":"pong"}`)
			default:
				c.got <- string(text)
			}
		}
	}()
	return c
}

func (c *client) send(text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_ = c.ws.WriteMessage(websocket.TextMessage, []byte(text))
}

func (c *client) next() string {
	c.t.Helper()
	select {
	case text, ok := <-c.got:
		if !ok {
			c.t.Fatalf("the connection ended with %v", c.err)
		}
		return text
	case <-time.After(patience):
		c.t.Fatal("nothing comes")
	}
	return ""
}

func (c *client) mustGet(want string) {
	c.t.Helper()
	if got := c.next(); got != want {
		c.t.Errorf("got %q, want %q", got, want)
	}
}

// register enters a room, or comes back to it with a token.
func (c *client) register(room, id, token string) (a wire.Accept) {
	c.t.Helper()
	c.send(`{"type":"register","roomId":"` + room + `","clientId":"` + id + `","ext":["resume"],"resumeToken":"` + token + `"}`)
	text := c.next()
	if err := json.Unmarshal([]byte(text), &a); err != nil || a.Type != wire.SignalAccept {
		c.t.Fatalf("got %q, want accept", text)
	}
	return a
}

// mustClose waits for the end.
func (c *client) mustClose(code wire.CloseCode) {
	c.t.Helper()
	for {
		select {
		case text, ok := <-c.got:
			if ok {
				c.t.Errorf("%s came before the end", text)
				continue
			}
			if !websocket.IsCloseError(c.err, int(code)) {
				c.t.Errorf("the connection ended with %v, want %d", c.err, code)
			}
			return
		case <-time.After(patience):
			c.t.Fatal("it does not end")
		}
	}
}

// TestTwoMeetOverTwoNodes passes an offer and an answer through Redis.
func TestTwoMeetOverTwoNodes(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	one, two := start(t, "one", redis.URL), start(t, "two", redis.URL)
	a, b := one.dial(t), two.dial(t)
	if accept := a.register("room1", "alice", ""); accept.IsExistClient || accept.ICEServers[0].URLs[0] != "turn:one" {
		t.Errorf("accept = %+v, want that nobody is there", accept)
	}
	accept := b.register("room1", "bob", "")
	if !accept.IsExistClient || accept.ICEServers[0].URLs[0] != "turn:one" {
		t.Errorf("accept = %+v, want the offer made, and the relay of the room's home", accept)
	}
	b.send(`{"type":"offer"}`)
	a.mustGet(`{"type":"offer"}`)
	a.send(`{"type":"answer"}`)
	b.mustGet(`{"type":"answer"}`)
	_ = b.ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(1000, ""), time.Now().Add(time.Second))
	a.mustGet(`{"type":"bye"}` + "\n")
	a.mustClose(wire.CloseNormal)
	if s := two.rooms.Stats(); s.Rooms != 0 || s.Connected > 1 {
		t.Errorf("Stats() of the proxy = %+v, want no room", s)
	}
}
