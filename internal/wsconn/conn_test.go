package wsconn

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"github.com/wasmp2pchat/wasmp2pchat/internal/pipenet"
	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// recorder is a session that tells a test what happened, and echoes.
type recorder struct {
	conn   *Conn
	idle   chan struct{} // a token each time the reader rests, if there is room
	closed chan struct{}
	left   bool // as Closed was told
	echo   bool
}

func (r *recorder) Message(text []byte) {
	r.conn.Keep()
	if r.echo {
		_ = r.conn.Send(text)
	}
}

func (r *recorder) Idle() {
	select {
	case r.idle <- struct{}{}:
	default:
	}
}

func (r *recorder) Closed(left bool) {
	r.left = left
	close(r.closed)
}

// world is a hub behind a guard on a listener.
type world struct {
	hub      *Hub
	sessions chan *recorder
	dial     func(context.Context) (net.Conn, error)
	stop     func() // ends the hub, then the server
}

func newWorld(t *testing.T, l net.Listener, dial func(context.Context) (net.Conn, error), cfg Config, echo bool) *world {
	t.Helper()
	w := &world{hub: NewHub(cfg), sessions: make(chan *recorder, 4096), dial: dial}
	guard := NewGuard(Limits{})
	server := &http.Server{ReadHeaderTimeout: 5 * time.Second, Handler: guard.Wrap(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.hub.Accept(rw, r, func(c *Conn) Session {
			s := &recorder{conn: c, idle: make(chan struct{}, 1), closed: make(chan struct{}), echo: echo}
			w.sessions <- s
			return s
		})
	}))}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = w.hub.Serve(ctx) })
	running.Go(func() { _ = server.Serve(l) })
	w.stop = func() {
		cancel()
		_ = server.Close()
		running.Wait()
		if open := guard.Stats().Open; open != 0 {
			t.Errorf("the guard still counts %d connections", open)
		}
	}
	return w
}

func onPipes(t *testing.T, cfg Config) *world {
	t.Helper()
	l := pipenet.Listen()
	return newWorld(t, l, l.Dial, cfg, false)
}

func onLoopback(t *testing.T, cfg Config, echo bool) *world {
	t.Helper()
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return newWorld(t, l, func(ctx context.Context) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", l.Addr().String())
	}, cfg, echo)
}

func (w *world) connect(t *testing.T) (*websocket.Conn, *recorder) {
	t.Helper()
	dialer := websocket.Dialer{NetDialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return w.dial(ctx) }}
	ws, resp, err := dialer.DialContext(t.Context(), "ws://chat.example.org/", nil)
	if err != nil {
		t.Fatalf("dial: %v", err)
	}
	_ = resp.Body.Close()
	return ws, <-w.sessions
}

// closeCode reads until the connection ends and returns how.
func closeCode(ws *websocket.Conn) (code int, reason string) {
	for {
		_, _, err := ws.ReadMessage()
		if closed, ok := errors.AsType[*websocket.CloseError](err); ok {
			return closed.Code, closed.Text
		}
		if err != nil {
			return 0, err.Error()
		}
	}
}

func TestAClientThatSaysNothingIsCut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := onPipes(t, Config{})
		start := time.Now()
		ws, s := w.connect(t)
		code, reason := closeCode(ws)
		if code != int(wire.CloseNormal) || reason != wire.ReasonFirstMessage {
			t.Errorf("closed with %d %q, want 1000 %q", code, reason, wire.ReasonFirstMessage)
		}
		<-s.closed
		if took := time.Since(start); took != 5*time.Second {
			t.Errorf("cut after %v, want 5s", took)
		}
		w.stop()
	})
}

func TestAHalfOpenClientIsCut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := onPipes(t, Config{})
		ws, s := w.connect(t)
		ws.SetPingHandler(func(string) error { return nil }) // reads, and never answers
		go closeCode(ws)
		if err := ws.WriteMessage(websocket.TextMessage, []byte("hello")); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		<-s.closed
		if took := time.Since(start); took < 40*time.Second || took > 40*time.Second+15*time.Second+closeGrace {
			t.Errorf("cut after %v, want 40s and at most one round of the sweeper more", took)
		}
		w.stop()
	})
}

func TestAClientThatAnswersPingsStays(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := onPipes(t, Config{})
		ws, s := w.connect(t)
		go closeCode(ws)
		if err := ws.WriteMessage(websocket.TextMessage, []byte("hello")); err != nil {
			t.Fatal(err)
		}
		select {
		case <-s.closed:
			t.Error("a client that answers pings was cut within an hour")
		case <-time.After(time.Hour):
		}
		w.stop()
	})
}

// TestTheFirstPingComesHalfARoundAfterTheOpening holds that who has just come
// is not asked whether he is there, whenever he came.
func TestTheFirstPingComesHalfARoundAfterTheOpening(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const tick = time.Second
		w := onPipes(t, Config{PingEvery: parts * tick, FirstMessage: time.Hour})
		for range 5 {
			ws, _ := w.connect(t)
			start := time.Now()
			ws.SetPingHandler(func(string) error { return io.EOF })
			_, _, _ = ws.ReadMessage()
			if took := time.Since(start); took < (parts/2-1)*tick || took > (parts/2+1)*tick {
				t.Errorf("the first ping came after %v, want %v give or take %v", took, parts/2*tick, tick)
			}
			_ = ws.Close()
			<-time.After(7 * tick / 2)
		}
		w.stop()
	})
}

// TestAClientIsWaitedForAsWasSaidLast holds that a deadline which is moved, to
// whichever side, ends the connection when it has come and not before.
func TestAClientIsWaitedForAsWasSaidLast(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		say    func(c *Conn)
		ends   time.Duration
		reason string
	}{
		"later":                     {func(c *Conn) { c.FirstMessageWithin(20 * time.Second) }, 20 * time.Second, wire.ReasonFirstMessage},
		"sooner":                    {func(c *Conn) { c.FirstMessageWithin(time.Second) }, time.Second, wire.ReasonFirstMessage},
		"for ever, then later":      {func(c *Conn) { c.Keep(); c.EndWithin(15 * time.Second) }, 15 * time.Second, wire.ReasonDone},
		"for ever, then sooner":     {func(c *Conn) { c.Keep(); c.EndWithin(2 * time.Second) }, 2 * time.Second, wire.ReasonDone},
		"later, then sooner":        {func(c *Conn) { c.FirstMessageWithin(20 * time.Second); c.EndWithin(6 * time.Second) }, 6 * time.Second, wire.ReasonDone},
		"sooner, then later":        {func(c *Conn) { c.FirstMessageWithin(time.Second); c.EndWithin(9 * time.Second) }, 9 * time.Second, wire.ReasonDone},
		"later, and at 8 s sooner":  {func(c *Conn) { c.Keep(); time.AfterFunc(8*time.Second, func() { c.EndWithin(time.Second) }) }, 9 * time.Second, wire.ReasonDone},
		"for ever, and at 8 s 15 s": {func(c *Conn) { c.Keep(); time.AfterFunc(8*time.Second, func() { c.EndWithin(15 * time.Second) }) }, 23 * time.Second, wire.ReasonDone},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := onPipes(t, Config{})
				start := time.Now()
				ws, s := w.connect(t)
				c.say(s.conn)
				if code, reason := closeCode(ws); code != int(wire.CloseNormal) || reason != c.reason {
					t.Errorf("closed with %d %q, want 1000 %q", code, reason, c.reason)
				}
				if took := time.Since(start); took != c.ends {
					t.Errorf("closed after %v, want %v", took, c.ends)
				}
				<-s.closed
				w.stop()
			})
		})
	}
}

func TestPingsAreTheText(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := onPipes(t, Config{Ping: []byte(`{"type":"ping"}`), PingEvery: 5 * time.Second})
		ws, _ := w.connect(t)
		if err := ws.WriteMessage(websocket.TextMessage, []byte("hello")); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		for i := range 5 {
			if _, text, err := ws.ReadMessage(); err != nil || string(text) != `{"type":"ping"}` {
				t.Fatalf("ping %d = %q, %v", i, text, err)
			}
		}
		if took := time.Since(start); took < 20*time.Second || took > 25*time.Second {
			t.Errorf("5 pings in %v, want 20 to 25 s", took)
		}
		_ = ws.Close()
		w.stop()
	})
}

func TestShutdownTellsEverybody(t *testing.T) {
	t.Parallel()
	w := onLoopback(t, Config{}, false)
	var clients []*websocket.Conn
	for range 20 {
		ws, _ := w.connect(t)
		clients = append(clients, ws)
	}
	stopped := make(chan struct{})
	go func() { w.stop(); close(stopped) }()
	for _, ws := range clients {
		if code, reason := closeCode(ws); code != int(wire.CloseGoingAway) || reason != wire.ReasonShutdown {
			t.Errorf("closed with %d %q, want 1001 %q", code, reason, wire.ReasonShutdown)
		}
		_ = ws.Close()
	}
	<-stopped
	if n := w.hub.Len(); n != 0 {
		t.Errorf("%d connections left", n)
	}
}

func TestFaultsOfTheClientHaveACode(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		send func(ws *websocket.Conn)
		code wire.CloseCode
	}{
		"a message over the limit": {func(ws *websocket.Conn) {
			_ = ws.WriteMessage(websocket.TextMessage, bytes.Repeat([]byte("x"), wire.MaxMessageBytes+1))
		}, wire.CloseTooBig},
		"a flood of messages": {func(ws *websocket.Conn) {
			for range 5000 {
				_ = ws.WriteMessage(websocket.TextMessage, []byte("x"))
			}
		}, wire.ClosePolicy},
		"a flood of bytes": {func(ws *websocket.Conn) {
			for range 10 {
				_ = ws.WriteMessage(websocket.TextMessage, bytes.Repeat([]byte("x"), wire.MaxMessageBytes))
			}
		}, wire.ClosePolicy},
		"a flood of pings": {func(ws *websocket.Conn) {
			for range 5000 {
				_ = ws.WriteMessage(websocket.PingMessage, nil)
			}
		}, wire.ClosePolicy},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := onLoopback(t, Config{}, false)
			ws, s := w.connect(t)
			go c.send(ws)
			if code, reason := closeCode(ws); code != int(c.code) {
				t.Errorf("closed with %d %q, want %d", code, reason, c.code)
			}
			_ = ws.Close()
			<-s.closed
			w.stop()
		})
	}
}

func TestAMessageOfExactlyTheLimitPasses(t *testing.T) {
	t.Parallel()
	w := onLoopback(t, Config{}, true)
	ws, _ := w.connect(t)
	sent := bytes.Repeat([]byte("x"), wire.MaxMessageBytes)
	if err := ws.WriteMessage(websocket.BinaryMessage, sent); err != nil {
		t.Fatal(err)
	}
	if typ, got, err := ws.ReadMessage(); err != nil || typ != websocket.TextMessage || !bytes.Equal(got, sent) {
		t.Errorf("echo = type %d, %d bytes, %v; want text, the same %d bytes", typ, len(got), err, len(sent))
	}
	_ = ws.Close()
	w.stop()
}

// TestTheLimitOfAMessageChanges holds those who are here to the limit of now, by
// both ways in which a message is read.
func TestTheLimitOfAMessageChanges(t *testing.T) {
	t.Parallel()
	for name, size := range map[string]int{"a frame that lies in one piece": 2000, "a frame that comes in pieces": 20_000} {
		w := onLoopback(t, Config{MaxMessage: size / 2}, true)
		w.hub.SetMaxMessage(size)
		ws, _ := w.connect(t)
		sent := bytes.Repeat([]byte("x"), size)
		echo := func() (got []byte, err error) {
			if err := ws.WriteMessage(websocket.TextMessage, sent); err != nil {
				return nil, err
			}
			_, got, err = ws.ReadMessage()
			return got, err
		}
		if got, err := echo(); err != nil || !bytes.Equal(got, sent) {
			t.Errorf("%s: echo = %d bytes, %v; want the same %d", name, len(got), err, size)
		}
		w.hub.SetMaxMessage(size - 1)
		if _, err := echo(); !websocket.IsCloseError(err, int(wire.CloseTooBig)) {
			t.Errorf("%s over the limit of now: %v, want close 1009", name, err)
		}
		_ = ws.Close()
		w.stop()
	}
}

// TestIdleComesAfterEverything holds that Idle is called after each message
// was handled: what is put off until then is not put off for ever.
func TestIdleComesAfterEverything(t *testing.T) {
	t.Parallel()
	w := onLoopback(t, Config{}, false)
	ws, s := w.connect(t)
	for range 50 {
		<-s.idle
		if err := ws.WriteMessage(websocket.TextMessage, []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	<-s.idle
	_ = ws.Close()
	w.stop()
}

// TestNothingIsLeftOfAThousandConnections is not parallel: it counts the
// goroutines and the descriptors of the process.
func TestNothingIsLeftOfAThousandConnections(t *testing.T) {
	for transport, open := range worlds() {
		t.Run(transport, func(t *testing.T) {
			w := open(t, Config{}, true)
			goroutines, files := runtime.NumGoroutine(), descriptors(t)
			for i := range 1000 {
				ws, s := w.connect(t)
				if i%2 == 0 {
					_ = ws.WriteMessage(websocket.TextMessage, []byte("x"))
					_, _, _ = ws.ReadMessage()
				}
				_ = ws.NetConn().Close()
				<-s.closed
			}
			await(t, func() bool {
				return w.hub.Len() == 0 && runtime.NumGoroutine() <= goroutines+5 && descriptors(t) <= files+5
			},
				func() string {
					return fmt.Sprintf("%d connections; %d goroutines, %d before; %d descriptors, %d before",
						w.hub.Len(), runtime.NumGoroutine(), goroutines, descriptors(t), files)
				})
			w.stop()
		})
	}
}

// descriptors is how many this process has open; 0 where that cannot be seen.
func descriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return len(entries)
}

// await returns when what is wanted has come true.
func await(t *testing.T, wanted func() bool, state func() string) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	deadline := time.Now().Add(10 * time.Second)
	for !wanted() {
		if now := <-tick.C; now.After(deadline) {
			t.Fatalf("after 10 s: %s", state())
		}
	}
}

// TestAMessageCostsNoAllocation holds the path of a relayed message, from one
// client's socket to another's.
func TestAMessageCostsNoAllocation(t *testing.T) {
	w := onLoopback(t, Config{MessageRate: 1e6, ByteRate: 1e9}, true)
	ws, _ := w.connect(t)
	sent := masked(0x81, bytes.Repeat([]byte("x"), 1000))
	got := make([]byte, len(sent)-4) // a server's frame has no mask
	exchange := func() {
		if _, err := ws.NetConn().Write(sent); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(ws.NetConn(), got); err != nil {
			t.Fatal(err)
		}
	}
	exchange()
	if n := testing.AllocsPerRun(2000, exchange); n != 0 && !pooling(t) {
		t.Skip("sync.Pool forgets at random under the race detector")
	} else if n != 0 {
		t.Errorf("a message costs %v allocations, want 0", n)
	}
	_ = ws.Close()
	w.stop()
}

// pooling tells whether a sync.Pool gives back what it was given; under the
// race detector it does so at random.
func pooling(t *testing.T) bool {
	t.Helper()
	var p pagePool
	for range 100 {
		page := p.take()
		p.give(page)
		if p.take() != page {
			return false
		}
	}
	return true
}
