package certs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/letsencrypt/pebble/v2/ca"
	"github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"
	"github.com/miekg/dns"
)

// ourName is the domain of the tests; every name server here knows it.
const ourName = "chat.example.org"

// pebble is a real ACME server, Let's Encrypt's own for tests, that asks a
// server of ours on loopback.
type pebble struct {
	*httptest.Server
	roots  *x509.CertPool // its certificates hang on
	caRoot string         // file with what its own HTTPS hangs on
	plain  net.Listener   // where it asks for http-01
	tls    net.Listener   // where it asks for tls-alpn-01

	mu       sync.Mutex
	requests int
	orders   int // placed, or refused by fail
	fail     http.HandlerFunc
}

// newPebble starts one whose certificates live that long.
func newPebble(t *testing.T, lifeSeconds uint64) *pebble {
	t.Helper()
	t.Setenv("PEBBLE_VA_NOSLEEP", "1")
	t.Setenv("PEBBLE_AUTHZREUSE", "0")
	p := &pebble{plain: listen(t), tls: listen(t), roots: x509.NewCertPool()}
	log := slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)
	store := db.NewMemoryStore()
	authority := ca.New(log, store, "", "ecdsa", 0, 1, map[string]ca.Profile{"default": {ValidityPeriod: lifeSeconds}})
	validator := va.New(log, port(p.plain), port(p.tls), false, nameServer(t), store)
	front := wfe.New(log, store, validator, authority, []string{"pebble"}, false, false, 0, 0)
	p.roots.AppendCertsFromPEM(authority.GetRootCert(0).PEM())
	handler := front.Handler()
	p.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if fail := p.count(r); fail != nil {
			fail(w, r)
			return
		}
		if r.URL.Path == orderPath {
			w = placed{w, p}
		}
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(p.Close)
	p.caRoot = filepath.Join(t.TempDir(), "ca.pem")
	root := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.Certificate().Raw})
	if err := os.WriteFile(p.caRoot, root, 0o600); err != nil {
		t.Fatal(err)
	}
	return p
}

// count counts a request and says what should answer it; nil: pebble.
func (p *pebble) count(r *http.Request) http.HandlerFunc {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.requests++
	if r.URL.Path != orderPath || p.fail == nil {
		return nil
	}
	p.orders++
	return p.fail
}

// orderPath is where pebble takes orders.
const orderPath = "/order-plz"

// placed counts an order that is placed: pebble refuses one request in twenty
// for its nonce, which is to be sent again.
type placed struct {
	http.ResponseWriter
	p *pebble
}

// WriteHeader counts.
func (w placed) WriteHeader(status int) {
	if status == http.StatusCreated {
		w.p.mu.Lock()
		w.p.orders++
		w.p.mu.Unlock()
	}
	w.ResponseWriter.WriteHeader(status)
}

// counts is how many requests there were, and how many for an order.
func (p *pebble) counts() (requests, orders int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.requests, p.orders
}

// failWith lets something else answer orders; nil: pebble.
func (p *pebble) failWith(h http.HandlerFunc) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fail = h
}

// config is for a server that pebble asks.
func (p *pebble) config(dir string, log *slog.Logger) Config {
	return Config{Domain: ourName, CA: p.URL + "/dir", CARoot: p.caRoot, Dir: dir, Log: log}
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

// nameServer knows one name, on TCP as pebble asks.
func nameServer(t *testing.T) string {
	t.Helper()
	ready := make(chan struct{})
	srv := &dns.Server{Listener: listen(t), NotifyStartedFunc: func() { close(ready) }, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		reply := new(dns.Msg).SetReply(q)
		if q.Question[0].Qtype == dns.TypeA && q.Question[0].Name == dns.Fqdn(ourName) {
			reply.Answer = []dns.RR{&dns.A{
				Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET},
				A:   net.IPv4(127, 0, 0, 1),
			}}
		}
		_ = w.WriteMsg(reply)
	})}
	ended := make(chan error, 1)
	go func() { ended <- srv.ActivateAndServe() }()
	<-ready
	t.Cleanup(func() {
		_ = srv.Shutdown()
		if err := <-ended; err != nil {
			t.Logf("name server: %v", err)
		}
	})
	return srv.Listener.Addr().String()
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
