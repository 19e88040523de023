package certs

import (
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/edge/acmetest"
)

// ourName is the domain of the tests; every name server here knows it.
const ourName = "chat.example.org"

// pebble is a real ACME server that asks a server of ours on loopback.
type pebble struct {
	*acmetest.Server
	plain net.Listener // where it asks for http-01
	tls   net.Listener // where it asks for tls-alpn-01
}

// newPebble starts one whose certificates live that long.
func newPebble(t *testing.T, lifeSeconds int) *pebble {
	t.Helper()
	plain, secure := listen(t), listen(t)
	return &pebble{plain: plain, tls: secure, Server: acmetest.New(t, acmetest.Config{
		Name: ourName, HTTPPort: port(plain), TLSPort: port(secure), Life: time.Duration(lifeSeconds) * time.Second,
	})}
}

// config is for a server that pebble asks.
func (p *pebble) config(dir string, log *slog.Logger) Config {
	return Config{Domain: ourName, CA: p.Directory, CARoot: p.Root, Dir: dir, Log: log}
}

// serve runs a keeper with its two listeners as a server has them, until the
// test ends or stop is called, which waits for it.
func (p *pebble) serve(t *testing.T, k *Keeper) (stop func()) {
	t.Helper()
	web := &http.Server{Handler: k.HTTPChallenge(http.NotFoundHandler()), ReadHeaderTimeout: patience}
	var running sync.WaitGroup
	running.Go(func() { _ = web.Serve(p.plain) })
	secure := tls.NewListener(p.tls, k.TLSConfig())
	running.Go(func() { echo(secure) })
	stopKeeper := run(t, k)
	t.Cleanup(func() {
		_ = web.Close()
		_ = secure.Close()
		running.Wait()
	})
	return stopKeeper
}

// run lets a keeper serve.
func run(t *testing.T, k *Keeper) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- k.Serve(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Serve = %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

// echo says what it is told on every connection of a listener, until that is
// closed and all of them have ended.
func echo(l net.Listener) {
	var running sync.WaitGroup
	defer running.Wait()
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		running.Go(func() {
			_, _ = io.Copy(conn, conn)
			_ = conn.Close()
		})
	}
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func port(l net.Listener) int {
	return int(netip.MustParseAddrPort(l.Addr().String()).Port())
}

// dial opens a connection and returns what it was shown.
func dial(t *testing.T, l net.Listener, config *tls.Config) (*tls.Conn, error) {
	t.Helper()
	conn, err := (&tls.Dialer{Config: config}).DialContext(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn.(*tls.Conn), nil
}

// serial is that of the certificate that a connection was shown.
func serial(conn *tls.Conn) string {
	return conn.ConnectionState().PeerCertificates[0].SerialNumber.String()
}

// alive fails the test if a connection does not answer.
func alive(t *testing.T, conn net.Conn) {
	t.Helper()
	if _, err := conn.Write([]byte("hello")); err != nil {
		t.Fatalf("write on an open connection: %v", err)
	}
	if _, err := io.ReadFull(conn, make([]byte, 5)); err != nil {
		t.Fatalf("read on an open connection: %v", err)
	}
}
