package edge

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/wasmp2pchat/wasmp2pchat/internal/arrivals"
	"github.com/wasmp2pchat/wasmp2pchat/internal/wsconn"
	"github.com/wasmp2pchat/wasmp2pchat/turnsvc/gate"
)

// serveHTTP runs a real server on a real door until stop.
func serveHTTP(t *testing.T, l net.Listener, cfg Config, handler http.Handler) (d *Door, stop func()) {
	t.Helper()
	d = New(l, cfg)
	server := &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := d.Serve(ctx); err != nil {
			t.Errorf("Serve = %v", err)
		}
	})
	running.Go(func() { _ = server.Serve(d.HTTP()) })
	return d, func() {
		_ = server.Close()
		cancel()
		running.Wait()
	}
}

// TestBrowsersAreServed asks a real server through the door, in each version of
// HTTP: what it answers says that net/http knows what the client speaks.
func TestBrowsersAreServed(t *testing.T) {
	t.Parallel()
	config := serverTLS(t)
	handler := HSTS(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_, _ = fmt.Fprintf(w, "%s %v %s %d", r.Proto, r.TLS != nil, r.RemoteAddr, len(body))
	}))
	for _, c := range []struct {
		name   string
		secure bool
		protos []string
		proxy  string // header of the PROXY protocol
		want   string
	}{
		{"TLS with h2", true, []string{"h2", "http/1.1"}, "", "HTTP/2.0 true 127.0.0.1"},
		{"TLS with http/1.1", true, []string{"http/1.1"}, "", "HTTP/1.1 true 127.0.0.1"},
		{"TLS without ALPN", true, nil, "", "HTTP/1.1 true 127.0.0.1"},
		{"plain", false, nil, "", "HTTP/1.1 false 127.0.0.1"},
		{"TLS with h2, through a proxy", true, []string{"h2"}, "PROXY TCP4 203.0.113.7 192.0.2.2 5000 443\r\n", "HTTP/2.0 true 203.0.113.7:5000"},
		{"TLS without ALPN, through a proxy", true, nil, v2TCP6, "HTTP/1.1 true [2001:db8::7]:5000"},
		{"plain, through a proxy", false, nil, v2TCP4, "HTTP/1.1 false 203.0.113.7:5000"},
	} {
		for way, chopped := range map[string]func(net.Conn) net.Conn{
			"at once":      func(c net.Conn) net.Conn { return c },
			"byte by byte": func(c net.Conn) net.Conn { return drip{Conn: c} },
		} {
			t.Run(c.name+", "+way, func(t *testing.T) {
				t.Parallel()
				l, dial := onLoopback(t)
				cfg := Config{}
				if c.secure {
					cfg.TLS = config
				}
				if c.proxy != "" {
					cfg.Proxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
				}
				d, stop := serveHTTP(t, l, cfg, handler)
				come := func(ctx context.Context, _, _ string) (net.Conn, error) {
					conn := chopped(dial())
					_, err := io.WriteString(conn, c.proxy)
					if !c.secure {
						return conn, err
					}
					secure := clientTLS(conn, c.protos...)
					return secure, secure.HandshakeContext(ctx)
				}
				client := &http.Client{Transport: &http.Transport{DialContext: come, DialTLSContext: come, ForceAttemptHTTP2: true}}
				url := map[bool]string{true: "https://chat.example/", false: "http://chat.example/"}[c.secure]
				for round := range 3 { // the later ones on the same connection
					req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader("body"))
					if err != nil {
						t.Fatal(err)
					}
					resp, err := client.Do(req)
					if err != nil {
						t.Fatal(err)
					}
					got, _ := io.ReadAll(resp.Body)
					_ = resp.Body.Close()
					if !strings.HasPrefix(string(got), c.want) || !strings.HasSuffix(string(got), " 4") || resp.Proto != c.want[:8] {
						t.Errorf("round %d: %s %q, want %q", round, resp.Proto, got, c.want)
					}
					if told := resp.Header.Get("Strict-Transport-Security"); (told == "max-age=31536000") != c.secure {
						t.Errorf("Strict-Transport-Security: %q", told)
					}
				}
				if s := d.Stats(); s.HTTP != 1 || s.Open != 1 {
					t.Errorf("%+v, want one connection", s)
				}
				client.CloseIdleConnections()
				stop()
				(&house{Door: d}).settled(t)
			})
		}
	}
}

// TestTURNReachesTheGate holds that what stands before pion reads whole frames
// from what the door hands over, knows the client's address, and closes without
// waiting.
func TestTURNReachesTheGate(t *testing.T) {
	t.Parallel()
	config := serverTLS(t)
	for _, c := range []struct {
		name   string
		tls    *tls.Config
		protos []string
	}{
		{"plain", nil, nil}, {"TLS", config, nil}, {"TLS with stun.turn", config, []string{"stun.turn"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l, dial := onLoopback(t)
			d, stop := serveHTTP(t, l, Config{TLS: c.tls}, http.NotFoundHandler())
			frames := gate.NewListener(d.TURN(), gate.ListenerConfig{Crowd: arrivals.NewCrowd(arrivals.Limits{Conns: 1, ConnsPerAddr: 1})})
			conn := net.Conn(dial())
			local := conn.LocalAddr()
			if c.tls != nil {
				conn = clientTLS(conn, c.protos...)
			}
			if _, err := io.WriteString(conn, allocate+binding); err != nil {
				t.Fatal(err)
			}
			s, err := frames.AcceptStream()
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Await(t.Context()); err != nil {
				t.Fatal(err)
			}
			for _, want := range []string{allocate, binding} {
				p := make([]byte, 1500)
				n, from, err := s.ReadFrom(p)
				if err != nil || string(p[:n]) != want || from.String() != local.String() {
					t.Errorf("ReadFrom = %q, %v, %v, want %q from %v", p[:n], from, err, want, local)
				}
				if _, err := s.WriteTo([]byte(binding), from); err != nil {
					t.Error(err)
				}
			}
			answer := make([]byte, 2*len(binding))
			if _, err := io.ReadFull(conn, answer); err != nil || string(answer) != binding+binding {
				t.Errorf("the client hears %q, %v", answer, err)
			}
			_ = s.Close()
			if open := d.Stats().Open; open != 0 {
				t.Errorf("%d are open after Close", open)
			}
			_ = conn.Close()
			_ = frames.Close()
			stop()
		})
	}
}

// watcher is a session that tells a test what happened.
type watcher struct {
	conn   *wsconn.Conn
	idle   chan struct{}
	closed chan bool
}

func (w *watcher) Message(text []byte) {
	w.conn.Keep()
	_ = w.conn.Send(text)
}

func (w *watcher) Idle() {
	select {
	case w.idle <- struct{}{}:
	default:
	}
}

func (w *watcher) Closed(left bool) { w.closed <- left }

// TestWebSocketsKnowWhoHasLeft holds, for every way through the door, what
// pairing rests on: a client whose end of the connection is closed is not quiet
// from that moment on, whether or not its reader has had a processor since.
func TestWebSocketsKnowWhoHasLeft(t *testing.T) {
	t.Parallel()
	config := serverTLS(t)
	for _, c := range []struct {
		name   string
		secure bool
		protos []string
		proxy  string
	}{
		{"plain", false, nil, ""},
		{"TLS with http/1.1", true, []string{"http/1.1"}, ""},
		{"TLS without ALPN", true, nil, ""},
		{"plain, through a proxy", false, nil, v2TCP4},
		{"TLS, through a proxy", true, []string{"http/1.1"}, v2TCP4},
		{"TLS without ALPN, through a proxy", true, nil, v2TCP6},
	} {
		for name, leave := range ways() {
			if !c.secure && strings.HasPrefix(name, "close_notify") {
				continue
			}
			t.Run(c.name+", "+name, func(t *testing.T) {
				t.Parallel()
				l, dial := onLoopback(t)
				cfg := Config{}
				if c.secure {
					cfg.TLS = config
				}
				if c.proxy != "" {
					cfg.Proxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
				}
				hub := wsconn.NewHub(wsconn.Config{})
				sessions := make(chan *watcher, 1)
				d, stop := serveHTTP(t, wsconn.Watch(l), cfg, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					hub.Accept(w, r, func(conn *wsconn.Conn) wsconn.Session {
						s := &watcher{conn, make(chan struct{}, 1), make(chan bool, 1)}
						sessions <- s
						return s
					})
				}))
				ctx, cancel := context.WithCancel(t.Context())
				var serving sync.WaitGroup
				serving.Go(func() { _ = hub.Serve(ctx) })
				for range 30 {
					socket := dial()
					_, _ = io.WriteString(socket, c.proxy) // a socket takes that much at once
					conn := net.Conn(socket)
					if c.secure {
						conn = clientTLS(socket, c.protos...)
					}
					checkLeaving(t, conn, socket, name, leave, sessions)
				}
				cancel()
				serving.Wait() // by then each of them is closed
				stop()
				(&house{Door: d}).settled(t)
			})
		}
	}
}

// checkLeaving plays one client that comes, talks, and leaves.
func checkLeaving(t *testing.T, conn net.Conn, socket *net.TCPConn, name string, leave func(*websocket.Conn, *net.TCPConn), sessions <-chan *watcher) {
	t.Helper()
	dialer := websocket.Dialer{NetDialContext: func(context.Context, string, string) (net.Conn, error) { return conn, nil }}
	ws, resp, err := dialer.DialContext(t.Context(), "ws://chat.example/", nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	s := <-sessions
	<-s.idle
	if err := ws.WriteMessage(websocket.TextMessage, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if _, got, err := ws.ReadMessage(); err != nil || string(got) != "hello" {
		t.Fatalf("echo = %q, %v", got, err)
	}
	for !s.conn.Quiet() {
		<-s.idle // there is one whenever it may have become quiet
	}
	leave(ws, socket)
	for range 10 { // while its reader comes to know
		if s.conn.Quiet() {
			t.Fatal("Quiet() = true for a client that has left")
		}
		runtime.Gosched()
	}
	_ = socket.Close()
	if left := <-s.closed; left != (name == "close frame") {
		t.Fatalf("Closed(%v)", left)
	}
}

// ways are the ways in which clients leave, those of a browser among them, which
// closes its half and goes on reading.
func ways() map[string]func(*websocket.Conn, *net.TCPConn) {
	return map[string]func(*websocket.Conn, *net.TCPConn){
		"close frame": func(ws *websocket.Conn, _ *net.TCPConn) {
			_ = ws.WriteControl(websocket.CloseMessage, nil, time.Now().Add(time.Second))
		},
		"close_notify": func(ws *websocket.Conn, _ *net.TCPConn) {
			if secure, ok := ws.NetConn().(*tls.Conn); ok {
				_ = secure.CloseWrite()
			}
		},
		"close_notify and FIN": func(ws *websocket.Conn, _ *net.TCPConn) { _ = ws.NetConn().Close() },
		"half a FIN":           func(_ *websocket.Conn, socket *net.TCPConn) { _ = socket.CloseWrite() },
		"FIN":                  func(_ *websocket.Conn, socket *net.TCPConn) { _ = socket.Close() },
		"RST": func(_ *websocket.Conn, socket *net.TCPConn) {
			_ = socket.SetLinger(0)
			_ = socket.Close()
		},
	}
}
