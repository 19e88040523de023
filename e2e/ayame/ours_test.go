package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/pipenet"
	"github.com/wasmp2pchat/wasmp2pchat/internal/wsconn"
	"github.com/wasmp2pchat/wasmp2pchat/signal"
	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// startOurs puts our rooms behind a guard, as cmd/wasmp2pchat does with
// SIGNAL_OPEN_ROOMS=true, and returns what ends them.
func startOurs(t *testing.T, l net.Listener, change func(*signal.Config)) (stop func()) {
	t.Helper()
	cfg := signal.Config{
		Admit:    func(string) (time.Time, error) { return time.Time{}, errors.New("no room of ours") },
		OpenRoom: rand.Text,
		ICEServers: func(room string, side wire.Side, _ bool, _ netip.Addr) ([]wire.ICEServer, time.Time) {
			return []wire.ICEServer{{URLs: []string{"turn:192.0.2.1:3478"}, Username: room + "." + string(side), Credential: "c"}}, time.Now().Add(time.Minute)
		},
	}
	change(&cfg)
	rooms := signal.New(cfg)
	mux := http.NewServeMux()
	mux.Handle("GET /signaling", wsconn.NewGuard(wsconn.Limits{}).Wrap(rooms))
	mux.HandleFunc("GET /.ok", func(http.ResponseWriter, *http.Request) {})
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = rooms.Serve(ctx) })
	running.Go(func() { _ = server.Serve(l) })
	return func() {
		cancel()
		_ = server.Close() // its connections have ended
		running.Wait()
	}
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// webhook starts the other end of one.
func webhook(t *testing.T) (h *hook, address string) {
	t.Helper()
	l := listen(t)
	h = newHook()
	t.Cleanup(h.serve(l))
	return h, "http://" + l.Addr().String() + "/hook"
}

// right fails the test for each row that differs, and for those that were
// skipped without one of the reasons.
func right(t *testing.T, results []result, reasons ...string) {
	t.Helper()
	for _, r := range results {
		if r.Verdict == differs {
			t.Errorf("%s: %s: did %q, want %q", r.Group, r.Does, r.Did, r.Reference)
		}
		if r.Verdict == skipped && !strings.Contains(strings.Join(reasons, "|"), r.Why) {
			t.Errorf("%s: %s was skipped: %s", r.Group, r.Does, r.Why)
		}
	}
	var table bytes.Buffer
	printText(&table, results)
	t.Logf("\n%s", &table)
}

// TestOursIsAnAyameServer plays every row that need not wait, webhooks too.
func TestOursIsAnAyameServer(t *testing.T) {
	t.Parallel()
	authn, authnURL := webhook(t)
	disconnect, disconnectURL := webhook(t)
	l := listen(t)
	stop := startOurs(t, l, func(cfg *signal.Config) { cfg.AuthnURL, cfg.DisconnectURL = authnURL, disconnectURL })
	defer stop()
	s := &suite{
		url:   &url.URL{Scheme: "ws", Host: l.Addr().String(), Path: "/signaling"},
		limit: wire.MaxMessageBytes, patience: 10 * time.Second, dial: new(net.Dialer).DialContext,
		authn: authn, disconnect: disconnect,
	}
	right(t, s.run(t.Context()), "slow")
}

// TestOursGivesUpOnAWebhook plays the one row that takes 5 s of real time.
func TestOursGivesUpOnAWebhook(t *testing.T) {
	t.Parallel()
	authn, authnURL := webhook(t)
	l := listen(t)
	stop := startOurs(t, l, func(cfg *signal.Config) { cfg.AuthnURL = authnURL })
	defer stop()
	s := &suite{
		url:  &url.URL{Scheme: "ws", Host: l.Addr().String(), Path: "/signaling"},
		slow: true, patience: 10 * time.Second, dial: new(net.Dialer).DialContext, authn: authn,
	}
	for _, r := range s.authnFaults() {
		if r.slow {
			right(t, []result{s.play(t.Context(), &r)})
		}
	}
}

// TestOursTakesWhatTheReferenceTakes holds the setting that makes messages as
// large as those of Ayame's own server.
func TestOursTakesWhatTheReferenceTakes(t *testing.T) {
	t.Parallel()
	l := listen(t)
	stop := startOurs(t, l, func(cfg *signal.Config) { cfg.MaxMessage = referenceLimit })
	defer stop()
	s := &suite{
		url:   &url.URL{Scheme: "ws", Host: l.Addr().String(), Path: "/signaling"},
		limit: referenceLimit, patience: 10 * time.Second, dial: new(net.Dialer).DialContext,
	}
	for _, r := range s.transport() {
		if result := s.play(t.Context(), &r); strings.Contains(r.does, "largest") && result.Verdict != asReference {
			t.Errorf("%s: %q is %s, want %s", r.does, result.Did, result.Verdict, asReference)
		}
	}
}

// TestOursKeepsTime plays the rows that wait, on the fake clock.
func TestOursKeepsTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := pipenet.Listen()
		stop := startOurs(t, l, func(*signal.Config) {})
		s := &suite{
			url: &url.URL{Scheme: "ws", Host: "ours", Path: "/signaling"}, slow: true, patience: 10 * time.Second,
			dial: func(ctx context.Context, _, _ string) (net.Conn, error) { return l.Dial(ctx) },
		}
		rows := inGroup("time", times())
		results := make([]result, len(rows))
		for i := range rows {
			results[i] = s.play(t.Context(), &rows[i])
		}
		right(t, results)
		stop()
	})
}
