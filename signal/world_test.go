package signal

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/wasmp2pchat/wasmp2pchat/internal/pipenet"
	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// world is a set of rooms on a listener. Ids that begin with "room" admit.
type world struct {
	rooms *Rooms
	ended chan string
	came  *atomic.Int64 // clients on pipes; two nodes count them together
	dial  func(context.Context) (net.Conn, error)
	stop  func()
}

var errForged = errors.New("forged")

// pipeAddr is where the n-th client on pipes comes from.
func pipeAddr(n int) netip.Addr { return netip.AddrFrom4([4]byte{127, 0, 0, byte(n)}) }

func newWorldOn(t *testing.T, l net.Listener, dial func(context.Context) (net.Conn, error), options ...func(*Config)) *world {
	t.Helper()
	ended := make(chan string, 16)
	cfg := Config{
		Ended: func(room string) {
			select {
			case ended <- room:
			default: // a test that does not look
			}
		},
		Admit: func(id string) (time.Time, error) {
			if !strings.HasPrefix(id, "room") {
				return time.Time{}, errForged
			}
			return time.Now().Add(time.Minute), nil
		},
		ICEServers: func(room string, side wire.Side, hides bool, partner netip.Addr) ([]wire.ICEServer, time.Time) {
			if partner.IsValid() && !partner.IsLoopback() {
				t.Errorf("the partner of %s came from %v", side, partner)
			}
			return []wire.ICEServer{{URLs: []string{"turn:51.51.51.10:3478"}, Username: room + "." + string(side), Credential: "secret"}}, time.Time{}
		},
	}
	for _, set := range options {
		set(&cfg)
	}
	w := &world{dial: dial, ended: ended, rooms: New(cfg), came: new(atomic.Int64)}
	server := &http.Server{ReadHeaderTimeout: 5 * time.Second, Handler: http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
		if req.RemoteAddr == "pipe" {
			req.RemoteAddr = pipeAddr(int(w.came.Add(1))).String() + ":50000"
		}
		w.rooms.ServeHTTP(rw, req)
	})}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = w.rooms.Serve(ctx) })
	running.Go(func() { _ = server.Serve(l) })
	w.stop = func() {
		cancel()
		_ = server.Close()
		running.Wait()
	}
	return w
}

func onPipes(t *testing.T, options ...func(*Config)) *world {
	t.Helper()
	l := pipenet.Listen()
	return newWorld(t, l, l.Dial, options...)
}

func onLoopback(t *testing.T, options ...func(*Config)) *world {
	t.Helper()
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return newWorld(t, l, func(ctx context.Context) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", l.Addr().String())
	}, options...)
}

// client is a member as the rooms see one. It always reads, and answers pings
// unless it is mute.
type client struct {
	t     *testing.T
	ws    *websocket.Conn
	mute  bool
	mu    sync.Mutex  // held while writing
	got   chan string // what came, but pings; closed at the end
	pongs chan struct{}
	ends  chan struct{} // closed at the end, after err is set
	err   error         // how it ended
}

// upgrade opens a WebSocket that nobody reads yet.
func (w *world) upgrade(t *testing.T) *websocket.Conn {
	t.Helper()
	dialer := websocket.Dialer{NetDialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return w.dial(ctx) }}
	ws, resp, err := dialer.DialContext(t.Context(), "ws://chat.example.org/signaling", nil)
	if err != nil {
		t.Fatalf("dial: %v", err)
	}
	_ = resp.Body.Close()
	return ws
}

func (w *world) connect(t *testing.T, mute bool) *client {
	t.Helper()
	ws := w.upgrade(t)
	c := &client{t: t, ws: ws, mute: mute, got: make(chan string, 1024), pongs: make(chan struct{}, 1), ends: make(chan struct{})}
	ws.SetPongHandler(func(string) error { c.pongs <- struct{}{}; return nil })
	go c.read()
	return c
}

// deaf seats a client that reads its accept and then nothing more.
func (w *world) deaf(t *testing.T, room string) *websocket.Conn {
	t.Helper()
	ws := w.upgrade(t)
	if err := ws.WriteMessage(websocket.TextMessage, []byte(`{"type":"register","roomId":"`+room+`"}`)); err != nil {
		t.Fatal(err)
	}
	if _, text, err := ws.ReadMessage(); err != nil || !strings.HasPrefix(string(text), `{"type":"accept"`) {
		t.Fatalf("got %q, %v; want accept", text, err)
	}
	return ws
}

// settle returns when the server has handled everything that was sent.
func (c *client) settle() {
	c.t.Helper()
	c.write(websocket.PingMessage, "")
	select {
	case <-c.pongs:
	case <-c.ends:
		c.t.Fatalf("the connection ended with %v", c.err)
	}
}

func (c *client) read() {
	defer close(c.ends)
	defer close(c.got)
	for {
		typ, text, err := c.ws.ReadMessage()
		switch {
		case err != nil:
			c.err = err
			_ = c.ws.Close()
			return
		case typ != websocket.TextMessage:
			c.t.Errorf("a message of type %d came, want text", typ)
		case string(text) != `{"type":"ping"}`+"\n":
			c.got <- string(text)
		case !c.mute:
			c.write(websocket.TextMessage, `{"type":"pong"}`)
		}
	}
}

func (c *client) send(text string) { c.write(websocket.TextMessage, text) }

// write may fail: the server closes on those who are at fault.
func (c *client) write(typ int, text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_ = c.ws.WriteMessage(typ, []byte(text))
}

// mustClose holds the connection to end with a code and a reason, and nothing
// more to come before.
func (c *client) mustClose(code wire.CloseCode, reason string) {
	c.t.Helper()
	for text := range c.got {
		c.t.Errorf("%s came before the end", text)
	}
	<-c.ends
	closed, ok := errors.AsType[*websocket.CloseError](c.err)
	if !ok || closed.Code != int(code) || closed.Text != reason {
		c.t.Errorf("the connection ended with %v, want close %d %q", c.err, code, reason)
	}
}

// patience is longer than anything that these tests wait for.
const patience = 5 * time.Minute

// next is the next message, if one comes.
func (c *client) next() (text string, ok bool) {
	c.t.Helper()
	select {
	case text, ok = <-c.got:
	case <-time.After(patience):
		c.t.Fatal("nothing comes")
	}
	return text, ok
}

// mustGet holds the next message to be this one.
func (c *client) mustGet(want string) {
	c.t.Helper()
	if got, ok := c.next(); !ok || got != want {
		c.t.Errorf("got %q, want %q", got, want)
	}
}

// mustReject holds the connection to end with a reject.
func (c *client) mustReject(reason string) {
	c.t.Helper()
	c.mustGet(`{"type":"reject","reason":"` + reason + `"}` + "\n")
	c.mustClose(wire.CloseNormal, reason)
}

// mustBye holds the connection to end with a bye.
func (c *client) mustBye() {
	c.t.Helper()
	c.mustGet(bye)
	c.mustClose(wire.CloseNormal, wire.ReasonLeft)
}

// bye is what who stays is told.
const bye = `{"type":"bye"}` + "\n"

// leave closes with a close frame, as a page does.
func (c *client) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	_ = c.ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(1001, ""), time.Now().Add(time.Second))
}

// lose ends the connection without a word.
func (c *client) lose() { _ = c.ws.NetConn().Close() }

// reset ends a TCP connection with RST.
func (c *client) reset() {
	if tcp, ok := c.ws.NetConn().(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	c.lose()
}

func (c *client) register(room string) wire.Accept {
	c.t.Helper()
	c.send(`{"type":"register","roomId":"` + room + `","clientId":"me"}`)
	return c.accept()
}

// registerExt registers with extensions, in a room.
func (c *client) registerExt(room, id string) wire.Accept {
	c.t.Helper()
	c.send(`{"type":"register","roomId":"` + room + `","clientId":"` + id + `","ext":["refresh","resume"]}`)
	return c.accept()
}

// comeBack asks a seat back.
func (c *client) comeBack(room, id, token string) {
	c.send(`{"type":"register","roomId":"` + room + `","clientId":"` + id + `","ext":["refresh","resume"],"resumeToken":"` + token + `"}`)
}

func (c *client) accept() (a wire.Accept) {
	c.t.Helper()
	text, ok := c.next()
	if !ok {
		<-c.ends
		c.t.Fatalf("the connection ended with %v, want accept", c.err)
	}
	if err := json.Unmarshal([]byte(text), &a); err != nil || a.Type != wire.SignalAccept || !strings.HasSuffix(text, "}\n") {
		c.t.Fatalf("got %q (%v), want accept", text, err)
	}
	return a
}

func openFiles(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0 // not Linux: only goroutines are counted
	}
	return len(list)
}

// await returns when cond holds.
func await(t *testing.T, cond func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	deadline := time.Now().Add(10 * time.Second)
	for !cond() {
		if now := <-tick.C; now.After(deadline) {
			t.Fatal("not within 10 s")
		}
	}
}
