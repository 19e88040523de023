package gate

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/dtls/v3"
	dtlsnet "github.com/pion/dtls/v3/pkg/net"
	"github.com/pion/logging"

	"github.com/wasmp2pchat/wasmp2pchat/internal/arrivals"
)

func quiet() logging.LoggerFactory { return &logging.DefaultLoggerFactory{Writer: io.Discard} }

// secured is a DTLS server with config and what a client is on, over a pipe.
func secured(t *testing.T, config *tls.Config) (*Stream, net.Conn) {
	t.Helper()
	fake := fakeListener{results: make(chan any, 1)}
	l := NewListener(fake, ListenerConfig{
		Crowd: arrivals.NewCrowd(arrivals.Limits{Conns: 1, ConnsPerAddr: 1}), Opening: DTLS(config, "turn.example", quiet()),
	})
	server, client := net.Pipe()
	fake.results <- from{server, "192.0.2.1"}
	s, err := l.AcceptStream()
	if err != nil {
		t.Fatal(err)
	}
	return s, client
}

// shakeHands is a DTLS client that names no server.
func shakeHands(t *testing.T, conn net.Conn) *dtls.Conn {
	t.Helper()
	c, err := dtls.ClientWithOptions(dtlsnet.PacketConnFromConn(conn), conn.RemoteAddr(),
		dtls.WithInsecureSkipVerify(true), dtls.WithLoggerFactory(quiet()))
	if err != nil {
		t.Error(err)
	} else if err := c.HandshakeContext(t.Context()); err != nil {
		t.Error(err)
	}
	return c
}

func TestDTLS(t *testing.T) {
	t.Parallel()
	config := serverTLS(t)
	asked := &tls.Config{GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		if hello.ServerName != "turn.example" {
			return nil, errors.New("asked for " + hello.ServerName)
		}
		return &config.Certificates[0], nil
	}}
	for _, c := range []struct {
		name   string
		config *tls.Config
		last   []byte // the client's last message
		held   bool
		after  time.Duration
		err    error
	}{
		{"a client that falls silent", config, stunFrame(0), false, IdleTimeout, os.ErrDeadlineExceeded},
		{"a client that holds an allocation", asked, channelFrame(0x4000, 5)[:9], true, HeldIdleTimeout, os.ErrDeadlineExceeded},
		{"a client that sends no message", asked, []byte("GET /"), true, 0, ErrFrame},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s, conn := secured(t, c.config)
				s.Hold(func() bool { return c.held })
				var playing sync.WaitGroup
				playing.Go(func() {
					client := shakeHands(t, conn)
					write(client, stunFrame(4))
					p := make([]byte, 100)
					if n, err := client.Read(p); err != nil || !bytes.Equal(p[:n], channelFrame(0x4000, 5)[:9]) {
						t.Errorf("the client reads %x, %v, want 5 bytes of ChannelData without padding", p[:n], err)
					}
					write(client, c.last)
					_, _ = io.Copy(io.Discard, client) // until it is cut
					_ = client.Close()
				})
				if err := s.Await(t.Context()); err != nil {
					t.Fatal(err)
				}
				if _, err := s.WriteTo(channelFrame(0x4000, 5), nil); err != nil {
					t.Fatal(err)
				}
				after, err := cut(s)
				if playing.Wait(); after != c.after || !isTimeoutOr(err, c.err) {
					t.Errorf("cut after %v with %v, want %v with %v", after, err, c.after, c.err)
				}
			})
		})
	}
}

// losing is a connection that loses one of the datagrams that come, or that are sent.
type losing struct {
	net.Conn

	read, written int // how many come or are sent before; less than 0: that was it, or none is lost
}

func (l *losing) Read(p []byte) (int, error) {
	n, err := l.Conn.Read(p)
	if l.read--; l.read == -1 && err == nil {
		return l.Conn.Read(p)
	}
	return n, err
}

func (l *losing) Write(p []byte) (int, error) {
	if l.written--; l.written == -1 {
		return len(p), nil
	}
	return l.Conn.Write(p)
}

// TestDTLSHandshakeOutlivesALostDatagram holds that there is no datagram without which
// client and server wait for one another.
func TestDTLSHandshakeOutlivesALostDatagram(t *testing.T) {
	t.Parallel()
	config := serverTLS(t)
	const datagrams = 3 // that each sends, if nothing is lost
	for which := range datagrams {
		for _, c := range []struct {
			name          string
			read, written int
		}{{"of the server", which, -1}, {"of the client", -1, which}} {
			t.Run(fmt.Sprintf("%d %s", which, c.name), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					s, conn := secured(t, config)
					var playing sync.WaitGroup
					playing.Go(func() {
						client := shakeHands(t, &losing{conn, c.read, c.written})
						write(client, stunFrame(4))
						_, _ = io.Copy(io.Discard, client) // until it is cut
						_ = client.Close()
					})
					if err := s.Await(t.Context()); err != nil {
						t.Errorf("Await() = %v", err)
					}
					if _, err := cut(s); !isTimeoutOr(err, os.ErrDeadlineExceeded) {
						t.Errorf("the first message is not heard: %v", err)
					}
					playing.Wait()
				})
			})
		}
	}
}

// isTimeoutOr is errors.Is, where every timeout is the same.
func isTimeoutOr(err, want error) bool {
	var timeout net.Error
	if errors.Is(want, os.ErrDeadlineExceeded) {
		return errors.As(err, &timeout) && timeout.Timeout()
	}
	return errors.Is(err, want)
}

// TestDTLSHandshakeIsCut holds that a handshake that does not end is no longer
// than FrameTimeout, and that nobody is sent more than he has sent.
func TestDTLSHandshakeIsCut(t *testing.T) {
	t.Parallel()
	config := serverTLS(t)
	body := slices.Concat([]byte{0xfe, 0xfd}, make([]byte, 32), // version, random
		[]byte{0, 0, 0, 2, 0xc0, 0x2b, 1, 0},   // no session, no cookie, one cipher suite, no compression
		[]byte{0, 8, 0, 10, 0, 4, 0, 2, 0, 29}) // supported group x25519
	size := byte(len(body))
	hello := record(handshake, 0, append([]byte{1, 0, 0, size, 0, 0, 0, 0, 0, 0, 0, size}, body...)...)
	for _, c := range []struct {
		name     string
		send     []byte
		answered bool
	}{
		{"silence", nil, false},
		{"a ClientHello and no more", hello, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s, client := secured(t, config)
				var playing sync.WaitGroup
				received := 0
				playing.Go(func() {
					if c.send != nil {
						write(client, c.send)
					}
					p := make([]byte, maxDatagramBytes)
					for {
						n, err := client.Read(p)
						if err != nil {
							return
						}
						received += n
					}
				})
				begin := time.Now()
				err := s.Await(t.Context())
				if playing.Wait(); err == nil || time.Since(begin) != FrameTimeout || received > len(c.send) || c.answered != (received > 0) {
					t.Errorf("Await = %v after %v, %d bytes were sent, want an error after %v and at most %d",
						err, time.Since(begin), received, FrameTimeout, len(c.send))
				}
			})
		})
	}
}
