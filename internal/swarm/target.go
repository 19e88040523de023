package swarm

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"
)

// The key of our handshakes and the answer that it asks for: the example of
// RFC 6455 §1.3. It proves that a WebSocket server has answered, no more, so
// it may be the same for all.
const (
	handshakeKey    = "dGhlIHNhbXBsZSBub25jZQ=="
	handshakeAccept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
)

// dialTimeout is how long a connection may take, with TLS and the upgrade.
const dialTimeout = 10 * time.Second

// target is the server that is measured.
type target struct {
	addr   string      // host:port; after reach, the address that answered
	secure *tls.Config // nil: plain

	matchmaking, signaling []byte // the requests to upgrade
}

// errURL is for programmers and people who type.
var errURL = errors.New("want the URL of a server, such as http://localhost:8080 or wss://chat.example.org")

func parseTarget(raw string, insecure bool) (*target, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, errURL
	}
	t, port := new(target), "80"
	switch u.Scheme {
	case "http", "ws":
	case "https", "wss":
		port = "443"
		t.secure = &tls.Config{ServerName: u.Hostname(), MinVersion: tls.VersionTLS12}
		t.secure.InsecureSkipVerify = insecure
	default:
		return nil, errURL
	}
	if u.Port() != "" {
		port = u.Port()
	}
	t.addr = net.JoinHostPort(u.Hostname(), port)
	base := strings.TrimRight(u.EscapedPath(), "/")
	t.matchmaking, t.signaling = upgrade(base+"/matchmaking", u.Host), upgrade(base+"/signaling", u.Host)
	return t, nil
}

// upgrade is the request of RFC 6455 §4.1. There is no Origin: we are no
// browser.
func upgrade(path, host string) []byte {
	return fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n\r\n", path, host, handshakeKey)
}

// reach finds the address of the server that answers, once for all.
func (t *target) reach(ctx context.Context) error {
	nc, err := (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, "tcp", t.addr)
	if err != nil {
		return err
	}
	t.addr = nc.RemoteAddr().String()
	return nc.Close()
}
