package wsconn

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// onTLS is onLoopback with TLS on top of a listener that watch has wrapped.
func onTLS(t *testing.T, cfg Config, echo bool, watch func(net.Listener) net.Listener) *world {
	t.Helper()
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return newWorld(t, tls.NewListener(watch(l), &tls.Config{Certificates: []tls.Certificate{certificate(t)}, MinVersion: tls.VersionTLS12}),
		func(ctx context.Context) (net.Conn, error) {
			conn, err := new(net.Dialer).DialContext(ctx, "tcp", l.Addr().String())
			if err != nil {
				return nil, err
			}
			return tls.Client(conn, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}), nil
		}, cfg, echo)
}

func certificate(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"chat.example.org"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// worlds are the ways in which clients come.
func worlds() map[string]func(*testing.T, Config, bool) *world {
	return map[string]func(*testing.T, Config, bool) *world{
		"plain": onLoopback,
		"TLS": func(t *testing.T, cfg Config, echo bool) *world {
			t.Helper()
			return onTLS(t, cfg, echo, Watch)
		},
	}
}

// socket is the TCP connection of a client.
func socket(ws *websocket.Conn) *net.TCPConn {
	conn := ws.NetConn()
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn()
	}
	return conn.(*net.TCPConn)
}

// ways are the ways in which clients leave.
func ways() map[string]func(ws *websocket.Conn) {
	return map[string]func(ws *websocket.Conn){
		"close frame": func(ws *websocket.Conn) {
			_ = ws.WriteControl(websocket.CloseMessage, nil, time.Now().Add(time.Second))
		},
		"close_notify": func(ws *websocket.Conn) {
			if secure, ok := ws.NetConn().(*tls.Conn); ok {
				_ = secure.CloseWrite()
			}
		},
		"close_notify and FIN": func(ws *websocket.Conn) { _ = ws.NetConn().Close() },
		"FIN":                  func(ws *websocket.Conn) { _ = socket(ws).Close() },
		"RST": func(ws *websocket.Conn) {
			_ = socket(ws).SetLinger(0)
			_ = socket(ws).Close()
		},
	}
}

// TestWhoHasLeftIsNotQuiet holds the look at the socket: from the moment the
// client's end of the connection is closed, Quiet says no, whether or not the
// reader has had a processor since. Until then it says yes.
func TestWhoHasLeftIsNotQuiet(t *testing.T) {
	t.Parallel()
	for transport, open := range worlds() {
		for name, leave := range ways() {
			if transport == "plain" && (name == "close_notify" || name == "close_notify and FIN") {
				continue
			}
			t.Run(transport+", "+name, func(t *testing.T) {
				t.Parallel()
				w := open(t, Config{}, false)
				for range 100 {
					ws, s := w.connect(t)
					<-s.idle
					if !s.conn.Quiet() {
						t.Fatal("Quiet() = false for a client that waits")
					}
					leave(ws)
					for range 10 { // while its reader comes to know
						if s.conn.Quiet() {
							t.Fatal("Quiet() = true for a client that has left")
						}
						runtime.Gosched()
					}
					_ = socket(ws).Close()
					<-s.closed
					if s.conn.Quiet() {
						t.Fatal("Quiet() = true for a connection that has ended")
					}
					if said := name == "close frame"; s.left != said {
						t.Fatalf("Closed(%v), want %v", s.left, said)
					}
				}
				w.stop()
			})
		}
	}
}

// TestWhoHasLeftIsNotQuietUnderLoad is the same with more to do than there are
// processors, so that readers come late.
func TestWhoHasLeftIsNotQuietUnderLoad(t *testing.T) {
	t.Parallel()
	const load, clients = 8, 40
	for transport, open := range worlds() {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			w := open(t, Config{MessageRate: 1e6, ByteRate: 1e9}, true)
			for range load {
				ws, _ := w.connect(t)
				go func() { // ends with the connection
					for ws.WriteMessage(websocket.TextMessage, []byte("load")) == nil {
						if _, _, err := ws.ReadMessage(); err != nil {
							return
						}
					}
				}()
			}
			for range clients / len(ways()) {
				for name, leave := range ways() {
					if transport == "plain" && (name == "close_notify" || name == "close_notify and FIN") {
						continue
					}
					ws, s := w.connect(t)
					<-s.idle
					for !s.conn.Quiet() {
						t.Fatal("Quiet() = false for a client that waits")
					}
					leave(ws)
					for gone := false; !gone; {
						select {
						case <-s.closed:
							gone = true
						default:
							runtime.Gosched()
						}
						if s.conn.Quiet() {
							t.Fatalf("Quiet() = true for a client that has left by %s", name)
						}
					}
					_ = socket(ws).Close()
				}
			}
			w.stop()
		})
	}
}

// drip is a connection that sends byte by byte.
type drip struct{ net.Conn }

func (d drip) Write(p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		_, err = d.Conn.Write(p[n : n+1])
		n++
	}
	return n, err
}

// TestTLSGoesOnAfterAPause holds that crypto/tls takes errNothing for what it
// is: records that come byte by byte, so that it is told so between any two of
// them, are read as if they had come at once.
func TestTLSGoesOnAfterAPause(t *testing.T) {
	t.Parallel()
	w := onTLS(t, Config{}, true, Watch)
	dial := w.dial
	w.dial = func(ctx context.Context) (net.Conn, error) {
		conn, err := dial(ctx)
		if err != nil {
			return nil, err
		}
		beneath := conn.(*tls.Conn).NetConn()
		if err := beneath.(*net.TCPConn).SetNoDelay(true); err != nil {
			return nil, err
		}
		return tls.Client(drip{beneath}, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}), nil
	}
	ws, _ := w.connect(t)
	for _, size := range []int{0, 1, 125, 126, 5000} {
		sent := bytes.Repeat([]byte("x"), size)
		if err := ws.WriteMessage(websocket.TextMessage, sent); err != nil {
			t.Fatal(err)
		}
		if _, got, err := ws.ReadMessage(); err != nil || !bytes.Equal(got, sent) {
			t.Fatalf("echo of %d bytes = %d bytes, %v", size, len(got), err)
		}
	}
	_ = ws.Close()
	w.stop()
}

// TestTLSWithoutWatch holds the fallback: TLS on a listener that nobody has
// wrapped works, and its socket is looked at.
func TestTLSWithoutWatch(t *testing.T) {
	t.Parallel()
	w := onTLS(t, Config{}, true, func(l net.Listener) net.Listener { return l })
	ws, s := w.connect(t)
	<-s.idle
	if !s.conn.Quiet() {
		t.Error("Quiet() = false for a client that waits")
	}
	if s.conn.watch.raw == nil {
		t.Error("nobody looks at the socket")
	}
	if err := ws.WriteMessage(websocket.TextMessage, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if _, got, err := ws.ReadMessage(); err != nil || string(got) != "hello" {
		t.Errorf("echo = %q, %v", got, err)
	}
	_ = ws.Close()
	<-s.closed
	w.stop()
}
