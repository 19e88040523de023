package certs

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// LetsEncrypt is the directory that is asked when none is named.
const LetsEncrypt = "https://acme-v02.api.letsencrypt.org/directory"

// Config says where the certificate comes from: CertFile and KeyFile if they
// are set, else an ACME server.
type Config struct {
	// Domain is the public name of this server, in ASCII. ACME needs it; for
	// files it is what they are compared with, and may be empty.
	Domain string

	CertFile, KeyFile string // PEM; both or none. The leaf comes first, then its intermediates

	// CA is the directory URL of an ACME server, https; LetsEncrypt if empty.
	// Whoever sets Domain without files agrees to that server's terms.
	CA     string
	CARoot string // PEM file with a root that CA's own certificate hangs on, besides the system's; optional
	Email  string // told to CA when the account is made; optional
	Dir    string // STATE_DIR: what ACME must remember goes into its folder certificates, mode 0700

	// Challenges are the ways in which Domain is proven, in the order in which
	// they are tried, one each attempt: TLSALPN01 and HTTP01 if nil. What
	// worked last comes first.
	Challenges []string

	// Addresses are those that clients reach this server at. Domain must
	// point to them before CA is asked; nil, or none known: not checked. So
	// they should be known when Serve is called.
	Addresses func() []netip.Addr
	// SkipDNSCheck is for who knows better: a CDN, a name server with two views.
	SkipDNSCheck bool
	Resolver     Resolver // net.DefaultResolver if nil

	// Changed is told after another certificate has come into use, by Serve's
	// goroutine; it must not wait. Nil: nobody is.
	Changed func()

	Log *slog.Logger // nil discards
}

// Keeper has the certificate.
type Keeper struct {
	cfg     Config
	log     *slog.Logger
	clock   clock
	source  source
	current atomic.Pointer[tls.Certificate] // nil until there is one; its Leaf is set
	proofs  proofs
	wake    chan struct{} // ends a pause early
	started bool          // New is done

	mu     sync.Mutex // guards the fields below
	reason string     // what is wrong with getting a newer one; empty: nothing
	next   time.Time  // not before; zero: no reason to wait
}

// source is where certificates come from.
type source interface {
	name() string
	// start puts the certificate into use that is there already.
	start() error
	// serve puts newer ones into use until the context ends.
	serve(ctx context.Context)
	// renew makes serve get a newer one even if the present one is young.
	renew()
}

// clock is the time, for tests to change.
type clock struct {
	now   func() time.Time
	after func(time.Duration) <-chan time.Time
}

// errNoSource is a Config that names no certificate.
var errNoSource = errors.New("neither a domain nor certificate files are set")

// New reads the certificate that is there: the files, or what an ACME server
// issued before. That there is none yet is no error with ACME. Files that
// cannot be used are one, and it says what mends it.
func New(cfg Config) (*Keeper, error) {
	k := &Keeper{
		cfg: cfg, log: cfg.Log, clock: clock{now: time.Now, after: time.After},
		wake: make(chan struct{}, 1),
	}
	if k.log == nil {
		k.log = slog.New(slog.DiscardHandler)
	}
	if k.cfg.Resolver == nil {
		k.cfg.Resolver = net.DefaultResolver
	}
	var err error
	switch {
	case (cfg.CertFile == "") != (cfg.KeyFile == ""):
		return nil, errors.New("a certificate file and its key file: set both or none")
	case cfg.CertFile != "":
		k.source = &files{keeper: k}
	case cfg.Domain != "":
		k.source, err = newOrders(k)
	default:
		err = errNoSource
	}
	if err != nil {
		return nil, err
	}
	if err := k.source.start(); err != nil {
		return nil, err
	}
	k.started = true
	return k, nil
}

// Serve watches the files, or obtains and renews the certificate, until the
// context ends. It has no goroutine but the caller's.
func (k *Keeper) Serve(ctx context.Context) error {
	k.source.serve(ctx)
	return nil
}

// TLSConfig answers handshakes with the newest certificate. With ACME it offers
// acme-tls/1: a connection that has agreed on that carries nothing and is to be
// closed. The caller adds the other protocols.
func (k *Keeper) TLSConfig() *tls.Config {
	config := &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: k.getCertificate}
	if k.source.name() == sourceACME {
		config.NextProtos = []string{alpnProto}
	}
	return config
}

// getCertificate has one answer for every name and for none: there is one
// certificate, and browsers send no name when they dial an address.
func (k *Keeper) getCertificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if len(hello.SupportedProtos) == 1 && hello.SupportedProtos[0] == alpnProto {
		return k.proofs.certificate(hello.ServerName)
	}
	cert := k.current.Load()
	if cert == nil {
		reason := k.Status().Err
		k.log.Debug("handshake without a certificate", "reason", reason)
		return nil, fmt.Errorf("no certificate yet: %s", reason)
	}
	return cert, nil
}

// HTTPChallenge answers the ACME server's questions on port 80 and hands
// everything else to next.
func (k *Keeper) HTTPChallenge(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path, reply := k.proofs.http()
		if path == "" || r.URL.Path != path {
			next.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		if _, err := w.Write([]byte(reply)); err != nil {
			k.log.Debug("http-01 answer not sent", "err", err)
		}
	})
}

// Reload makes Serve read the files again now. With ACME it does nothing.
func (k *Keeper) Reload() {
	if k.source.name() == sourceFiles {
		k.source.renew()
	}
}

// Renew makes Serve get a newer certificate now: it reads the files, or it
// orders one, however young the present one is. What must be waited for after
// a failure is waited for.
func (k *Keeper) Renew() { k.source.renew() }

// The names of the two sources.
const (
	sourceFiles = "files"
	sourceACME  = "acme"
)

// Status is what an operator and a metric want to know.
type Status struct {
	Source      string    // "files" or "acme"
	Names       []string  // that the certificate in use is for; nil: there is none
	NotAfter    time.Time // when it runs out; zero: there is none
	Err         string    // why there is none, or why no newer one is had; empty: all is well
	NextAttempt time.Time // after a failure; zero: none is waited for
}

// Status may be called at any time.
func (k *Keeper) Status() Status {
	status := Status{Source: k.source.name()}
	k.mu.Lock()
	status.Err, status.NextAttempt = k.reason, k.next
	k.mu.Unlock()
	cert := k.current.Load()
	switch {
	case cert == nil && status.Err == "":
		status.Err = "the first certificate is being obtained"
	case cert == nil:
	case status.Err == "" && k.clock.now().After(cert.Leaf.NotAfter):
		status.Err = "the certificate has run out"
		fallthrough
	default:
		status.Names, status.NotAfter = namesOf(cert.Leaf), cert.Leaf.NotAfter
	}
	return status
}

// use makes a certificate that of the next handshake.
func (k *Keeper) use(cert *tls.Certificate) {
	k.current.Store(cert)
	k.log.Info("certificate in use", "source", k.source.name(), "names", namesOf(cert.Leaf),
		"not_after", cert.Leaf.NotAfter, "issuer", cert.Leaf.Issuer.String())
	k.set("", time.Time{})
	if k.started && k.cfg.Changed != nil {
		k.cfg.Changed()
	}
}

// set says what Status tells.
func (k *Keeper) set(reason string, next time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.reason, k.next = reason, next
}

// pause ends with the time, with the context, or when somebody wants a newer
// certificate now.
func (k *Keeper) pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-k.wake:
	case <-k.clock.after(d):
	}
}

// stir ends a pause.
func (k *Keeper) stir() {
	select {
	case k.wake <- struct{}{}:
	default: // it will end already
	}
}
