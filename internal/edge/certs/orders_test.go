package certs

import (
	"bytes"
	"context"
	"crypto/tls"
	"log/slog"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const ninetyDays = 90 * 24 * 60 * 60

// journal is a log that a test reads.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

// logger keeps what is at least that grave.
func (j *journal) logger(level slog.Level) *slog.Logger {
	return slog.New(slog.NewTextHandler(j, &slog.HandlerOptions{Level: level}))
}

// lines are those that hold a text.
func (j *journal) lines(with string) (list []string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for line := range strings.Lines(j.text.String()) {
		if strings.Contains(line, with) {
			list = append(list, line)
		}
	}
	return list
}

func TestACertificateIsIssuedWhileTheServerRuns(t *testing.T) {
	for _, challenge := range []string{HTTP01, TLSALPN01} {
		t.Run(challenge, func(t *testing.T) {
			ca, log := newPebble(t, ninetyDays), new(journal)
			cfg := ca.config(t.TempDir(), log.logger(slog.LevelInfo))
			cfg.Challenges = []string{challenge}
			k := newKeeper(t, cfg)
			clock := stopClock(k)
			if status := k.Status(); status.Source != "acme" || status.Err == "" || status.Names != nil {
				t.Errorf("before: status %+v, want acme, a reason, and no names", status)
			}
			ca.serve(t, k)
			clock.wait(t)

			for _, name := range []string{ourName, ""} { // who dials an address sends no name
				conn, err := dial(t, ca.tls, &tls.Config{ServerName: name, InsecureSkipVerify: name == "", RootCAs: ca.Issued})
				if err != nil {
					t.Fatalf("handshake for %q: %v; %+v", name, err, k.Status())
				}
				if err := conn.ConnectionState().PeerCertificates[0].VerifyHostname(ourName); err != nil {
					t.Errorf("handshake for %q: %v", name, err)
				}
			}
			if status := k.Status(); status.Err != "" || status.NotAfter.IsZero() || len(status.Names) != 1 {
				t.Errorf("after: status %+v, want no error, one name and an end", status)
			}
			if lines := log.lines(""); len(lines) != 1 {
				t.Errorf("the log has %d lines, want one:\n%s", len(lines), strings.Join(lines, ""))
			}
		})
	}
}

func TestARestartUsesWhatWasIssuedAndAsksNobody(t *testing.T) {
	ca, dir := newPebble(t, ninetyDays), t.TempDir()
	k := newKeeper(t, ca.config(dir, nil))
	clock := stopClock(k)
	stop := ca.serve(t, k)
	clock.wait(t)
	stop()
	before, _ := ca.Counts()

	again := newKeeper(t, ca.config(dir, nil))
	clock = stopClock(again)
	run(t, again)
	clock.wait(t)
	if got, want := again.current.Load().Leaf, k.current.Load().Leaf; !got.Equal(want) {
		t.Error("the certificate is another one")
	}
	if after, _ := ca.Counts(); after != before {
		t.Errorf("the certificate authority was asked %d times, want 0", after-before)
	}
	private(t, filepath.Join(dir, "certificates"))
}

// private fails the test if others may read something.
func private(t *testing.T, dir string) {
	t.Helper()
	files := 0
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		files++
		return err
	})
	if err != nil || files < 5 {
		t.Errorf("walked over %d files and folders, %v", files, err)
	}
}

func TestRenewalSwapsTheCertificateAndCutsNobody(t *testing.T) {
	const sixHours = 6 * 60 * 60
	ca := newPebble(t, sixHours)
	k := newKeeper(t, ca.config(t.TempDir(), nil))
	clock := stopClock(k)
	ca.serve(t, k)
	waiting := clock.wait(t)
	config := &tls.Config{ServerName: ourName, RootCAs: ca.Issued}
	open, err := dial(t, ca.tls, config)
	if err != nil {
		t.Fatal(err)
	}
	old := serial(open)

	stopVisits := visit(t, ca, config)
	for range 4 { // two thirds of six hours, in hours
		clock.pass(waiting)
		waiting = clock.wait(t)
		alive(t, open)
	}
	stopVisits()
	fresh, err := dial(t, ca.tls, config)
	if err != nil {
		t.Fatal(err)
	}
	if serial(fresh) == old {
		t.Error("the certificate is the old one after two thirds of its life")
	}
	alive(t, open)

	if _, orders := ca.Counts(); orders != 2 {
		t.Errorf("%d orders, want 2", orders)
	}
	k.Renew()
	clock.wait(t)
	if conn, err := dial(t, ca.tls, config); err != nil || serial(conn) == serial(fresh) {
		t.Errorf("after Renew: the same certificate, %v", err)
	}
	alive(t, open)
}

// visit makes one connection after the other until stop is called; none may
// fail.
func visit(t *testing.T, ca *pebble, config *tls.Config) (stop func()) {
	t.Helper()
	var over atomic.Bool
	var visitor sync.WaitGroup
	var visits int
	visitor.Go(func() {
		for !over.Load() {
			conn, err := (&tls.Dialer{Config: config}).DialContext(t.Context(), "tcp", ca.tls.Addr().String())
			if err != nil {
				t.Errorf("a visitor was refused: %v", err)
				return
			}
			_ = conn.Close()
			visits++
		}
	})
	return func() {
		over.Store(true)
		visitor.Wait()
		if visits == 0 {
			t.Error("nobody visited")
		}
	}
}

// names is a resolver whose answer changes.
type names struct{ addrs atomic.Pointer[[]netip.Addr] }

func (n *names) set(addrs ...netip.Addr) { n.addrs.Store(&addrs) }

func (n *names) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) {
	return *n.addrs.Load(), nil
}

func TestADomainThatPointsElsewhereIsToldAndNothingIsOrdered(t *testing.T) {
	ca, log, dir := newPebble(t, ninetyDays), new(journal), t.TempDir()
	ours, other := netip.MustParseAddr("203.0.113.7"), netip.MustParseAddr("198.51.100.9")
	resolver := new(names)
	resolver.set(other)
	cfg := ca.config(dir, log.logger(slog.LevelInfo))
	cfg.Resolver, cfg.Addresses = resolver, func() []netip.Addr { return []netip.Addr{ours} }
	k := newKeeper(t, cfg)
	clock := stopClock(k)
	ca.serve(t, k)

	var waiting pause
	for i := range 9 {
		waiting = clock.wait(t)
		want := min(time.Minute<<i, time.Hour)
		if waiting.length > want || waiting.length < want*7/10 {
			t.Errorf("pause %d is %v, want at most %v and hardly less", i, waiting.length, want)
		}
		if i < 8 {
			clock.pass(waiting)
		}
	}
	const want = "chat.example.org points to 198.51.100.9, this server has 203.0.113.7: set its A record to 203.0.113.7"
	if lines := log.lines(want); len(lines) != 9 || len(log.lines("")) != 9 || !strings.Contains(lines[0], "level=ERROR") {
		t.Errorf("the log has %d such lines of %d, want 9 errors of 9: %q", len(lines), len(log.lines("")), log.lines(""))
	}
	if status := k.Status(); status.Err != want || status.NextAttempt.IsZero() {
		t.Errorf("status %+v, want the same reason and the next attempt", status)
	}
	if requests, _ := ca.Counts(); requests != 0 {
		t.Errorf("the certificate authority was asked %d times, want 0", requests)
	}

	resolver.set(ours)
	clock.pass(waiting)
	clock.wait(t)
	if status := k.Status(); status.Err != "" || len(status.Names) != 1 {
		t.Errorf("once the domain points here: status %+v, want a certificate", status)
	}

	resolver.set(other)
	k.Renew()
	if again := clock.wait(t); again.length > time.Minute {
		t.Errorf("when it points elsewhere anew: the first pause is %v, want a minute", again.length)
	}
	if lines := log.lines("level=WARN"); len(lines) != 1 || len(log.lines("level=ERROR")) != 9 {
		t.Errorf("with a good certificate: %d warnings and %d errors, want one and the 9 from before", len(lines), len(log.lines("level=ERROR")))
	}
}

func TestTheOtherChallengeIsTriedAfterOneThatFails(t *testing.T) {
	ca, log := newPebble(t, ninetyDays), new(journal)
	k := newKeeper(t, ca.config(t.TempDir(), log.logger(slog.LevelInfo)))
	clock := stopClock(k)
	run(t, k)
	_ = ca.tls.Close() // only port 80 comes through
	web := &http.Server{Handler: k.HTTPChallenge(http.NotFoundHandler()), ReadHeaderTimeout: patience}
	var running sync.WaitGroup
	running.Go(func() { _ = web.Serve(ca.plain) })
	t.Cleanup(func() {
		_ = web.Close()
		running.Wait()
	})
	clock.pass(clock.wait(t))
	clock.wait(t)
	if k.current.Load() == nil {
		t.Fatalf("no certificate: %+v", k.Status())
	}
	if lines := log.lines("prove the name by tls-alpn-01"); len(lines) != 1 {
		t.Errorf("the log says %d times that tls-alpn-01 failed, want once: %q", len(lines), log.lines(""))
	}
	for range 3 {
		k.Renew()
		clock.wait(t)
	}
	if _, orders := ca.Counts(); orders != 5 {
		t.Errorf("%d orders for 3 more certificates, want 5 in all: what worked comes first", orders)
	}
}

func TestAHandshakeBeforeTheFirstCertificateSaysWhy(t *testing.T) {
	log := new(journal)
	k := newKeeper(t, Config{Domain: ourName, Dir: t.TempDir(), Log: log.logger(slog.LevelDebug)})
	k.set("the reason", time.Time{})
	_, err := k.TLSConfig().GetCertificate(&tls.ClientHelloInfo{})
	if err == nil || !strings.Contains(err.Error(), "the reason") {
		t.Errorf("GetCertificate = %v, want the reason", err)
	}
	if lines := log.lines(""); len(lines) != 1 || !strings.Contains(lines[0], "level=DEBUG") {
		t.Errorf("the log has %q, want one line at debug", lines)
	}
	for _, host := range []string{ourName, ""} {
		if _, err := k.TLSConfig().GetCertificate(&tls.ClientHelloInfo{ServerName: host, SupportedProtos: []string{alpnProto}}); err == nil {
			t.Errorf("a tls-alpn-01 handshake for %q that nobody ordered is answered", host)
		}
	}
}

func TestSettingsThatCannotWork(t *testing.T) {
	t.Parallel()
	for name, cfg := range map[string]Config{
		"nothing is set":           {},
		"only one file":            {CertFile: "cert.pem"},
		"an address":               {Domain: "203.0.113.7"},
		"a path":                   {Domain: "../chat"},
		"a name that is not ASCII": {Domain: "bücher.example"},
		"a CA without https":       {Domain: ourName, CA: "http://127.0.0.1/dir"},
		"a root that is not there": {Domain: ourName, CARoot: "nowhere.pem"},
		"a challenge nobody knows": {Domain: ourName, Challenges: []string{"dns-01"}},
	} {
		cfg.Dir = t.TempDir()
		if k, err := New(cfg); err == nil {
			t.Errorf("%s: New = %v, nil", name, k.Status())
		}
	}
}

// newKeeper fails the test if there is none.
func newKeeper(t *testing.T, cfg Config) *Keeper {
	t.Helper()
	k, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return k
}
