package conformance

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"testing"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/turnsvc"
)

// tlsRows are about the port for TLS, which the simplest example of stock pion
// has not.
func tlsRows() []row {
	rows := []row{
		{name: "an Allocate over TLS", probe: func(c *client) string {
			return c.overTLS().allocate().String()
		}, want: "success"},
		{name: "data there and back in a channel over TLS", probe: func(c *client) string {
			return channelTalk(c.overTLS())
		}, want: "ping arrives, channel 4000 says pongpong!"},
		{name: "a length that overflows inside TLS", probe: func(c *client) string {
			c = c.overTLS()
			c.send(append(unhex("0001ffec2112a442"), make([]byte, 12)...))
			return c.ends(c.wait(time.Second, "open"))
		}, want: "closed"},
		{name: "a plain request on the port for TLS", probe: atTLSPort(segment(message(binding))), want: "closed"},
		{name: "HTTP on the port for TLS", probe: atTLSPort(segment([]byte("GET / HTTP/1.1\r\n\r\n"))), want: "closed"},
		{name: "a silent connection to the port for TLS", probe: atTLSPort(waitFor), want: "closed", slow: true},
		{name: "half a ClientHello", probe: atTLSPort(func(c *client) string {
			c.send(unhex("16030100f8010000f40303000000000000000000"))
			return waitFor(c)
		}), want: "closed", slow: true},
		{name: "silence after the handshake", probe: func(c *client) string { return waitFor(c.overTLS()) }, want: "closed", slow: true},
		{name: "half a frame in TLS", probe: func(c *client) string {
			c = c.overTLS()
			c.send(message(binding)[:10])
			return waitFor(c)
		}, want: "closed", slow: true},
		{name: "a frame dripped byte by byte in TLS", probe: func(c *client) string { return drip(c.overTLS()) }, want: "closed", slow: true},
	}
	for i := range rows {
		rows[i].stock = "(has no TLS)"
	}
	return rows
}

// withTLS gives the server a certificate, so that it listens for TLS too.
func withTLS(t *testing.T) func(*turnsvc.Config) {
	return func(cfg *turnsvc.Config) {
		cfg.Domain = "turn.example.org"
		cfg.TLS = &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{certificate(t, cfg.Domain)}}
	}
}

// certificate is one that signs itself.
func certificate(t *testing.T, domain string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{domain}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, &c, &c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// toTLS is the same user on a new TCP connection to the port for TLS, where
// nothing has been said yet.
func (c *client) toTLS() *client {
	s := *c.site
	s.tcp = s.tls
	return s.dial("tcp", "127.0.0.1", "ann")
}

// overTLS is the same user on a new connection over TLS.
func (c *client) overTLS() *client {
	c.t.Helper()
	next := c.toTLS()
	conn := tls.Client(next.conn, &tls.Config{InsecureSkipVerify: true}) // no question of certificates
	if err := conn.HandshakeContext(c.t.Context()); err != nil {
		c.t.Fatal(err)
	}
	next.conn = conn
	next.stream.Reset(conn)
	return next
}

func atTLSPort(probe func(*client) string) func(*client) string {
	return func(c *client) string { return probe(c.toTLS()) }
}
