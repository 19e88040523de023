package gate

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/pires/go-proxyproto"
)

// Opening is what a connection begins with below TURN. It returns the connection
// that TURN is spoken on, whose Close must not wait, or an error; the context
// bounds it. After an error somebody else closes conn.
type Opening func(ctx context.Context, conn net.Conn) (net.Conn, error)

// proxyHeader is the Opening of a connection that a trusted proxy made: it may
// begin with a header of the PROXY protocol, version 1 or 2, which says for
// whom. Without one it is the proxy's own, which a health check is; nothing else
// begins as a header does, neither a frame of TURN nor a ClientHello.
func proxyHeader(ctx context.Context, conn net.Conn) (net.Conn, error) {
	due, _ := ctx.Deadline()
	c := proxyproto.NewConn(conn,
		proxyproto.WithPolicy(proxyproto.USE),
		proxyproto.SetReadHeaderTimeout(max(time.Until(due), time.Nanosecond))) // 0 would be for ever
	if client := c.RemoteAddr(); !AddrPort(client).IsValid() { // it reads the header
		return nil, fmt.Errorf("%w: a client at %v", ErrFrame, client)
	}
	return c, nil
}

// TLS is the Opening of a TLS server with config, at least TLS 1.2 (RFC 9325
// §3.1.1).
func TLS(config *tls.Config) Opening {
	config = atLeastTLS12(config)
	return func(ctx context.Context, conn net.Conn) (net.Conn, error) {
		c := tls.Server(conn, config)
		if err := c.HandshakeContext(ctx); err != nil {
			return nil, fmt.Errorf("tls handshake: %w", err)
		}
		return abrupt{c}, nil
	}
}

func atLeastTLS12(config *tls.Config) *tls.Config {
	config = config.Clone()
	config.MinVersion = max(config.MinVersion, tls.VersionTLS12)
	if len(config.NextProtos) > 0 { // then a client that says it wants TURN (RFC 7443) must find it there
		config.NextProtos = append(slices.Clone(config.NextProtos), "stun.turn", "stun.nat-discovery")
	}
	if choose := config.GetConfigForClient; choose != nil {
		config.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			chosen, err := choose(hello)
			if chosen == nil || err != nil {
				return nil, err
			}
			return atLeastTLS12(chosen), nil
		}
	}
	return config
}

// abrupt is a TLS connection that is closed without a close_notify, for which
// tls.Conn would wait up to 5 s on a client that does not read. Frames of TURN
// say how long they are, so nobody takes a cut one for a whole one.
type abrupt struct{ *tls.Conn }

// Close closes the connection below.
func (a abrupt) Close() error { return a.NetConn().Close() }

// swift is conn with a Close that does not wait. A wrapper around a tls.Conn is
// left alone: what it does in its Close is its own business.
func swift(conn net.Conn) net.Conn {
	if c, ok := conn.(*tls.Conn); ok {
		return abrupt{c}
	}
	return conn
}
