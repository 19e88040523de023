//go:build proxies

package e2e

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"
	"github.com/pion/stun/v3"

	"github.com/wasmp2pchat/wasmp2pchat/internal/natlab"
	"github.com/wasmp2pchat/wasmp2pchat/turnsvc"
	"github.com/wasmp2pchat/wasmp2pchat/turnsvc/gate"
	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// visitor is somebody on one side of the street, without a browser.
type visitor struct {
	*street
	host *natlab.Host
	ip   string // of the host with the proxy, as the visitor knows it
}

func (s *street) visitor(side natlab.Side) *visitor {
	return &visitor{s, s.lab.Client(side), proxyIP}
}

// trust is what a browser does with the certificates of the street.
func (v *visitor) trust(name string, protocols ...string) *tls.Config {
	return &tls.Config{RootCAs: v.certs.pool, ServerName: name, NextProtos: protocols, MinVersion: tls.VersionTLS12}
}

// dial connects to a port of the host with the proxy.
func (v *visitor) dial(ctx context.Context, port string) net.Conn {
	v.t.Helper()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	conn, err := v.host.Dial(ctx, "tcp", net.JoinHostPort(v.ip, port))
	if err != nil {
		v.t.Fatal(err)
	}
	v.t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// secure makes the TLS handshake on a connection.
func (v *visitor) secure(ctx context.Context, conn net.Conn, config *tls.Config) (*tls.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	secure := tls.Client(conn, config)
	return secure, secure.HandshakeContext(ctx)
}

// http asks as a browser does, with HTTP/2 if it is offered; redirects are not
// followed. Whatever the name, it leads to the host with the proxy.
func (v *visitor) http(protocols ...string) *http.Client {
	transport := &http.Transport{
		DialContext: func(ctx context.Context, _, address string) (net.Conn, error) {
			_, port, err := net.SplitHostPort(address)
			if err != nil {
				return nil, err
			}
			return v.host.Dial(ctx, "tcp", net.JoinHostPort(v.ip, port))
		},
		TLSClientConfig: v.trust("", protocols...), ForceAttemptHTTP2: len(protocols) == 0,
	}
	v.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{
		Transport: transport, Timeout: patience,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// an answer is a response that was read.
type answer struct {
	*http.Response
	text string
}

func (v *visitor) get(url string, headers ...string) (answer, error) {
	v.t.Helper()
	req, err := http.NewRequestWithContext(v.t.Context(), http.MethodGet, url, nil)
	if err != nil {
		v.t.Fatal(err)
	}
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		req.Header.Add(name, value)
	}
	res, err := v.http().Do(req)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	return answer{res, string(text)}, err
}

// fetch is get where no error can be.
func (v *visitor) fetch(url string) answer {
	v.t.Helper()
	got, err := v.get(url)
	if err != nil {
		v.t.Fatal(err)
	}
	return got
}

// waits opens a WebSocket to the lobby of a site and stands in the queue, with a
// tag that nobody shares. The status is that of the answer: 101 if the WebSocket
// was opened.
func (v *visitor) waits(site string, headers ...string) (status int) {
	v.t.Helper()
	ctx, cancel := context.WithTimeout(v.t.Context(), patience)
	defer cancel()
	header := http.Header{}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		header.Add(name, value)
	}
	client := v.http("http/1.1")
	client.Timeout = 0 // the library asks for that
	conn, res, err := websocket.Dial(ctx, site+"/matchmaking", &websocket.DialOptions{HTTPClient: client, HTTPHeader: header})
	if res != nil && res.Body != nil { // there is none after an upgrade
		_ = res.Body.Close()
	}
	switch {
	case res == nil:
		v.t.Fatal(err)
	case err != nil:
		return res.StatusCode
	}
	v.t.Cleanup(func() { _ = conn.CloseNow() })
	request := wire.MatchRequest{UserID: rand.Text(), CreatedAt: time.Now(), Tags: []string{rand.Text()}, Ext: []string{wire.ExtWaiting}}
	if err := wsjson.Write(ctx, conn, request); err != nil {
		v.t.Fatal(err)
	}
	var message wire.MatchMessage
	if err := wsjson.Read(ctx, conn, &message); err != nil || message.Type != wire.MatchWaiting {
		v.t.Fatalf("the lobby answers %+v, %v, want %s", message, err, wire.MatchWaiting)
	}
	return res.StatusCode
}

// wss is where the WebSockets are behind the proxy.
const wss = "wss://" + chatName

// turnTLS connects to the relay through the port of the page, as a browser does
// that was given turns:chat.example.org:443.
func (v *visitor) turnTLS(name string) *turnClient {
	v.t.Helper()
	username, password, _ := turnsvc.Issuer{Secret: streetSecret}.Credentials(name)
	return dialRelay(v.t, overTLS{v}, chatName, wire.ICEServer{Username: username, Credential: password})
}

// overTLS is a machine from which everything leads to the proxy's port 443.
type overTLS struct{ *visitor }

func (o overTLS) Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	return o.host.Command(ctx, name, args...)
}

// Dial returns a connection that hands over one frame of TURN at a time, as a
// datagram is.
func (o overTLS) Dial(ctx context.Context, _, name string) (net.Conn, error) {
	conn, err := o.secure(ctx, o.dial(ctx, "443"), o.trust(name))
	return &frames{conn, gate.NewReader(conn)}, err
}

// frames reads the frames of a stream.
type frames struct {
	net.Conn
	reader *gate.Reader
}

func (f *frames) Read(p []byte) (int, error) {
	frame, err := f.reader.Next()
	return copy(p, frame), err
}

// allocated is what the relay answers to an Allocate that it grants.
type allocated struct {
	relayed stun.XORMappedAddress // where the peers send to
	seen    stun.XORMappedAddress // where the client comes from
}

// relays allocates, and returns what was granted.
func (c *turnClient) relays() (a allocated) {
	c.t.Helper()
	m := c.roundTrip(stun.MethodAllocate, overUDP(),
		stun.NewUsername(c.credential.Username), c.realm, c.nonce,
		stun.NewLongTermIntegrity(c.credential.Username, c.realm.String(), c.credential.Credential))
	if m.Type.Class != stun.ClassSuccessResponse {
		c.t.Fatalf("answer to Allocate: %v", m)
	}
	if err := a.relayed.GetFromAs(m, stun.AttrXORRelayedAddress); err != nil {
		c.t.Fatal(err)
	}
	if err := a.seen.GetFrom(m); err != nil {
		c.t.Fatal(err)
	}
	return a
}

// hears waits for data that the relay has got from a peer (RFC 8656 §11.4).
func (c *turnClient) hears(want string) {
	c.t.Helper()
	if err := c.conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		c.t.Fatal(err)
	}
	packet := make([]byte, 1500)
	n, err := c.conn.Read(packet)
	if err != nil {
		c.t.Fatal(err)
	}
	m := &stun.Message{Raw: packet[:n]}
	if err := m.Decode(); err != nil {
		c.t.Fatal(err)
	}
	if data, err := m.Get(stun.AttrData); err != nil || string(data) != want {
		c.t.Fatalf("heard %v with %q, %v, want %q", m, data, err, want)
	}
}

// isCut waits until the other end closes a connection that it has read enough of.
func isCut(t *testing.T, conn net.Conn) {
	t.Helper()
	const enough = 2 * patience // the longest time-out of the files is 20 s
	if err := conn.SetReadDeadline(time.Now().Add(enough)); err != nil {
		t.Error(err)
		return
	}
	_, err := io.Copy(io.Discard, conn)
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		t.Errorf("the connection is still open after %v", enough)
	}
}
