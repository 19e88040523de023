//go:build !js

package peer

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/wasmp2pchat/wasmp2pchat/internal/pipenet"
	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// stage is a server on a fake clock that does what the test says.
type stage struct {
	*testing.T
	pipes *pipenet.Listener
	calls chan *call // connections, in the order in which they came

	mu    sync.Mutex // guards the fields below
	down  bool       // nobody listens
	stuck bool       // nothing is heard of a dial
	dials []time.Time
	all   []*call
}

// call is one connection to a stage.
type call struct {
	*stage
	path  string
	conn  *websocket.Conn
	heard chan string   // what the client says
	over  chan struct{} // closed when the connection has ended
	why   error         // settled before over is closed
}

// newStage opens a server in the bubble of t.
func newStage(t *testing.T) *stage {
	t.Helper()
	s := &stage{T: t, pipes: pipenet.Listen(), calls: make(chan *call, 1<<10)}
	server := &http.Server{Handler: s}
	go func() { _ = server.Serve(s.pipes) }()
	t.Cleanup(func() {
		_ = server.Close()
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, c := range s.all {
			c.crash()
		}
	})
	return s
}

func (s *stage) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		s.Errorf("Accept: %v", err)
		return
	}
	c := &call{stage: s, path: r.URL.Path, conn: conn, heard: make(chan string, 1<<10), over: make(chan struct{})}
	s.mu.Lock()
	s.all = append(s.all, c)
	s.mu.Unlock()
	s.calls <- c
	defer close(c.over)
	for {
		_, text, err := conn.Read(context.WithoutCancel(r.Context()))
		if err != nil {
			c.why = err
			return
		}
		c.heard <- string(text)
	}
}

// dial reaches the stage, as the client's dialer.
func (s *stage) dial(ctx context.Context, url string) (*socket, error) {
	s.mu.Lock()
	down, stuck := s.down, s.stuck
	s.dials = append(s.dials, time.Now())
	s.mu.Unlock()
	if stuck {
		<-ctx.Done()
		return nil, context.Cause(ctx)
	}
	if down {
		return nil, &unreachableError{errors.New("nobody listens")}
	}
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return s.pipes.Dial(ctx) },
	}}
	conn, response, err := websocket.Dial(ctx, url, &websocket.DialOptions{HTTPClient: client})
	if err != nil {
		if response != nil {
			_ = response.Body.Close()
		}
		return nil, &unreachableError{err}
	}
	return newSocket(ctx, conn), nil
}

// setDown closes or opens the door; who is in stays.
func (s *stage) setDown(down bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = down
}

// setStuck has the network swallow every dial, or not.
func (s *stage) setStuck(stuck bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stuck = stuck
}

// dialled is how many times somebody has dialled.
func (s *stage) dialled() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.dials)
}

// expect waits for the next connection, to that path.
func (s *stage) expect(path string) *call {
	s.Helper()
	c := s.next()
	if c.path != path {
		s.Fatalf("a connection to %s, want %s", c.path, path)
	}
	return c
}

// next waits for the next connection.
func (s *stage) next() *call {
	s.Helper()
	select {
	case c := <-s.calls:
		return c
	case <-time.After(time.Hour):
		s.Fatal("nobody came")
		return nil
	}
}

// expectBoth waits for a connection to each service.
func (s *stage) expectBoth() (lobby, rooms *call) {
	s.Helper()
	for range 2 {
		switch c := s.next(); c.path {
		case "/matchmaking":
			lobby = c
		case "/signaling":
			rooms = c
		}
	}
	if lobby == nil || rooms == nil {
		s.Fatal("two connections to one service, want one to each")
	}
	return lobby, rooms
}

// expectNobody checks that no connection comes for a while.
func (s *stage) expectNobody(d time.Duration) {
	s.Helper()
	select {
	case c := <-s.calls:
		s.Fatalf("a connection to %s, want none", c.path)
	case <-time.After(d):
	}
}

// reads waits for a message that has all parts in it.
func (c *call) reads(parts ...string) string {
	c.Helper()
	select {
	case text := <-c.heard:
		for _, part := range parts {
			if !strings.Contains(text, part) {
				c.Fatalf("the client says %s, want %s in it", text, part)
			}
		}
		return text
	case <-c.over:
		c.Fatalf("the connection ended with %v, want a message with %s", c.why, parts)
	case <-time.After(time.Hour):
		c.Fatalf("the client says nothing, want a message with %s", parts)
	}
	return ""
}

// readsNothing checks that the client has said no more than was read.
func (c *call) readsNothing() {
	c.Helper()
	synctest.Wait()
	select {
	case text := <-c.heard:
		c.Fatalf("the client says %s, want nothing", text)
	default:
	}
}

// says sends texts to the client, one message each.
func (c *call) says(texts ...string) {
	c.Helper()
	if err := send(c.Context(), c.conn, texts...); err != nil {
		c.Fatalf("say %s: %v", texts, err)
	}
}

// pings has the client answer pings for that long.
func (c *call) pings(d time.Duration) {
	c.Helper()
	for end := time.Now().Add(d); time.Now().Before(end); {
		c.says(`{"type":"ping"}`)
		c.reads(`{"type":"pong"}`)
		<-time.After(min(5*time.Second, time.Until(end)))
	}
}

// crash ends the connection without a word.
func (c *call) crash() { _ = c.conn.CloseNow() }

// closes ends the connection with a close frame.
func (c *call) closes(code wire.CloseCode, reason string) {
	_ = c.conn.Close(websocket.StatusCode(code), reason)
}

// left waits until the client has closed with 1000.
func (c *call) left() {
	c.Helper()
	select {
	case <-c.over:
	case <-time.After(time.Hour):
		c.Fatal("the client stays")
	}
	if code := websocket.CloseStatus(c.why); code != websocket.StatusNormalClosure {
		c.Errorf("the client left with %v, want 1000", c.why)
	}
}

// stays checks that the connection is open.
func (c *call) stays() {
	c.Helper()
	synctest.Wait()
	select {
	case <-c.over:
		c.Errorf("the client left with %v, want it to stay", c.why)
	default:
	}
}
