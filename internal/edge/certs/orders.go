package certs

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/acme"

	"github.com/wasmp2pchat/wasmp2pchat/internal/durable"
)

// orders are a certificate that an ACME server issues.
type orders struct {
	keeper    *Keeper
	authority *authority
	bundle    string // file with key and chain, which are replaced together
	memory    string // file of what was tried
	wanted    atomic.Bool

	unpointed int       // how often in a row the domain did not point here
	lookAgain time.Time // when to ask the name servers again
}

// newOrders makes the folder that things are remembered in, one for each ACME
// server: what a test server issued is not for production.
func newOrders(k *Keeper) (*orders, error) {
	cfg := &k.cfg
	cfg.Domain = strings.ToLower(strings.TrimSuffix(cfg.Domain, "."))
	if err := checkDomain(cfg.Domain); err != nil {
		return nil, err
	}
	if cfg.CA == "" {
		cfg.CA = LetsEncrypt
	}
	if len(cfg.Challenges) == 0 {
		cfg.Challenges = []string{TLSALPN01, HTTP01}
	}
	for _, c := range cfg.Challenges {
		if c != TLSALPN01 && c != HTTP01 {
			return nil, fmt.Errorf("challenge %q: want %s or %s", c, TLSALPN01, HTTP01)
		}
	}
	top := filepath.Join(cfg.Dir, "certificates")
	dir := filepath.Join(top, folderName(cfg.CA))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("folder for certificates: %w", err)
	}
	if err := closeToOthers(top); err != nil {
		return nil, fmt.Errorf("folder for certificates: %w", err)
	}
	o := &orders{
		keeper: k, bundle: filepath.Join(dir, cfg.Domain+".pem"), memory: filepath.Join(dir, cfg.Domain+".json"),
	}
	var err error
	o.authority, err = newAuthority(*cfg, filepath.Join(dir, "account.pem"), &k.proofs)
	return o, err
}

// closeToOthers gives a folder mode 0700 that may be older than we are.
func closeToOthers(dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	return errors.Join(root.Chmod(".", 0o700), root.Close())
}

// checkDomain wants a name that an ACME server takes and a file can have.
func checkDomain(domain string) error {
	_, notIP := netip.ParseAddr(domain)
	if len(domain) > 253 || strings.Trim(domain, "abcdefghijklmnopqrstuvwxyz0123456789-.") != "" || strings.HasPrefix(domain, ".") || notIP == nil {
		return fmt.Errorf("a certificate is issued for a name such as chat.example.org (in punycode where it is not ASCII), not for %q", domain)
	}
	return nil
}

// folderName writes the host and path of an URL so that a folder can have it.
func folderName(ca string) string {
	u, err := url.Parse(ca)
	if err != nil {
		return "unknown"
	}
	return strings.Map(func(r rune) rune {
		if 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '.' {
			return r
		}
		return '-'
	}, strings.Trim(u.Host+u.Path, "/."))
}

func (o *orders) name() string { return sourceACME }

// start takes what was issued before.
func (o *orders) start() error {
	err := o.load()
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		o.keeper.log.Warn("stored certificate cannot be used, another one is ordered", "file", o.bundle, "err", err)
	}
	return nil
}

// load puts the stored certificate into use.
func (o *orders) load() error {
	text, err := readFile(o.bundle)
	if err != nil {
		return err
	}
	cert, _, err := parsePair(text, text)
	if err != nil {
		return err
	}
	if err := cert.Leaf.VerifyHostname(o.keeper.cfg.Domain); err != nil {
		return err
	}
	o.keeper.use(cert)
	return nil
}

func (o *orders) renew() {
	o.wanted.Store(true)
	o.keeper.stir()
}

// serve places an order when one is due. It looks at the clock every now and
// then: a machine that slept has missed its timer.
func (o *orders) serve(ctx context.Context) {
	for ctx.Err() == nil {
		if wait := o.wait(ctx); wait > 0 {
			o.keeper.pause(ctx, min(wait, longestPause))
			continue
		}
		o.attempt(ctx)
	}
}

// wait is how long no order is due.
func (o *orders) wait(ctx context.Context) time.Duration {
	k := o.keeper
	now := k.clock.now()
	m, err := recall(o.memory)
	if err != nil {
		o.trouble(ctx, err, now.Add(longestPause))
		return longestPause
	}
	wait := max(m.wait(now), o.lookAgain.Sub(now))
	cert := k.current.Load()
	if cert == nil || o.wanted.Load() {
		if wait > 0 && m.Reason != "" && k.Status().NextAttempt.IsZero() { // after a restart
			o.trouble(ctx, fmt.Errorf("%s (before this start; to try at once, remove %s and start again)", m.Reason, o.memory), now.Add(wait))
		}
		return wait
	}
	return max(wait, youth(cert.Leaf, m.Obtained, now))
}

// youth is how long a certificate need not be renewed: until two thirds of its
// life are over, as Let's Encrypt recommends. By a clock that is wrong they may
// be over when it is issued; a third is waited for then, after it was obtained.
func youth(leaf *x509.Certificate, obtained, now time.Time) time.Duration {
	third := leaf.NotAfter.Sub(leaf.NotBefore) / 3
	return max(leaf.NotAfter.Add(-third).Sub(now), min(obtained.Add(third).Sub(now), third))
}

// attempt places one order, if the domain points here.
func (o *orders) attempt(ctx context.Context) {
	k := o.keeper
	if err := o.pointed(ctx); err != nil {
		if ctx.Err() == nil {
			o.unpointed++
			o.lookAgain = k.clock.now().Add(backOff(o.unpointed))
			o.trouble(ctx, err, o.lookAgain)
		}
		return
	}
	o.unpointed = 0
	m, err := recall(o.memory)
	pending := m.failed(k.clock.now(), "an order was cut short", 0)
	if err == nil {
		err = pending.keep(o.memory)
	}
	if err != nil { // nor could the certificate be stored
		o.lookAgain = k.clock.now().Add(longestPause)
		o.trouble(ctx, err, o.lookAgain)
		return
	}
	challenge := o.challenge(m)
	k.log.Debug("certificate ordered", "domain", k.cfg.Domain, "ca", k.cfg.CA, "challenge", challenge)
	text, err := o.authority.issue(ctx, k.cfg.Domain, challenge)
	if err == nil {
		err = o.store(text)
	}
	switch {
	case err == nil:
		o.wanted.Store(false)
		now := k.clock.now()
		err = memory{Last: now, Obtained: now, Worked: challenge}.keep(o.memory)
		if err != nil {
			k.log.Warn("certificate obtained, but not remembered how", "err", err)
		}
	case ctx.Err() == nil:
		o.refused(ctx, m, err)
	}
}

// pointed asks the name servers, unless the operator knows better.
func (o *orders) pointed(ctx context.Context) error {
	cfg := o.keeper.cfg
	if cfg.SkipDNSCheck || cfg.Addresses == nil {
		return nil
	}
	return pointsHere(ctx, cfg.Resolver, cfg.Domain, cfg.Addresses())
}

// challenge is the one to try after so many failures.
func (o *orders) challenge(m memory) string {
	list := o.keeper.cfg.Challenges
	first := max(slices.Index(list, m.Worked), 0)
	return list[(first+m.Failures)%len(list)]
}

// store keeps an issued certificate and puts it into use.
func (o *orders) store(text []byte) error {
	if _, _, err := parsePair(text, text); err != nil {
		return fmt.Errorf("issued certificate: %w", err)
	}
	if err := durable.Write(o.bundle, text); err != nil {
		return fmt.Errorf("store the certificate: %w", err)
	}
	return o.load()
}

// retryAfter is how long an ACME server wants to be left alone; one that has
// had enough of us and does not say, as long as after any failure at most.
func retryAfter(err error) time.Duration {
	answer, ok := errors.AsType[*acme.Error](err)
	if !ok {
		return 0
	}
	wait, limited := acme.RateLimit(answer)
	if limited && wait == 0 {
		return longestPause
	}
	return wait
}

// refused remembers an order that failed, after those in m.
func (o *orders) refused(ctx context.Context, m memory, err error) {
	k := o.keeper
	m = m.failed(k.clock.now(), err.Error(), retryAfter(err))
	if writeErr := m.keep(o.memory); writeErr != nil {
		err = errors.Join(err, writeErr)
	}
	o.trouble(ctx, err, m.Next)
}

// trouble tells why there is no newer certificate. While the present one is
// good nobody must get up.
func (o *orders) trouble(ctx context.Context, err error, next time.Time) {
	k := o.keeper
	k.set(err.Error(), next)
	level := slog.LevelError
	if cert := k.current.Load(); cert != nil && k.clock.now().Before(cert.Leaf.NotAfter) {
		level = slog.LevelWarn
	}
	k.log.Log(ctx, level, "certificate not obtained", "domain", k.cfg.Domain, "err", err, "next_attempt", next)
}
