package edge

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/pipenet"
)

// street is a listener in memory to whom clients come from addresses.
type street struct {
	*pipenet.Listener
	mu    sync.Mutex // held while one comes
	addrs chan string
}

func newStreet() *street {
	return &street{Listener: pipenet.Listen(), addrs: make(chan string, 1)}
}

// Accept implements net.Listener.
func (s *street) Accept() (net.Conn, error) {
	conn, err := s.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return from{conn, <-s.addrs}, nil
}

// from is a connection that says it comes from an address.
type from struct {
	net.Conn
	addr string
}

func (c from) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.ParseIP(c.addr), Port: 5000} }

// come returns the client's end of a connection from an address, when the door
// has accepted it.
func (s *street) come(t *testing.T, addr string) net.Conn {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.addrs <- addr
	conn, err := s.Dial(t.Context())
	if err != nil {
		t.Fatalf("dial: %v", err)
	}
	return conn
}

// arrival is a connection that has come out of an exit.
type arrival struct {
	net.Conn
	turn bool
	when time.Time
}

// house is a door, with what comes out of it.
type house struct {
	*Door
	arrivals chan arrival
	stop     func() // ends the door, and waits for it
}

// build serves l until stop.
func build(t testing.TB, l net.Listener, cfg Config) *house {
	t.Helper()
	h := &house{Door: New(l, cfg), arrivals: make(chan arrival, 4096)}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := h.Serve(ctx); err != nil {
			t.Errorf("Serve = %v", err)
		}
	})
	for turn, l := range map[bool]net.Listener{true: h.TURN(), false: h.HTTP()} {
		running.Go(func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				h.arrivals <- arrival{conn, turn, time.Now()}
			}
		})
	}
	h.stop = func() {
		cancel()
		running.Wait()
	}
	return h
}

// settled fails unless nobody is in the door any more, and everybody who was is
// accounted for.
func (h *house) settled(t *testing.T) {
	t.Helper()
	s := h.Stats()
	known := s.HTTP + s.TURN + s.Challenges
	for _, n := range s.Refused {
		known += n
	}
	if s.Open != 0 || s.Opening != 0 || known != s.Accepted || h.crowd.Sources() != 0 {
		t.Errorf("afterwards %+v of %d: want nobody, and all of them accounted for", s, h.crowd.Sources())
	}
}

// serverTLS is a configuration with a certificate that nobody trusts.
func serverTLS(t testing.TB, protos ...string) *tls.Config {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"chat.example"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: private}}, NextProtos: protos}
}

// clientTLS speaks TLS on conn, with what it offers by ALPN.
func clientTLS(conn net.Conn, protos ...string) *tls.Conn {
	return tls.Client(conn, &tls.Config{InsecureSkipVerify: true, ServerName: "chat.example", NextProtos: protos})
}

// drip is a connection that sends byte by byte.
type drip struct {
	net.Conn
	every time.Duration // between two bytes
}

func (d drip) Write(p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		if d.every > 0 {
			<-time.After(d.every)
		}
		_, err = d.Conn.Write(p[n : n+1])
		n++
	}
	return n, err
}

// onLoopback is a socket, and a way to come to it.
func onLoopback(t testing.TB) (net.Listener, func() *net.TCPConn) {
	t.Helper()
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l, func() *net.TCPConn {
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		return conn.(*net.TCPConn)
	}
}
