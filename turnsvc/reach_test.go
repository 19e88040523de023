package turnsvc

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/stun/v3"

	"github.com/wasmp2pchat/wasmp2pchat/turnsvc/gate"
)

// lines is a log that a test reads while it is written.
type lines struct {
	mu  sync.Mutex // guards buf
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

// with counts the lines that have all words in them.
func (l *lines) with(words ...string) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(l.buf.String()) {
		if !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(line, w) }) {
			n++
		}
	}
	return n
}

// watched is a Config that looks whether clients can come and logs what it finds.
func watched(c *Config) *lines {
	log := new(lines)
	c.blind, c.Log = false, slog.New(slog.NewTextHandler(log, nil))
	return log
}

// TestURLIsWithheldUntilItIsReached plays a certificate that is not there at
// first, as with ACME.
func TestURLIsWithheldUntilItIsReached(t *testing.T) {
	t.Parallel()
	cert := certificate(t)
	var now atomic.Pointer[tls.Certificate]
	var log *lines
	s := serve(t, func(c *Config) {
		log = watched(c)
		c.TLSAddr, c.Domain, c.roots = "127.0.0.1:0", domain, trusted(t, cert)
		c.TLS = &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			if c := now.Load(); c != nil {
				return c, nil
			}
			return nil, errors.New("not yet")
		}}
	})
	plain := []string{"stun:127.0.0.1:UDP", "turn:127.0.0.1:UDP?transport=udp", "turn:127.0.0.1:TCP?transport=tcp"}
	s.offers(t, s.named(plain)...)
	secure := s.named([]string{"turns:turn.example:TLS?transport=tcp"})[0]
	if n := log.with("WARN", "withheld", secure, "not yet"); n != 1 || log.with("WARN") != 1 || s.Stats().URLsWithheld != 1 {
		t.Errorf("%d of %d warnings are about %s, %d withheld, want one and no more", n, log.with("WARN"), secure, s.Stats().URLsWithheld)
	}
	now.Store(&cert)
	s.Recheck()
	s.offers(t, append(s.named(plain), secure)...)
	if n := log.with("INFO", "offered again", secure); n != 1 || s.Stats().URLsWithheld != 0 {
		t.Errorf("%d lines say that it is offered again, %d withheld, want 1 and 0", n, s.Stats().URLsWithheld)
	}
}

// TestNothingToOfferIsAWarning has sockets that no public address leads to.
func TestNothingToOfferIsAWarning(t *testing.T) {
	t.Parallel()
	var log *lines
	s := serve(t, func(c *Config) {
		log = watched(c)
		c.PublicIPs = addrs("198.51.100.7")
	})
	s.offers(t)
	s.stopped(t)
	if n := log.with("WARN", "offers nothing", "198.51.100.7", "TURN_UDP_ADDR"); n != 1 || log.with("WARN") != 1 {
		t.Errorf("%d of %d warnings say that nothing is offered, want one and no more", n, log.with("WARN"))
	}
}

// TestURLThatFailsOnceIsOffered holds that one bad look takes no URL away, a
// second one does, and a good one gives it back.
func TestURLThatFailsOnceIsOffered(t *testing.T) {
	t.Parallel()
	var down atomic.Bool
	h := handOver(t, func(conn net.Conn) net.Conn {
		if down.Load() {
			_ = conn.Close()
		}
		return conn
	})
	s := serve(t, func(c *Config) {
		watched(c)
		only(h, false)(c)
		c.Streams[0].Port, c.PublicIPs = 80, addrs("198.51.100.7") // who passes the port on is elsewhere
	})
	const url = "turn:198.51.100.7:80?transport=tcp"
	s.offers(t, url)
	down.Store(true)
	ways := s.ways()
	bad := s.reach(t.Context(), ways)
	if len(bad) != 1 || bad[0].OK || bad[0].URL != url || bad[0].Reason == "" {
		t.Fatalf("Reach = %+v, want it to fail with a reason", bad)
	}
	var f finding
	told := []bool{}
	for _, ok := range []bool{true, false, false, true, false} {
		f = f.next(Reached{OK: ok})
		told = append(told, f.told)
	}
	if want := []bool{true, true, false, true, true}; !slices.Equal(told, want) {
		t.Errorf("told after good, bad, bad, good, bad: %v, want %v", told, want)
	}
	if f := (finding{}).next(Reached{}); f.told {
		t.Error("a URL that never was reached is told")
	}
	s.within(t, "a URL that is not reached stays", func() bool {
		s.Recheck() // the server looks, and after the second time it knows
		return len(s.URLs()) == 0
	})
	down.Store(false)
	s.Recheck()
	s.offers(t, url)
}

// TestURLsOutliveACrowd holds that who takes all connections does not take the
// URLs of TCP, too.
func TestURLsOutliveACrowd(t *testing.T) {
	t.Parallel()
	s := serve(t, func(c *Config) { c.MaxConns = 1 })
	held := s.dial(t, "tcp", "ann")
	held.mustAllocate()
	told := finding{told: true}
	for i, w := range s.ways() {
		r := s.Reach(t.Context())[i]
		if r.OK != (w.transport == "udp") {
			t.Errorf("%+v, want UDP to be reached and TCP to be full", r)
		}
		if r.OK = false; w.transport == "tcp" && s.after(s.after(told, w, r), w, r) != told {
			t.Errorf("%s is withheld because of a crowd", r.URL)
		}
		if w.transport == "udp" && s.after(s.after(told, w, r), w, r).told {
			t.Errorf("%s is told, which no crowd keeps from being reached", r.URL)
		}
	}
	_ = held.conn.Close()
	s.within(t, "a connection that is closed is counted", func() bool { return !s.crowd.Full() })
	for _, w := range s.ways() {
		if s.after(s.after(told, w, Reached{}), w, Reached{}).told {
			t.Errorf("%s is told without a crowd and without being reached", w.url)
		}
	}
}

// TestReachSaysWhatIsWrongWithACertificate: the time and the name are wrong for
// everybody, the issuer perhaps only for this machine.
func TestReachSaysWhatIsWrongWithACertificate(t *testing.T) {
	t.Parallel()
	good := certificate(t)
	for _, c := range []struct {
		name   string
		cert   tls.Certificate
		roots  *x509.CertPool
		ok     bool
		reason string
	}{
		{"a good one", good, trusted(t, good), true, ""},
		{"one that nobody knows", good, x509.NewCertPool(), true, "browsers will refuse"},
		{"one for another name", certificateFor(t, "other.example", time.Hour), x509.NewCertPool(), false, "browsers will refuse"},
		{"one that has expired", certificateFor(t, domain, -time.Minute), x509.NewCertPool(), false, "expired"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, func(cfg *Config) {
				cfg.UDPAddrs, cfg.TCPAddr, cfg.TLSAddr = nil, "", "127.0.0.1:0"
				cfg.TLS, cfg.Domain, cfg.roots = &tls.Config{Certificates: []tls.Certificate{c.cert}}, domain, c.roots
			})
			found := s.Reach(t.Context())
			if len(found) != 1 || found[0].OK != c.ok || !strings.Contains(found[0].Reason, c.reason) || c.reason == "" && found[0].Reason != "" {
				t.Errorf("Reach = %+v, want OK %v and %q", found, c.ok, c.reason)
			}
		})
	}
}

// TestReachAsksOnlyThisMachine holds that an address which is on no interface is
// not asked itself: that would go out, and come back or not as the router likes.
func TestReachAsksOnlyThisMachine(t *testing.T) {
	t.Parallel()
	s := serve(t, func(c *Config) {
		c.UDPAddrs, c.PublicIPs = []string{":0"}, addrs("198.51.100.7", "127.0.0.1")
	})
	port := gate.AddrPort(s.udp[0].LocalAddr()).Port()
	own := gate.AddrPort(s.tcp.Addr())
	inside := netip.AddrPortFrom(addrs("127.0.0.1")[0], port)
	want := []Reached{
		{URL: url("turn:", "198.51.100.7", port, "?transport=udp"), OK: true, Asked: inside, Inside: true},
		{URL: url("turn:", "127.0.0.1", port, "?transport=udp"), OK: true, Asked: inside},
		{URL: url("turn:", "127.0.0.1", own.Port(), "?transport=tcp"), OK: true, Asked: own},
	}
	if got := s.Reach(t.Context()); !slices.Equal(got, want) {
		t.Errorf("Reach = %+v, want %+v", got, want)
	}
}

// TestAskPersistsOverUDP holds that a lost question is asked again, that what is
// no answer is none, and that silence ends with the context.
func TestAskPersistsOverUDP(t *testing.T) {
	t.Parallel()
	conn, addr := newPeer(t)
	var answering sync.WaitGroup
	answering.Go(func() {
		p := make([]byte, 100)
		for i := range 3 {
			n, from, err := conn.ReadFromUDPAddrPort(p)
			if err != nil {
				t.Error(err)
				return
			}
			answer := p[:n]
			switch i {
			case 0:
				continue // lost
			case 1: // what was sent comes back
			case 2:
				m := &stun.Message{Raw: slices.Clone(p[:n])}
				if err := m.Decode(); err != nil {
					t.Error(err)
				}
				m.SetType(stun.BindingSuccess)
				answer = m.Raw
			}
			if _, err := conn.WriteToUDPAddrPort(answer, from); err != nil {
				t.Error(err)
			}
		}
	})
	s := &Server{}
	w := way{entrance: entrance{transport: "udp"}, asked: addr}
	if _, err := s.ask(t.Context(), w); err != nil {
		t.Errorf("ask = %v, want the answer to the third question", err)
	}
	answering.Wait()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.ask(ctx, w); err == nil {
		t.Error("ask without an answer succeeded")
	}
}

// TestNewAddressesAreOffered holds that URLs has them without a restart.
func TestNewAddressesAreOffered(t *testing.T) {
	t.Parallel()
	s := serve(t, func(c *Config) {
		watched(c)
		c.UDPAddrs, c.TCPAddr = []string{"0.0.0.0:0"}, ""
	})
	s.offers(t, s.named([]string{"stun:127.0.0.1:UDP", "turn:127.0.0.1:UDP?transport=udp"})...)
	if err := s.SetPublicIPs(addrs("::ffff:192.0.2.9")); err != nil {
		t.Fatal(err)
	}
	s.offers(t, s.named([]string{"stun:192.0.2.9:UDP", "turn:192.0.2.9:UDP?transport=udp"})...)
}

// TestAskIsGivenUpAtAnyTime ends the context while a question waits for its answer
// over TLS: whoever waits no more races with nobody.
func TestAskIsGivenUpAtAnyTime(t *testing.T) {
	t.Parallel()
	cert := certificate(t)
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer time.AfterFunc(100*time.Millisecond, cancel).Stop() // by a goroutine that knows of nothing since
	var serving sync.WaitGroup
	serving.Go(func() {
		conn, err := listener.Accept()
		if err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = conn.Close() }()
		_, _ = io.Copy(io.Discard, conn) // until the other side has given up
	})
	w := way{entrance: entrance{transport: "tls"}, asked: gate.AddrPort(listener.Addr())}
	if err := ask(ctx, w, &tls.Config{ServerName: domain, RootCAs: trusted(t, cert), MinVersion: tls.VersionTLS12}); err == nil {
		t.Error("ask without an answer succeeded")
	}
	serving.Wait()
	if err := listener.Close(); err != nil {
		t.Error(err)
	}
}
