package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/wasmp2pchat/wasmp2pchat/internal/freeport"
	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// freePort is a port that nobody has now.
func freePort(t *testing.T) int {
	t.Helper()
	port, err := freeport.Find(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// visitor is somebody who comes by TLS to a server that calls itself localhost.
type visitor struct {
	t     *testing.T
	port  int
	roots *x509.CertPool
}

// serial is that of the certificate that a handshake shows now.
func (v visitor) serial() string {
	v.t.Helper()
	text, err := v.handshake()
	if err != nil {
		v.t.Fatal(err)
	}
	return text
}

func (v visitor) handshake() (serial string, err error) {
	conn, err := v.dial(v.t.Context())
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close() }()
	return serialOf(conn), nil
}

func (v visitor) dial(ctx context.Context) (*tls.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	d := &tls.Dialer{Config: &tls.Config{ServerName: "localhost", RootCAs: v.roots}}
	conn, err := d.DialContext(ctx, "tcp", "127.0.0.1:"+strconv.Itoa(v.port))
	if err != nil {
		return nil, err
	}
	return conn.(*tls.Conn), nil
}

func serialOf(conn *tls.Conn) string {
	return conn.ConnectionState().PeerCertificates[0].SerialNumber.String()
}

// client speaks HTTP/2, or HTTP/1.1 alone, and makes a connection for each
// request.
func (v visitor) client(http2 bool) *http.Client {
	var protocols http.Protocols
	protocols.SetHTTP1(!http2)
	protocols.SetHTTP2(http2)
	return &http.Client{Timeout: patience, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: v.roots}, Protocols: &protocols, DisableKeepAlives: true,
	}}
}

// page asks for a path, and returns with which protocol and certificate it came.
func (v visitor) page(client *http.Client, path string) (protocol, serial string, err error) {
	req, err := http.NewRequestWithContext(v.t.Context(), http.MethodGet, "https://localhost:"+strconv.Itoa(v.port)+path, nil)
	if err != nil {
		return "", "", err
	}
	resp, err := client.Do(req)
	if err != nil {
		return "", "", err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	err = errors.Join(err, resp.Body.Close())
	if resp.StatusCode != http.StatusOK {
		err = errors.Join(err, errors.New(resp.Status))
	}
	return resp.Proto, resp.TLS.PeerCertificates[0].SerialNumber.String(), err
}

// seat is a place in a room of /signaling, which its holder keeps.
type seat struct {
	conn       *websocket.Conn
	iceServers []wire.ICEServer
	ended      chan struct{} // closed when the WebSocket is
}

// register takes a seat in a room of a server with open rooms.
func (v visitor) register(room string) *seat {
	v.t.Helper()
	ctx, cancel := context.WithTimeout(v.t.Context(), patience)
	defer cancel()
	conn, response, err := websocket.Dial(ctx, "wss://localhost:"+strconv.Itoa(v.port)+"/signaling", &websocket.DialOptions{HTTPClient: v.client(false)})
	if response != nil && response.Body != nil {
		_ = response.Body.Close()
	}
	if err != nil {
		v.t.Fatal(err)
	}
	s := &seat{conn: conn, ended: make(chan struct{})}
	text, err := json.Marshal(wire.Register{Type: wire.SignalRegister, RoomID: room})
	if err == nil {
		err = conn.Write(ctx, websocket.MessageText, text)
	}
	var accept wire.Accept
	if err == nil {
		text, err = s.next(ctx)
	}
	if err == nil {
		err = json.Unmarshal(text, &accept)
	}
	if err != nil || accept.Type != wire.SignalAccept {
		v.t.Fatalf("the answer to register is %s, %v; want accept", text, err)
	}
	s.iceServers = accept.ICEServers
	go func() {
		defer close(s.ended)
		for err == nil {
			_, err = s.next(context.WithoutCancel(ctx)) // the end of a context would cut it
		}
	}()
	v.t.Cleanup(func() {
		_ = conn.CloseNow()
		<-s.ended
	})
	return s
}

// next is the next message, after pings that are answered.
func (s *seat) next(ctx context.Context) ([]byte, error) {
	for {
		_, text, err := s.conn.Read(ctx)
		if err != nil || !strings.Contains(string(text), `"type":"`+wire.SignalPing+`"`) {
			return text, err
		}
		if err := s.conn.Write(ctx, websocket.MessageText, []byte(`{"type":"`+wire.SignalPong+`"}`)); err != nil {
			return nil, err
		}
	}
}

// registerWith waits until a server offers a URL, and takes a seat that is told
// of it.
func (v visitor) registerWith(s *server, url string) (told *seat) {
	v.t.Helper()
	s.log.await(v.t, 1, `"msg":"turn offers"`, url)
	until(v.t, "clients are told of "+url, func() bool {
		told = v.register(rand.Text())
		return slices.Contains(told.urls(), url)
	})
	return told
}

// kept fails the test if the server does not answer on the WebSocket.
func (s *seat) kept(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := s.conn.Ping(ctx); err != nil {
		t.Errorf("a WebSocket was cut: %v", err)
	}
}

// urls are where clients are sent for STUN and TURN.
func (s *seat) urls() (list []string) {
	for _, server := range s.iceServers {
		list = append(list, server.URLs...)
	}
	return list
}

// openProcess is openTerminal in a process of its own, which trusts the
// certificates of a PEM text: how a peer trusts cannot be set within a process.
func openProcess(t *testing.T, roots []byte, args ...string) *terminal {
	t.Helper()
	file := filepath.Join(t.TempDir(), "roots.pem")
	if err := os.WriteFile(file, roots, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "wasmp2pchat", append([]string{"chat"}, args...)...)
	cmd.Env = append(cmd.Environ(), "SSL_CERT_FILE="+file, hasty)
	cmd.Stderr = t.Output()
	keys, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	screen, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	term := &terminal{t: t, keys: keys, lines: make(chan string, 256), done: make(chan error, 1)}
	var read sync.WaitGroup
	read.Go(func() { term.watch(bufio.NewReader(screen)) })
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		read.Wait() // or Wait would take what is not read yet
		term.done <- cmd.Wait()
	}()
	t.Cleanup(func() { <-ended }) // the end of the context has killed it
	return term
}

// conversation is two terminals that talk; it counts the lines.
type conversation struct {
	a, b  *terminal
	lines int
}

// newConversation waits until two terminals are connected as path says.
func newConversation(a, b *terminal, path string) *conversation {
	a.t.Helper()
	a.expect("* connected: " + path)
	b.expect("* connected: " + path)
	return &conversation{a: a, b: b}
}

// goOn sends a line each way every 100 ms, so many times, and fails the test
// unless each one comes, once and in its order.
func (c *conversation) goOn(times int) {
	c.a.t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for range times {
		<-tick.C
		c.lines++
		text := fmt.Sprintf("line %d", c.lines)
		c.a.say(text)
		c.b.say(text)
		for name, term := range map[string]*terminal{"a": c.a, "b": c.b} {
			if got := term.expect("stranger: "); got != "stranger: "+text {
				c.a.t.Fatalf("%s sees %q, want %q", name, got, text)
			}
		}
	}
}

// end lets one of the two leave.
func (c *conversation) end() {
	c.a.t.Helper()
	_ = c.a.keys.Close()
	c.b.expect("* the stranger has left")
	for _, term := range []*terminal{c.a, c.b} {
		if err := <-term.done; err != nil && !strings.Contains(err.Error(), "killed") {
			c.a.t.Errorf("chat ended with %v", err)
		}
	}
}
