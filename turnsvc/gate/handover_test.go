package gate

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/dtls/v3"
	dtlsnet "github.com/pion/dtls/v3/pkg/net"

	"github.com/wasmp2pchat/wasmp2pchat/internal/arrivals"
)

// TestListenerOfSomebodyElse holds that who closes what a Listener listens on
// cuts nobody: that is for Close.
func TestListenerOfSomebodyElse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		theirs := fakeListener{results: make(chan any, 2)}
		l := NewListener(shut{theirs}, ListenerConfig{Crowd: arrivals.NewCrowd(arrivals.Limits{Conns: 9, ConnsPerAddr: 9})})
		theirs.results <- dial("192.0.2.1")
		if _, err := l.AcceptStream(); err != nil {
			t.Fatal(err)
		}
		_ = theirs.Close()
		ended := false
		var accepting sync.WaitGroup
		accepting.Go(func() {
			if _, err := l.AcceptStream(); !errors.Is(err, net.ErrClosed) {
				t.Errorf("AcceptStream = %v, want net.ErrClosed", err)
			}
			ended = true
		})
		if synctest.Wait(); ended || len(l.open()) != 1 {
			t.Errorf("ended: %v, %d streams, want neither the listener nor the stream ended by somebody else", ended, len(l.open()))
		}
		_ = l.Close()
		accepting.Wait()
	})
}

// shut is a listener that was closed already.
type shut struct{ net.Listener }

func (shut) Close() error { return net.ErrClosed }

// TestListenerTakesNobodyFromNowhere holds that whom no limit can count does not
// come in, and costs no seat.
func TestListenerTakesNobodyFromNowhere(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake := fakeListener{results: make(chan any, 2)}
		refused := 0
		l := NewListener(fake, ListenerConfig{Crowd: arrivals.NewCrowd(arrivals.Limits{Conns: 1, ConnsPerAddr: 1}), Refused: func() { refused++ }})
		nowhere, _ := net.Pipe() // its address is of the kind "pipe"
		fake.results <- nowhere
		fake.results <- dial("192.0.2.1")
		if s, err := l.AcceptStream(); err != nil || refused != 1 || s.RemoteAddr().String() != "192.0.2.1:1" {
			t.Errorf("AcceptStream = %v, %v with %d refused, want 192.0.2.1 and 1", s, err, refused)
		}
	})
}

// TestListenerCutsTLSAtOnce holds that a connection which was handed over with
// its handshake done ends at once, refused or closed: a tls.Conn would wait 5 s
// for a client that does not read.
func TestListenerCutsTLSAtOnce(t *testing.T) {
	t.Parallel()
	config := serverTLS(t)
	synctest.Test(t, func(t *testing.T) {
		fake := fakeListener{results: make(chan any, 2)}
		l := NewListener(fake, ListenerConfig{Crowd: arrivals.NewCrowd(arrivals.Limits{Conns: 1, ConnsPerAddr: 1})})
		first, second := shaken(t, config), shaken(t, config)
		begin := time.Now()
		fake.results <- first
		s, err := l.AcceptStream()
		if err != nil {
			t.Fatal(err)
		}
		fake.results <- second // one too many
		var accepting sync.WaitGroup
		accepting.Go(func() { _, _ = l.AcceptStream() })
		synctest.Wait()
		_ = s.Close()
		for _, conn := range []*tls.Conn{first, second} {
			if _, err := conn.NetConn().Write([]byte{0}); !errors.Is(err, io.ErrClosedPipe) {
				t.Errorf("after the end Write = %v, want a connection that is closed", err)
			}
		}
		if took := time.Since(begin); took != 0 {
			t.Errorf("the end took %v, want no time", took)
		}
		_ = l.Close()
		accepting.Wait()
	})
}

// shaken is the server's end of a TLS connection whose client reads no more.
func shaken(t *testing.T, config *tls.Config) *tls.Conn {
	t.Helper()
	server, client := net.Pipe()
	var shaking sync.WaitGroup
	shaking.Go(func() {
		c := tls.Client(client, &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12})
		if err := c.HandshakeContext(t.Context()); err != nil {
			t.Error(err)
		}
	})
	c := tls.Server(from{server, "192.0.2.1"}, config)
	if err := c.HandshakeContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	shaking.Wait()
	return c
}

// TestCertificateIsSwapped holds that the next handshake sees the certificate
// that is there now, over TLS and over DTLS, and that nobody is cut.
func TestCertificateIsSwapped(t *testing.T) {
	t.Parallel()
	var now atomic.Pointer[tls.Certificate]
	config := &tls.Config{GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		if hello.Conn == nil || hello.Conn.RemoteAddr() == nil {
			return nil, errors.New("asked for nobody")
		}
		if c := now.Load(); c != nil {
			return c, nil
		}
		return nil, errors.New("no certificate yet")
	}}
	for _, c := range []struct {
		name    string
		opening Opening
		shake   func(*testing.T, net.Conn) (net.Conn, []byte)
	}{
		{"TLS", TLS(config), shakeTLS},
		{"DTLS", DTLS(config, "turn.example", quiet()), shakeDTLS},
	} {
		t.Run(c.name, func(t *testing.T) { // one after the other: they share the certificate
			now.Store(nil)
			if _, _, err := opened(t, c.opening, c.shake); err == nil {
				t.Error("a handshake without a certificate succeeded")
			}
			old, first := &serverTLS(t).Certificates[0], &serverTLS(t).Certificates[0]
			var live net.Conn
			for _, want := range []*tls.Certificate{old, first} {
				now.Store(want)
				conn, got, err := opened(t, c.opening, c.shake)
				if err != nil || string(got) != string(want.Certificate[0]) {
					t.Fatalf("the client saw %d bytes of another certificate, %v", len(got), err)
				}
				if live == nil {
					live = conn
				}
			}
			if _, err := live.Write([]byte("still here")); err != nil {
				t.Errorf("a live connection was cut: %v", err)
			}
		})
	}
}

// opened shakes hands over a pipe and reads what the client sends; it returns the
// client's end, and the certificate that the client saw.
func opened(t *testing.T, opening Opening, shake func(*testing.T, net.Conn) (net.Conn, []byte)) (net.Conn, []byte, error) {
	t.Helper()
	server, client := net.Pipe()
	t.Cleanup(func() { _, _ = server.Close(), client.Close() })
	type shook struct {
		conn net.Conn
		cert []byte
	}
	done := make(chan shook, 1)
	go func() { // ends with the handshake, or with the pipe; the channel is waited for
		conn, cert := shake(t, client)
		done <- shook{conn, cert}
	}()
	conn, err := opening(t.Context(), from{server, "192.0.2.1"})
	if err != nil {
		_ = server.Close()
		<-done
		return nil, nil, err
	}
	go func() { // ends with the pipe
		p := make([]byte, 100)
		for {
			if _, err := conn.Read(p); err != nil {
				return
			}
		}
	}()
	s := <-done
	return s.conn, s.cert, nil
}

func shakeTLS(t *testing.T, conn net.Conn) (net.Conn, []byte) {
	t.Helper()
	c := tls.Client(conn, &tls.Config{InsecureSkipVerify: true, ServerName: "turn.example", MinVersion: tls.VersionTLS13})
	if c.HandshakeContext(t.Context()) != nil {
		return c, nil
	}
	return c, c.ConnectionState().PeerCertificates[0].Raw
}

func shakeDTLS(t *testing.T, conn net.Conn) (net.Conn, []byte) {
	t.Helper()
	var seen []byte
	c, err := dtls.ClientWithOptions(dtlsnet.PacketConnFromConn(conn), conn.RemoteAddr(), dtls.WithLoggerFactory(quiet()),
		dtls.WithInsecureSkipVerify(true), dtls.WithVerifyPeerCertificate(func(raw [][]byte, _ [][]*x509.Certificate) error {
			seen = raw[0]
			return nil
		}))
	if err != nil {
		t.Error(err)
		return conn, nil
	}
	if c.HandshakeContext(t.Context()) != nil {
		return c, nil
	}
	return c, seen
}
