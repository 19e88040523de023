package gate

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"

	"github.com/pion/dtls/v3"
	dtlsnet "github.com/pion/dtls/v3/pkg/net"
	"github.com/pion/logging"
)

// DTLS is the Opening of a DTLS 1.2 server (RFC 7350) on a connection of Flows.
// Of config it takes Certificates and GetCertificate, which is asked at every
// handshake; a client that names no server gets the certificate of name.
//
// No client is sent more than it has sent until it has echoed a cookie
// (RFC 6347 §4.2.1), so that nobody can be flooded with our certificate.
func DTLS(config *tls.Config, name string, log logging.LoggerFactory) Opening {
	options := []dtls.ServerOption{dtls.WithLoggerFactory(log)}
	if len(config.Certificates) > 0 {
		options = append(options, dtls.WithCertificates(config.Certificates...))
	}
	return func(ctx context.Context, conn net.Conn) (net.Conn, error) {
		its := options
		if config.GetCertificate != nil {
			its = append(slices.Clone(options), dtls.WithGetCertificate(certificateFor(conn, config, name)))
		}
		c, err := dtls.ServerWithOptions(dtlsnet.PacketConnFromConn(conn), conn.RemoteAddr(), its...)
		if err != nil {
			return nil, fmt.Errorf("dtls server: %w", err)
		}
		if err := c.HandshakeContext(ctx); err != nil {
			return nil, errors.Join(fmt.Errorf("dtls handshake: %w", err), c.Close())
		}
		return wholeMessages{c}, nil
	}
}

// certificateFor asks config for the certificate of a connection. Conn is there
// for what reads it without a look, as certmagic does before it says that it has
// no certificate: a nil one would end the process.
func certificateFor(conn net.Conn, config *tls.Config, name string) func(*dtls.ClientHelloInfo) (*tls.Certificate, error) {
	return func(hello *dtls.ClientHelloInfo) (*tls.Certificate, error) {
		server := hello.ServerName
		if server == "" {
			server = name // pion asks without one, too, before the client has come
		}
		return config.GetCertificate(&tls.ClientHelloInfo{ServerName: server, SupportedVersions: []uint16{tls.VersionTLS12}, Conn: conn})
	}
}

// wholeMessages is a connection whose Read returns what one Write was given.
type wholeMessages struct{ *dtls.Conn }
