package gate

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/big"
	"net"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/arrivals"
)

// serverTLS is a configuration with a certificate that nobody trusts.
func serverTLS(t *testing.T) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"turn.example"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}

// TestOpeningIsCut plays strangers who never come as far as a frame.
func TestOpeningIsCut(t *testing.T) {
	t.Parallel()
	config := serverTLS(t)
	hello := []byte{22, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3}
	for _, c := range []struct {
		name    string
		proxied bool
		opening Opening
		play    func(client net.Conn)
		want    time.Duration
	}{
		{"silent TLS", false, TLS(config), func(net.Conn) {}, FrameTimeout},
		{"half a ClientHello", false, TLS(config), func(client net.Conn) { write(client, hello) }, FrameTimeout},
		{"a ClientHello that drips", false, TLS(config), drip(append(hello, make([]byte, 506)...)), FrameTimeout},
		{"TLS, and then one byte", false, TLS(config), func(client net.Conn) {
			write(tls.Client(client, &tls.Config{InsecureSkipVerify: true}), []byte{0})
			<-time.After(time.Minute)
		}, FrameTimeout},
		{"a client that does not read", false, TLS(config), func(client net.Conn) {
			write(tls.Client(deaf{client}, &tls.Config{InsecureSkipVerify: true}), []byte{0})
		}, FrameTimeout},
		{"a silent proxy", true, nil, func(net.Conn) {}, FrameTimeout},
		{"a PROXY header that drips", true, nil, drip([]byte("\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c")), FrameTimeout},
		{"a proxy that says nothing after the header", true, TLS(config), func(client net.Conn) {
			write(client, []byte("PROXY TCP4 192.0.2.1 192.0.2.2 5000 3478\r\n"))
		}, FrameTimeout},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				fake := fakeListener{results: make(chan any, 1)}
				crowd := arrivals.NewCrowd(arrivals.Limits{Conns: 1, ConnsPerAddr: 1})
				cfg := ListenerConfig{Crowd: crowd, Opening: c.opening}
				if c.proxied {
					cfg.Proxies = []netip.Prefix{netip.MustParsePrefix("192.0.2.9/32")}
				}
				l := NewListener(fake, cfg)
				server, client := net.Pipe()
				fake.results <- from{server, "192.0.2.9"}
				s, err := l.AcceptStream()
				if err != nil {
					t.Fatal(err)
				}
				var playing sync.WaitGroup
				playing.Go(func() { c.play(client) })
				defer playing.Wait()
				begin := time.Now()
				if err := s.Await(t.Context()); err == nil || time.Since(begin) != c.want {
					t.Errorf("Await = %v after %v, want an error after %v", err, time.Since(begin), c.want)
				}
				if crowd.Len() != 0 || crowd.Sources() != 0 {
					t.Errorf("%d connections from %v are counted afterwards, want none", crowd.Len(), crowd.Sources())
				}
			})
		})
	}
}

// deaf is a connection of which its owner reads nothing.
type deaf struct{ net.Conn }

func (d deaf) Read([]byte) (int, error) {
	<-time.After(time.Hour)
	return 0, net.ErrClosed
}

// TestOpeningEndsWithTheStream holds that Close ends a handshake.
func TestOpeningEndsWithTheStream(t *testing.T) {
	t.Parallel()
	config := serverTLS(t)
	synctest.Test(t, func(t *testing.T) {
		fake := fakeListener{results: make(chan any, 1)}
		l := NewListener(fake, ListenerConfig{Crowd: arrivals.NewCrowd(arrivals.Limits{Conns: 1, ConnsPerAddr: 1}), Opening: TLS(config)})
		fake.results <- dial("192.0.2.1")
		s, err := l.AcceptStream()
		if err != nil {
			t.Fatal(err)
		}
		var awaiting sync.WaitGroup
		begin := time.Now()
		awaiting.Go(func() {
			if err := s.Await(t.Context()); err == nil {
				t.Error("Await of a closed stream succeeded")
			}
		})
		synctest.Wait()
		l.CloseStreams()
		awaiting.Wait()
		if took := time.Since(begin); took != 0 {
			t.Errorf("Await ended after %v, want at once", took)
		}
	})
}

// TestStreamClosedWhileOpening holds that a connection that an Opening returns
// too late is closed.
func TestStreamClosedWhileOpening(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		below, _ := net.Pipe()
		above, client := net.Pipe()
		s := NewStream(below, nil, nil)
		s.openings = []Opening{func(context.Context, net.Conn) (net.Conn, error) {
			_ = s.Close()
			return above, nil
		}}
		if err := s.Await(t.Context()); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Await = %v, want closed", err)
		}
		if _, err := client.Write([]byte{0}); err == nil {
			t.Error("the connection that was opened is still open")
		}
	})
}

// TestTLSForcesItsVersion holds that no way of configuring TLS goes below 1.2.
func TestTLSForcesItsVersion(t *testing.T) {
	t.Parallel()
	inner := &tls.Config{MinVersion: tls.VersionTLS10}
	config := atLeastTLS12(&tls.Config{
		NextProtos: []string{"h2"}, MinVersion: tls.VersionTLS10,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return inner, nil },
	})
	chosen, err := config.GetConfigForClient(nil)
	if err != nil || config.MinVersion != tls.VersionTLS12 || chosen.MinVersion != tls.VersionTLS12 || inner.MinVersion != tls.VersionTLS10 {
		t.Errorf("versions %x and %x, %v, want TLS 1.2, and the caller's own left alone", config.MinVersion, chosen.MinVersion, err)
	}
	if len(config.NextProtos) != 3 {
		t.Errorf("NextProtos = %q, want those of TURN beside h2", config.NextProtos)
	}
	if modern := atLeastTLS12(&tls.Config{MinVersion: tls.VersionTLS13}); modern.MinVersion != tls.VersionTLS13 || modern.NextProtos != nil {
		t.Errorf("TLS 1.3 became %x with %q, want it as it was", modern.MinVersion, modern.NextProtos)
	}
}
