package kinrooms_test

import (
	"encoding/json"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

const (
	// patience is longer than anything that these tests wait for.
	patience = 30 * time.Second

	closeGoingAway = int(wire.CloseGoingAway)
)

// client is a WebSocket that always reads.
type client struct {
	t     *testing.T
	ws    *websocket.Conn
	mu    sync.Mutex
	got   chan string
	pongs chan struct{}
	err   error // how it ended; after got is closed
}

func (p *processes) dial(t *testing.T) *client {
	t.Helper()
	p.dialled++ // each from an address of its own
	from := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 1, byte(p.dialled/200), byte(1+p.dialled%200))}}
	dialer := websocket.Dialer{NetDialContext: from.DialContext}
	ws, resp, err := dialer.DialContext(t.Context(), "ws://"+p.addr+"/signaling", nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	c := &client{t: t, ws: ws, got: make(chan string, 256), pongs: make(chan struct{}, 1)}
	ws.SetPongHandler(func(string) error { c.pongs <- struct{}{}; return nil })
	go func() { // until the connection ends
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

func (c *client) send(text string) { c.write(websocket.TextMessage, text) }

// write may fail: the other one may be gone.
func (c *client) write(typ int, text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_ = c.ws.WriteMessage(typ, []byte(text))
}

// settle returns when the server has handled everything that was sent.
func (c *client) settle() {
	c.t.Helper()
	c.write(websocket.PingMessage, "")
	select {
	case <-c.pongs:
	case <-time.After(patience):
		c.t.Fatal("the server does not answer")
	}
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

// enter registers as a client that cannot come back.
func (c *client) enter(room string) { c.send(`{"type":"register","roomId":"` + room + `"}`) }

// accepted waits for the accept, and tells whether somebody was there before.
func (c *client) accepted() (second bool) {
	c.t.Helper()
	var a wire.Accept
	text := c.next()
	if err := json.Unmarshal([]byte(text), &a); err != nil || a.Type != wire.SignalAccept {
		c.t.Fatalf("got %q, want accept", text)
	}
	return a.IsExistClient
}

// plain is both.
func (c *client) plain(room string) {
	c.t.Helper()
	c.enter(room)
	c.accepted()
}

// resumable enters the room of those who can come back, or comes back to it with a
// token.
func (c *client) resumable(id, token string) (a wire.Accept) {
	c.t.Helper()
	c.send(`{"type":"register","roomId":"lasting","clientId":"` + id + `","ext":["resume"],"resumeToken":"` + token + `"}`)
	text := c.next()
	if err := json.Unmarshal([]byte(text), &a); err != nil || a.Type != wire.SignalAccept {
		c.t.Fatalf("got %q, want accept", text)
	}
	return a
}

// mustEnd waits for a last message, and the end.
func (c *client) mustEnd(text string) {
	c.t.Helper()
	c.mustGet(text)
	c.mustClose(int(wire.CloseNormal))
}

// mustClose waits for the end.
func (c *client) mustClose(code int) {
	c.t.Helper()
	select {
	case text, ok := <-c.got:
		if ok {
			c.t.Errorf("%s came before the end", text)
		} else if !websocket.IsCloseError(c.err, code) {
			c.t.Errorf("the connection ended with %v, want %d", c.err, code)
		}
	case <-time.After(patience):
		c.t.Fatal("it does not end")
	}
}

// leave closes with a close frame, as a page does.
func (c *client) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	_ = c.ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(1001, ""), time.Now().Add(time.Second))
}

// lose ends the connection without a word.
func (c *client) lose() { _ = c.ws.NetConn().Close() }

// talk passes an offer one way and an answer the other way.
func talk(t *testing.T, a, b *client) {
	t.Helper()
	b.send(`{"type":"offer"}`)
	a.mustGet(`{"type":"offer"}`)
	a.send(`{"type":"answer"}`)
	b.mustGet(`{"type":"answer"}`)
}
