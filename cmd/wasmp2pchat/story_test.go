package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// server is a whole server in this process.
type server struct {
	url, admin string
	stop       func() error // ends it and returns what run did
	log        *journal
	hangup     chan<- os.Signal
	renew      chan<- struct{}
}

// serverEnviron is that of a server on free ports of the loopback interface,
// with more settings if there are any.
func serverEnviron(t *testing.T, settings ...string) []string {
	t.Helper()
	environ := []string{
		prefix + "ADDR=127.0.0.1:0", prefix + "ADMIN_ADDR=127.0.0.1:0", prefix + "STATE_DIR=" + t.TempDir(),
		prefix + "TURN_UDP_ADDR=127.0.0.1:0", prefix + "TURN_TCP_ADDR=127.0.0.1:0", prefix + "TURN_TLS_ADDR=off", prefix + "PUBLIC_IPS=127.0.0.1",
		prefix + "TURN_PEERS=any", prefix + "LOG_FORMAT=json", prefix + "LOG_LEVEL=debug",
	}
	for _, setting := range settings {
		environ = append(environ, prefix+setting)
	}
	return environ
}

// startServer runs the server with the settings of serverEnviron, until it is
// ready.
func startServer(t *testing.T, settings ...string) *server {
	t.Helper()
	environ := serverEnviron(t, settings...)
	log, hangup, renew := newJournal(), make(chan os.Signal), make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- run(ctx, world{environ: environ, hangup: hangup, renew: renew, stdin: strings.NewReader(""), stdout: io.Discard, stderr: log})
	}()
	stop := sync.OnceValue(func() error { cancel(); return <-done })
	t.Cleanup(func() {
		_ = stop() // whoever wants to know has asked
		for _, text := range []string{"candidate:", "bonjour"} {
			if line := log.line(text); line != "" {
				t.Errorf("the log holds SDP or chat text: %s", line)
			}
		}
	})
	for {
		more := log.more()
		if text := log.line(`"msg":"serving"`); text != "" {
			var line struct{ URL, Admin string }
			if err := json.Unmarshal([]byte(text), &line); err != nil {
				t.Fatal(err)
			}
			s := &server{url: line.URL, admin: line.Admin, stop: stop, log: log, hangup: hangup, renew: renew}
			s.ready(t)
			return s
		}
		select {
		case <-more:
		case err := <-done:
			done <- err // for stop
			t.Fatalf("the server did not start: %v", err)
		}
	}
}

// ready waits until the server is, and returns what /readyz says.
func (s *server) ready(t *testing.T) (body string) {
	t.Helper()
	until(t, "the server is ready", func() bool {
		var status int
		status, body = get(t, s.admin+"/readyz")
		return status == http.StatusOK
	})
	return body
}

// terminal is a `wasmp2pchat chat` that a test types into.
type terminal struct {
	t     *testing.T
	keys  io.WriteCloser
	lines chan string
	done  chan error
}

func openTerminal(t *testing.T, args ...string) *terminal {
	t.Helper()
	stdin, keys := io.Pipe()
	screen, stdout := io.Pipe()
	term := &terminal{t: t, keys: keys, lines: make(chan string, 256), done: make(chan error, 1)}
	go func() {
		term.done <- run(t.Context(), world{args: append([]string{"chat"}, args...), stdin: stdin, stdout: stdout, stderr: io.Discard})
		_ = stdout.Close()
	}()
	go term.watch(screen)
	return term
}

// watch reads what is printed.
func (term *terminal) watch(screen io.Reader) {
	defer close(term.lines)
	for lines := bufio.NewScanner(screen); lines.Scan(); {
		term.lines <- lines.Text()
	}
}

// expect reads lines until one begins as wanted.
func (term *terminal) expect(start string) string {
	term.t.Helper()
	var seen []string
	late := time.After(patience)
	for {
		select {
		case line, more := <-term.lines:
			if more && strings.HasPrefix(line, start) {
				return line
			}
			if more {
				seen = append(seen, line)
				continue
			}
		case <-late:
		}
		term.t.Fatalf("no line begins with %q in %q", start, seen)
	}
}

func (term *terminal) say(text string) {
	term.t.Helper()
	if _, err := io.WriteString(term.keys, text+"\n"); err != nil {
		term.t.Fatal(err)
	}
}

// TestTwoTerminalsChat is the whole story without a browser: find, join,
// connect, talk, leave.
func TestTwoTerminalsChat(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		args []string
		path string
	}{
		"directly":          {nil, "* connected: direct"},
		"through the relay": {[]string{"--relay"}, "* connected: relay-"},
		"with a shared tag": {[]string{"--tag", "go"}, "* connected: direct"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startServer(t)
			a := openTerminal(t, append(slices.Clone(c.args), s.url)...)
			a.expect("* looking for somebody (1 waiting, 1 online)")
			b := openTerminal(t, append(slices.Clone(c.args), s.url)...)
			a.expect(c.path)
			b.expect(c.path)
			a.say("bonjour \x1b[31m")
			if got := b.expect("stranger: "); got != "stranger: bonjour  [31m" {
				t.Errorf("b sees %q", got)
			}
			for _, text := range []string{"one", "two", "three"} {
				b.say(text)
			}
			for _, want := range []string{"one", "two", "three"} {
				if got := a.expect("stranger: "); got != "stranger: "+want {
					t.Errorf("a sees %q, want %q", got, want)
				}
			}
			many := make([]string, 100) // more than may be on their way at once
			for i := range many {
				many[i] = fmt.Sprintf("line %d", i)
				a.say(many[i])
			}
			for _, want := range many {
				if got := b.expect("stranger: "); got != "stranger: "+want {
					t.Fatalf("b sees %q, want %q", got, want)
				}
			}
			_ = a.keys.Close()
			b.expect("* the stranger has left")
			for _, term := range []*terminal{a, b} {
				if err := <-term.done; err != nil {
					t.Errorf("chat ended with %v", err)
				}
			}
			if err := s.stop(); err != nil {
				t.Errorf("the server ended with %v", err)
			}
		})
	}
}

// TestAChatSurvivesTheServer stops the server in the middle of a direct chat.
func TestAChatSurvivesTheServer(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	a, b := openTerminal(t, s.url), openTerminal(t, s.url)
	a.expect("* connected: direct")
	b.expect("* connected: direct")
	stopped := make(chan error, 1)
	go func() { stopped <- s.stop() }() // the relay goes on as long as the two hold allocations
	for tick := time.NewTicker(10 * time.Millisecond); listens(t, s.url); <-tick.C {
		t.Log("the server still listens")
	}
	a.say("still there?")
	b.expect("stranger: still there?")
	b.say("yes")
	a.expect("stranger: yes")
	_ = a.keys.Close()
	b.expect("* the stranger has left")
	if err := <-stopped; err != nil {
		t.Errorf("the server ended with %v", err)
	}
}

// TestAChatRelayedOverTLSSurvivesTheServer stops the server whose relay two
// people talk through, and starts another one on its port meanwhile.
func TestAChatRelayedOverTLSSurvivesTheServer(t *testing.T) {
	t.Parallel()
	port, certificate, dir := freePort(t), newPair(t, 1), t.TempDir()
	certificate.write(t, dir)
	settings := fileSettings(dir, port, "TURN_UDP_ADDR=off", "TURN_TCP_ADDR=off")
	s := startServer(t, settings...)
	url := "https://localhost:" + strconv.Itoa(port)
	chat := newConversation(openProcess(t, certificate.cert, "--relay", url), openProcess(t, certificate.cert, "--relay", url), "relay-tls")
	chat.goOn(1)

	stopped := make(chan error, 1)
	go func() { stopped <- s.stop() }() // the relay goes on as long as the two hold allocations
	for tick := time.NewTicker(10 * time.Millisecond); listens(t, s.url); <-tick.C {
		t.Log("the server still listens")
	}
	next := startServer(t, settings...)
	v := visitor{t, port, trust(certificate)}
	if _, _, err := v.page(v.client(true), "/version"); err != nil {
		t.Errorf("the next server by https: %v", err)
	}
	if err := dialTURN(t, "tls", port, v.roots).conn.Close(); err != nil {
		t.Errorf("the next server over TLS: %v", err)
	}
	v.registerWith(next, turnsURL(port))
	chat.goOn(5)
	select {
	case err := <-stopped:
		t.Errorf("the server ended with %v while its relay was in use", err)
	default:
	}
	chat.end()
	if err := <-stopped; err != nil {
		t.Errorf("the server ended with %v", err)
	}
	s.log.calm(t, onLoopback, unknownCA)
	if err := next.stop(); err != nil {
		t.Errorf("the next server ended with %v", err)
	}
}

func listens(t *testing.T, url string) bool {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", url[strings.Index(url, "//")+2:])
	if err == nil {
		_ = conn.Close()
	}
	return err == nil
}

func TestAdminAnswers(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	for _, c := range []struct{ path, want string }{
		{"/healthz", "alive"},
		{"/readyz", "ready"},
		{"/api/bans", "[]"},
		{"/metrics", "wasmp2pchat_match_waiting 0"},
		{"/metrics", `wasmp2pchat_match_refused_total{reason="too-fast"} 0`},
		{"/metrics", "wasmp2pchat_match_wait_seconds_count 0"},
	} {
		if status, body := get(t, s.admin+c.path); status != http.StatusOK || !strings.Contains(body, c.want) {
			t.Errorf("GET %s = %d %q, want 200 with %q", c.path, status, body[:min(len(body), 80)], c.want)
		}
	}
	for _, path := range []string{"/metrics", "/healthz", "/readyz", "/api/bans", "/debug/pprof/"} {
		if status, _ := get(t, s.url+path); status != http.StatusNotFound {
			t.Errorf("GET %s on the public port = %d, want 404", path, status)
		}
	}
	if status, body := get(t, s.url+"/.ok"); status != http.StatusOK || body != "" {
		t.Errorf("GET /.ok = %d %q, want 200, empty", status, body)
	}
	if status, body := get(t, s.url+"/version"); status != http.StatusOK || !strings.Contains(body, `"client"`) {
		t.Errorf("GET /version = %d %q", status, body)
	}
	if err := s.stop(); err != nil {
		t.Errorf("the server ended with %v", err)
	}
}

func TestAPortThatIsTaken(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	err := run(t.Context(), world{
		environ: []string{
			prefix + "ADDR=" + strings.TrimPrefix(s.url, "http://"), prefix + "ADMIN_ADDR=off", prefix + "STATE_DIR=" + t.TempDir(),
			prefix + "TURN_UDP_ADDR=127.0.0.1:0", prefix + "TURN_TCP_ADDR=off", prefix + "PUBLIC_IPS=127.0.0.1",
		},
		stdout: io.Discard, stderr: io.Discard,
	})
	var hint string
	if h, ok := errors.AsType[*hinted](err); ok {
		hint = h.hint
	}
	if err == nil || !strings.Contains(err.Error(), "address already in use") || !strings.Contains(hint, "WASMP2PCHAT_ADDR") {
		t.Errorf("run = %v, hint %q; want that the address is in use, and which setting", err, hint)
	}
	if err := s.stop(); err != nil {
		t.Errorf("the server ended with %v", err)
	}
}

func get(t *testing.T, url string) (status int, body string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}
