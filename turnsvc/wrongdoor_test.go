package turnsvc

import (
	"crypto/tls"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/pion/stun/v3"
)

// TestWrongDoor sends to each port what another one is for.
func TestWrongDoor(t *testing.T) {
	t.Parallel()
	hello := []byte("\x16\x03\x01\x00\xf8\x01\x00\x00\xf4\x03\x03\x00\x00\x00\x00\x00\x00\x00\x00\x00")
	binding := stun.MustBuild(stun.TransactionID, stun.BindingRequest).Raw
	request := []byte("GET / HTTP/1.1\r\nHost: turn.example\r\n\r\n")
	s := serve(t, everywhere(t))
	before := s.Stats().RefusedFrames
	tries := 0
	for _, c := range []struct {
		name string
		port net.Addr
		send []byte
	}{
		{"TLS on the plain port", s.tcp.Addr(), hello},
		{"HTTP on the plain port", s.tcp.Addr(), request},
		{"TURN on the TLS port", s.tls.Addr(), binding},
		{"HTTP on the TLS port", s.tls.Addr(), request},
		{"a PROXY header from a stranger on the plain port", s.tcp.Addr(), []byte("PROXY TCP4 192.0.2.1 192.0.2.2 5000 3478\r\n")},
		{"a PROXY header from a stranger on the TLS port", s.tls.Addr(), []byte("PROXY TCP4 192.0.2.1 192.0.2.2 5000 5349\r\n")},
	} {
		tries++
		var d net.Dialer
		conn, err := d.DialContext(t.Context(), "tcp", hostPort("127.0.0.1", c.port))
		if err != nil {
			t.Fatal(err)
		}
		if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Write(c.send); err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, conn); isTimeout(err) {
			t.Errorf("%s: the connection stays open", c.name)
		}
		_ = conn.Close()
	}
	if got := s.Stats().RefusedFrames - before; got != uint64(tries) {
		t.Errorf("RefusedFrames grew by %d, want %d", got, tries)
	}
	s.dialVia(t, "dtls", "127.0.0.1", "after junk").mustAllocate()
}

// TestDTLSPortDropsJunk holds that nothing but a ClientHello opens anything
// there, and that it goes on.
func TestDTLSPortDropsJunk(t *testing.T) {
	t.Parallel()
	s := serve(t, everywhere(t))
	var d net.Dialer
	conn, err := d.DialContext(t.Context(), "udp", hostPort("127.0.0.1", s.dtls.Addr()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	junk := [][]byte{
		stun.MustBuild(stun.TransactionID, stun.BindingRequest).Raw,
		[]byte("GET / HTTP/1.1\r\n\r\n"),
		{22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff},
		make([]byte, 3000),
		{},
	}
	for _, p := range junk {
		if _, err := conn.Write(p); err != nil {
			t.Fatal(err)
		}
	}
	s.dialVia(t, "dtls", "127.0.0.1", "ann").mustAllocate() // its datagrams come after those
	if got := s.Stats().RefusedFrames; got != uint64(len(junk)) {
		t.Errorf("RefusedFrames = %d, want %d", got, len(junk))
	}
}

// TestTLSVersion holds that TLS 1.1 is refused whatever the configuration says.
func TestTLSVersion(t *testing.T) {
	t.Parallel()
	change := everywhere(t)
	s := serve(t, func(c *Config) {
		change(c)
		c.TLS.MinVersion = tls.VersionTLS10
	})
	config := s.trusting(t)
	config.MinVersion, config.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	conn, err := (&tls.Dialer{Config: config}).DialContext(t.Context(), "tcp", hostPort("127.0.0.1", s.tls.Addr()))
	if err == nil {
		t.Error("a handshake with TLS 1.1 succeeded")
		_ = conn.Close()
	}
}

func TestListenNamesTheFaultsOfTransports(t *testing.T) {
	t.Parallel()
	_, err := Listen(t.Context(), Config{Secrets: []string{"new"}, PublicIPs: addrs("192.0.2.1"), TLSAddr: "127.0.0.1:0", MaxConns: -1})
	if err == nil || !strings.Contains(err.Error(), "TLS") || !strings.Contains(err.Error(), "connections") {
		t.Errorf("Listen = %v, want a word about TLS and connections", err)
	}
}
