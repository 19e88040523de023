//go:build linux

package main

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"os"
	"runtime"
	"runtime/pprof"
	"strings"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/e2e/bench/seedlike"
	"github.com/wasmp2pchat/wasmp2pchat/internal/edge"
	"github.com/wasmp2pchat/wasmp2pchat/internal/roomkey"
	"github.com/wasmp2pchat/wasmp2pchat/internal/thrift"
	"github.com/wasmp2pchat/wasmp2pchat/internal/timeline"
	"github.com/wasmp2pchat/wasmp2pchat/internal/wsconn"
	"github.com/wasmp2pchat/wasmp2pchat/match"
	"github.com/wasmp2pchat/wasmp2pchat/signal"
	"github.com/wasmp2pchat/wasmp2pchat/turnsvc"
	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// child is this program as a server. It prints its URL, serves until its input
// ends, and obeys what comes there.
func child(kind string, secure bool) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var handler http.Handler
	switch kind {
	case oursName:
		handler = ours(ctx)
	case seedName:
		handler = seedlike.New()
	default:
		return fmt.Errorf("no server %q", kind)
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	scheme := "http"
	var config *tls.Config
	if secure {
		scheme = "https"
		certificate, err := selfSigned()
		if err != nil {
			return err
		}
		config = &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}
	}
	switch {
	case kind == oursName:
		door := edge.New(wsconn.Watch(listener), edge.Config{TLS: config, MaxPerAddr: -1})
		go func() { _ = door.Serve(ctx) }() // ends with the process
		_ = door.TURN().Close()             // never fails
		listener = door.HTTP()
	case secure:
		listener = tls.NewListener(listener, config)
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second, WriteTimeout: time.Minute, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 8 << 10, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)}
	go func() { _ = server.Serve(listener) }() // ends with the process
	fmt.Fprintf(os.Stdout, "%s://%s\n", scheme, listener.Addr())
	for orders := bufio.NewScanner(os.Stdin); orders.Scan(); {
		answer := "done"
		if err := obey(orders.Text()); err != nil {
			answer = err.Error()
		}
		fmt.Fprintln(os.Stdout, answer)
	}
	return nil // the parent has had enough, or has gone
}

// obey does what the parent wants: collect the garbage, or write a profile to
// a file until there is another order.
func obey(order string) error {
	what, path, _ := strings.Cut(order, " ")
	pprof.StopCPUProfile()
	switch {
	case what == "collect":
		runtime.GC()
		return nil
	case path == "-":
		return nil
	}
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	return pprof.StartCPUProfile(file)
}

// ours is wired as cmd/wasmp2pchat/serve.go does it, with the credentials of a
// relay that nobody asks.
func ours(ctx context.Context) http.Handler {
	minter := turnsvc.Issuer{Secret: "a secret for benchmarks", TTL: 10 * time.Minute, URLs: []string{
		"stun:127.0.0.1:3478", "turn:127.0.0.1:3478?transport=udp", "turn:127.0.0.1:3478?transport=tcp",
	}}.Minter()
	credentials := func(service string) func(string, wire.Side, bool, netip.Addr) ([]wire.ICEServer, time.Time) {
		return func(room string, side wire.Side, hides bool, partner netip.Addr) ([]wire.ICEServer, time.Time) {
			return minter.RoomServers(turnsvc.Claims{
				Room: roomkey.Name(room), Side: service + string(side), Hidden: hides, Partner: []netip.Addr{partner},
			})
		}
	}
	keys := roomkey.New("a secret for benchmarks")
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	events := timeline.New(timeline.Limits{}, log)
	rooms := signal.New(signal.Config{
		Admit: keys.Verify, ICEServers: credentials("s"), Ended: func(string) {}, Log: log,
		Verdict: func(room string) wire.Verdict { return events.Judge(roomkey.Name(room)) },
		Happened: func(room string, e signal.Event) {
			events.Add(roomkey.Name(room), timeline.Event{Kind: kindOf(e.Kind), Side: e.Side, Seat: true, User: e.User, From: e.From})
		},
	})
	var lobby *match.Lobby
	lobby = match.New(match.Config{
		PoolConfig: match.PoolConfig{RoomName: roomkey.NewName, RoomID: keys.Mint, MaxWait: 2 * time.Minute},
		ICEServers: func(w match.Wanted) ([]wire.ICEServer, time.Time) {
			return credentials("m")(w.Room, w.Side, w.Hides, w.Partner)
		},
		Online: func() int { return lobby.Stats().Connected + rooms.Stats().Connected },
		Happened: func(room string, e match.Event) {
			events.Add(roomkey.Name(room), timeline.Event{Kind: timeline.Matched, Side: e.Side, User: e.User, From: e.From, Took: int(e.Waited.Milliseconds())})
		},
		Log: log,
	})
	go func() { _ = lobby.Serve(ctx) }() // all end with the process
	go func() { _ = rooms.Serve(ctx) }()
	go func() { _ = events.Serve(ctx) }()
	go func() { _ = thrift.Serve(ctx) }()
	guard := wsconn.NewGuard(wsconn.Limits{Log: log})
	mux := http.NewServeMux()
	mux.Handle("GET /matchmaking", guard.Wrap(lobby))
	mux.Handle("GET /signaling", guard.Wrap(rooms))
	return mux
}

// kindOf is an event of a room as its timeline has it; those that a benchmark does
// not cause are as good as a candidate.
func kindOf(k signal.EventKind) timeline.Kind {
	switch k {
	case signal.EventRegistered:
		return timeline.Registered
	case signal.EventOffer:
		return timeline.Offered
	case signal.EventAnswer:
		return timeline.Answered
	case signal.EventLeft:
		return timeline.Left
	case signal.EventOver:
		return timeline.Over
	default:
		return timeline.Candidate
	}
}

// selfSigned makes a certificate as ACME gives them: ECDSA P-256.
func selfSigned() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}
