package edge

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
)

const (
	allocate = "\x00\x03\x00\x08\x21\x12\xa4\x42abcdefghijkl\x00\x19\x00\x04\x11\x00\x00\x00" // STUN, as Chromium's first
	binding  = "\x00\x01\x00\x00\x21\x12\xa4\x42abcdefghijkl"
)

// flight is how a client begins, and where it is to come out.
type flight struct {
	name   string
	tls    bool
	protos []string // it offers by ALPN
	says   string
	turn   bool
}

func flights() []flight {
	return []flight{
		{"TLS with h2", true, []string{"h2", "http/1.1"}, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", false},
		{"TLS with http/1.1", true, []string{"http/1.1"}, "GET / HTTP/1.1\r\n\r\n", false},
		{"TLS with h2, and then a byte of TURN", true, []string{"h2"}, binding, false},
		{"TLS with stun.turn (RFC 7443)", true, []string{"stun.turn"}, allocate, true},
		{"TLS with stun.nat-discovery (RFC 7443)", true, []string{"stun.nat-discovery"}, binding, true},
		{"TLS without ALPN, HTTP", true, nil, "GET / HTTP/1.1\r\n\r\n", false},
		{"TLS without ALPN, Allocate", true, nil, allocate, true},
		{"TLS without ALPN, Binding", true, nil, binding, true},
		{"TLS without ALPN, ChannelData", true, nil, "\x40\x00\x00\x00", false},
		{"plain GET", false, nil, "GET / HTTP/1.1\r\n\r\n", false},
		{"plain POST", false, nil, "POST / HTTP/1.1\r\n\r\n", false},
		{"plain PRI", false, nil, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", false},
		{"plain Allocate", false, nil, allocate, true},
		{"plain Binding", false, nil, binding, true},
		{"plain Connect of RFC 6062, and what is not a request", false, nil, "\x01\x01", true},
		{"plain, the first byte that is no request", false, nil, "\x02", false},
		{"plain ChannelData", false, nil, "\x7f\xff\x00\x00", false},
		{"TLS on a plain port", false, nil, "\x16\x03\x01\x02\x00\x01", false},
		{"a PROXY header of a stranger", false, nil, "PROXY TCP4 192.0.2.9 192.0.2.8 1 2\r\nGET / HTTP/1.1\r\n\r\n", false},
	}
}

// TestFirstFlightsComeOutWhereTheyBelong holds the rule, and that every byte
// comes out, in memory and through sockets, at once and byte by byte.
func TestFirstFlightsComeOutWhereTheyBelong(t *testing.T) {
	t.Parallel()
	config := serverTLS(t)
	for _, f := range flights() {
		cfg := Config{}
		if f.tls {
			cfg.TLS = config
		}
		for way, chopped := range map[string]func(net.Conn) net.Conn{
			"at once":      func(c net.Conn) net.Conn { return c },
			"byte by byte": func(c net.Conn) net.Conn { return drip{Conn: c} },
		} {
			t.Run(f.name+", in memory, "+way, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					s := newStreet()
					h := build(t, s, cfg)
					f.fly(t, h, chopped(s.come(t, "192.0.2.1")))
				})
			})
			t.Run(f.name+", through sockets, "+way, func(t *testing.T) {
				t.Parallel()
				l, dial := onLoopback(t)
				f.fly(t, build(t, l, cfg), chopped(dial()))
			})
		}
	}
}

// fly plays the client and what is behind the exit.
func (f flight) fly(t *testing.T, h *house, client net.Conn) {
	t.Helper()
	defer h.settled(t)
	defer h.stop()
	if f.tls {
		client = clientTLS(client, f.protos...)
	}
	done := make(chan error, 1)
	go func() { // done says that it has ended
		_, err := io.WriteString(client, f.says)
		done <- errors.Join(err, client.Close())
	}()
	out := <-h.arrivals
	got, err := io.ReadAll(out)
	if string(got) != f.says || err != nil {
		t.Errorf("out came %q, %v, want %q", got, err, f.says)
	}
	_ = out.Close()
	if err := <-done; err != nil {
		t.Errorf("the client: %v", err)
	}
	if out.turn != f.turn {
		t.Errorf("came out for TURN = %v, want %v", out.turn, f.turn)
	}
	if _, concrete := out.Conn.(*tls.Conn); concrete != (len(f.protos) > 0 && !f.turn) {
		t.Errorf("came out as %T, want a *tls.Conn for HTTP by ALPN only", out.Conn)
	}
}

// TestACertificateAuthorityIsAnswered holds the TLS-ALPN-01 challenge: a
// handshake, and nothing after it; and that it is refused where nobody has asked
// for it.
func TestACertificateAuthorityIsAnswered(t *testing.T) {
	t.Parallel()
	for name, protos := range map[string][]string{"wanted": {"acme-tls/1"}, "not wanted": nil} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, dial := onLoopback(t)
			h := build(t, l, Config{TLS: serverTLS(t, protos...)})
			for _, chopped := range []func(net.Conn) net.Conn{
				func(c net.Conn) net.Conn { return c },
				func(c net.Conn) net.Conn { return drip{Conn: c} },
			} {
				client := clientTLS(chopped(dial()), "acme-tls/1")
				err := client.HandshakeContext(t.Context())
				if protos == nil {
					if err == nil || !strings.Contains(err.Error(), "no application protocol") {
						t.Errorf("handshake = %v, want no application protocol", err)
					}
				} else if said := client.ConnectionState().NegotiatedProtocol; err != nil || said != "acme-tls/1" {
					t.Errorf("handshake = %q, %v, want acme-tls/1", said, err)
				}
				if _, err := client.Read(make([]byte, 1)); err == nil {
					t.Error("something came after the handshake")
				}
				_, _ = io.Copy(io.Discard, client.NetConn()) // until the door has closed it, which is counted by then
				_ = client.Close()
			}
			h.stop()
			h.settled(t)
			if s := h.Stats(); s.HTTP+s.TURN != 0 || (s.Challenges == 2) != (protos != nil) || (s.Refused[Handshake] == 2) != (protos == nil) {
				t.Errorf("counted %+v", s)
			}
		})
	}
}

// TestPlainHTTPOnThePortOfTLSIsTold holds that a person is told what is wrong.
func TestPlainHTTPOnThePortOfTLSIsTold(t *testing.T) {
	t.Parallel()
	l, dial := onLoopback(t)
	h := build(t, l, Config{TLS: serverTLS(t)})
	for says, want := range map[string]string{"GET / HTTP/1.1\r\n\r\n": "HTTP/1.0 400 Bad Request\r\n", binding: ""} {
		client := dial()
		if _, err := io.WriteString(client, says[:5]); err != nil { // no more, so that nothing unread resets the connection
			t.Fatal(err)
		}
		if answer, err := io.ReadAll(client); err != nil || !strings.HasPrefix(string(answer), want) || want == "" && len(answer) > 0 {
			t.Errorf("%q is answered %q, %v, want %q", says, answer, err, want)
		}
		_ = client.Close()
	}
	h.stop()
	if n := h.Stats().Refused[Handshake]; n != 2 {
		t.Errorf("%d are counted, want 2", n)
	}
}

// TestTLSIsPrepared holds what becomes of the configuration that a Door is given.
func TestTLSIsPrepared(t *testing.T) {
	t.Parallel()
	inner := &tls.Config{MinVersion: tls.VersionTLS10, NextProtos: []string{"acme-tls/1", "gopher"}}
	given := &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return inner, nil }, MinVersion: tls.VersionTLS13}
	prepared := prepare(given)
	chosen, err := prepared.GetConfigForClient(nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(prepared.NextProtos, " "); got != "h2 http/1.1 stun.turn stun.nat-discovery" || prepared.MinVersion != tls.VersionTLS13 {
		t.Errorf("%q from %x, want HTTP and TURN from TLS 1.3", got, prepared.MinVersion)
	}
	if got := strings.Join(chosen.NextProtos, " "); got != "h2 http/1.1 stun.turn stun.nat-discovery acme-tls/1" || chosen.MinVersion != tls.VersionTLS12 {
		t.Errorf("%q from %x was chosen, want ACME too, from TLS 1.2", got, chosen.MinVersion)
	}
	if given.NextProtos != nil || inner.MinVersion != tls.VersionTLS10 {
		t.Error("the caller's own was changed")
	}
	given.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { return nil, io.EOF }
	if chosen, err := prepare(given).GetConfigForClient(nil); chosen != nil || !errors.Is(err, io.EOF) {
		t.Errorf("%v, %v was chosen, want the error", chosen, err)
	}
}
