// Package acmetest is an ACME server for tests: pebble, which is Let's Encrypt's
// own for tests, in the process of the test.
//
// It promises that it asks nobody outside of loopback: the one name that it
// knows is at 127.0.0.1, on ports that the test chooses. That it refuses one
// request in twenty for its nonce is on purpose, and pebble's own.
//
// What is to be proven there it leaves to the test. No program imports it.
package acmetest

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/letsencrypt/pebble/v2/ca"
	"github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"
	"github.com/miekg/dns"
)

// Config says how a server validates and what it issues.
type Config struct {
	Name     string        // the one name that it finds; at 127.0.0.1
	HTTPPort int           // where it asks for http-01
	TLSPort  int           // where it asks for tls-alpn-01
	Life     time.Duration // of its certificates, in whole seconds
}

// Server is an ACME server that serves until its test ends. Its methods may be
// called at any time.
type Server struct {
	Directory string         // its URL
	Root      string         // PEM file: what its own HTTPS hangs on
	Issued    *x509.CertPool // what its certificates hang on
	IssuedPEM []byte         // the same

	mu       sync.Mutex // guards the fields below
	requests int
	orders   int
	fail     http.HandlerFunc
	held     chan struct{} // orders wait until it is closed; nil: they do not
}

// told is how pebble is told not to pause, and to want each name proven each time.
// It reads the environment of the process.
func told() map[string]string {
	return map[string]string{"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_AUTHZREUSE": "0"}
}

// Prepare sets the environment for New; a TestMain does that whose tests are
// parallel ones.
func Prepare() error {
	var errs []error
	for name, value := range told() {
		errs = append(errs, os.Setenv(name, value))
	}
	return errors.Join(errs...)
}

// New starts a server. It sets the environment of the process if Prepare has not;
// then the test cannot be a parallel one.
func New(t *testing.T, cfg Config) *Server {
	t.Helper()
	for name, value := range told() {
		if !slices.Contains(os.Environ(), name+"="+value) {
			t.Setenv(name, value)
		}
	}
	log := slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)
	store := db.NewMemoryStore()
	profiles := map[string]ca.Profile{"default": {ValidityPeriod: uint64(cfg.Life / time.Second)}}
	authority := ca.New(log, store, "", "ecdsa", 0, 1, profiles)
	validator := va.New(log, cfg.HTTPPort, cfg.TLSPort, false, nameServer(t, cfg.Name), store)
	front := wfe.New(log, store, validator, authority, []string{"pebble"}, false, false, 0, 0)
	s := &Server{Issued: x509.NewCertPool(), IssuedPEM: authority.GetRootCert(0).PEM()}
	s.Issued.AppendCertsFromPEM(s.IssuedPEM)
	web := httptest.NewTLSServer(s.counted(front.Handler()))
	t.Cleanup(web.Close)
	s.Directory = web.URL + wfe.DirectoryPath
	s.Root = filepath.Join(t.TempDir(), "ca.pem")
	root := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: web.Certificate().Raw})
	if err := os.WriteFile(s.Root, root, 0o600); err != nil {
		t.Fatal(err)
	}
	return s
}

// orderPath is where pebble takes orders.
const orderPath = "/order-plz"

// counted is pebble, or in its place what Fail says.
func (s *Server) counted(pebble http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if fail := s.count(r); fail != nil {
			fail(w, r)
			return
		}
		if r.URL.Path == orderPath {
			s.wait(r)
			w = placed{w, s}
		}
		pebble.ServeHTTP(w, r)
	})
}

// count counts a request and says what should answer it; nil: pebble.
func (s *Server) count(r *http.Request) http.HandlerFunc {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests++
	if r.URL.Path != orderPath || s.fail == nil {
		return nil
	}
	s.orders++
	return s.fail
}

// placed counts an order that is placed: pebble refuses one request in twenty
// for its nonce, which is to be sent again.
type placed struct {
	http.ResponseWriter
	s *Server
}

// WriteHeader counts.
func (w placed) WriteHeader(status int) {
	if status == http.StatusCreated {
		w.s.mu.Lock()
		w.s.orders++
		w.s.mu.Unlock()
	}
	w.ResponseWriter.WriteHeader(status)
}

// Counts is how many requests there were, and how many orders: those that were
// placed, and those that Fail refused.
func (s *Server) Counts() (requests, orders int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests, s.orders
}

// Fail lets something else answer orders; nil: pebble.
func (s *Server) Fail(h http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = h
}

// Hold lets orders wait until release is called, which should be soon: whoever
// has waited for 30 s is likely to give up.
func (s *Server) Hold() (release func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	held := make(chan struct{})
	s.held = held
	return sync.OnceFunc(func() { close(held) })
}

// wait returns when orders are not held, or nobody waits for the answer.
func (s *Server) wait(r *http.Request) {
	s.mu.Lock()
	held := s.held
	s.mu.Unlock()
	if held == nil {
		return
	}
	select {
	case <-held:
	case <-r.Context().Done():
	}
}

// nameServer knows one name, on TCP as pebble asks. It returns its address.
func nameServer(t *testing.T, name string) string {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ready := make(chan struct{})
	srv := &dns.Server{Listener: listener, NotifyStartedFunc: func() { close(ready) }, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		reply := new(dns.Msg).SetReply(q)
		if q.Question[0].Qtype == dns.TypeA && q.Question[0].Name == dns.Fqdn(name) {
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
	return listener.Addr().String()
}
