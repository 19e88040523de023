package main

import (
	"bufio"
	"context"
	"encoding/json"
	"net/netip"
	"net/url"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/pion/stun/v3"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// TestARoomOutlivesItsServer ends a server in the middle of a chat, by SIGTERM
// or by kill -9, and starts another one with the same state: the two come back
// to each other, with credentials that its relay accepts.
func TestARoomOutlivesItsServer(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		start func(t *testing.T, settings ...string) (url string, end func())
		ended websocket.StatusCode // how its WebSockets end
		room  string               // empty: that of a match
	}{
		"a match, and it stops":                  {startAndStop, websocket.StatusGoingAway, ""},
		"a match, and it is killed":              {startAndKill, -1, ""},
		"named by an application, and it stops":  {startAndStop, websocket.StatusGoingAway, "kitchen"},
		"named by an application, and is killed": {startAndKill, -1, "kitchen"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			settings := []string{"STATE_DIR=" + t.TempDir(), "SIGNAL_OPEN_ROOMS=" + strconv.FormatBool(c.room != "")}
			server, end := c.start(t, settings...)
			room := c.room
			if room == "" {
				room = meet(t, server)
			}
			var members [2]*rawClient
			var accepts [2]wire.Accept
			for i, id := range []string{"alice", "bob"} {
				members[i] = dialRaw(t, server+"/signaling")
				accepts[i] = members[i].register(room, id, "")
			}
			members[1].send(`{"type":"offer","n":1}`)
			members[0].mustGet(`{"type":"offer","n":1}`)
			end()
			for i, m := range members {
				if _, err := m.next(); websocket.CloseStatus(err) != c.ended {
					t.Errorf("member %d was told %v, want status %d", i, err, c.ended)
				}
			}

			next := startServer(t, settings...)
			for i, id := range []string{"bob", "alice"} { // the other way round
				before := accepts[1-i]
				m := dialRaw(t, next.url+"/signaling")
				a := m.register(room, id, before.ResumeToken)
				if !a.Resumed || !a.Rebuilt || a.IsExistClient != before.IsExistClient || a.ResumeToken == before.ResumeToken {
					t.Errorf("accept of %s = %+v, want resumed, rebuilt, and as it was", id, a)
				}
				mustRelay(t, a.ICEServers)
				members[1-i] = m
			}
			members[1].send(`{"type":"offer","n":2}`)
			members[0].mustGet(`{"type":"offer","n":2}`)
			mustRelay(t, members[1].refreshed()) // who came back first
			members[0].send(`{"type":"answer"}`)
			members[1].mustGet(`{"type":"answer"}`)
			if _, body := get(t, next.admin+"/metrics"); !strings.Contains(body, "wasmp2pchat_signal_rebuilt_total 2") {
				t.Error("the metrics do not count two who were known before")
			}
			if err := next.stop(); err != nil {
				t.Errorf("the server ended with %v", err)
			}
		})
	}
}

// startAndStop starts a server that ends as by SIGTERM.
func startAndStop(t *testing.T, settings ...string) (string, func()) {
	t.Helper()
	s := startServer(t, settings...)
	return s.url, func() { must(t, s.stop()) }
}

// startAndKill starts a server in a process of its own, which ends without
// another word.
func startAndKill(t *testing.T, settings ...string) (string, func()) {
	t.Helper()
	log := newJournal()
	cmd := exec.CommandContext(t.Context(), "wasmp2pchat", "serve")
	cmd.Env = append(cmd.Environ(), serverEnviron(t, settings...)...)
	lines, err := cmd.StderrPipe()
	must(t, err, cmd.Start())
	ended := make(chan struct{})
	go func() { // waited for by the test, at the latest when its context has killed it
		defer close(ended)
		for scanner := bufio.NewScanner(lines); scanner.Scan(); {
			_, _ = log.Write(scanner.Bytes())
		}
		_ = cmd.Wait() // it is killed
	}()
	t.Cleanup(func() { <-ended })
	var line struct{ URL, Admin string }
	must(t, json.Unmarshal([]byte(log.await(t, 1, `"msg":"serving"`)), &line))
	(&server{admin: line.Admin}).ready(t)
	return line.URL, func() {
		must(t, cmd.Process.Kill())
		<-ended
	}
}

// rawClient is a WebSocket without a peer behind it.
type rawClient struct {
	t    *testing.T
	conn *websocket.Conn
}

func dialRaw(t *testing.T, address string) *rawClient {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	conn, response, err := websocket.Dial(ctx, address, nil)
	if response != nil && response.Body != nil {
		_ = response.Body.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.CloseNow() })
	return &rawClient{t, conn}
}

// meet finds two visitors for each other, and returns their room.
func meet(t *testing.T, server string) string {
	t.Helper()
	var visitors [2]*rawClient
	for i := range visitors {
		visitors[i] = dialRaw(t, server+"/matchmaking")
		text, err := json.Marshal(wire.MatchRequest{UserID: strconv.Itoa(i), CreatedAt: time.Now()})
		must(t, err)
		visitors[i].send(string(text))
	}
	var matches [2]wire.MatchMessage
	for i, v := range visitors {
		must(t, json.Unmarshal([]byte(v.mustNext()), &matches[i]))
	}
	if matches[0].Type != wire.MatchFound || matches[0].RoomID != matches[1].RoomID {
		t.Fatalf("got %+v, want one match", matches)
	}
	return matches[0].RoomID
}

func (c *rawClient) send(text string) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	if err := c.conn.Write(ctx, websocket.MessageText, []byte(text)); err != nil {
		c.t.Fatal(err)
	}
}

// next is the next message, after pings that are answered.
func (c *rawClient) next() (string, error) {
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	text, err := (&seat{conn: c.conn}).next(ctx)
	return string(text), err
}

func (c *rawClient) mustNext() string {
	c.t.Helper()
	text, err := c.next()
	if err != nil {
		c.t.Fatal(err)
	}
	return text
}

func (c *rawClient) mustGet(want string) {
	c.t.Helper()
	if got := c.mustNext(); got != want {
		c.t.Errorf("got %s, want %s", got, want)
	}
}

// register takes a seat, or asks it back with a token.
func (c *rawClient) register(room, id, token string) (a wire.Accept) {
	c.t.Helper()
	text, err := json.Marshal(wire.Register{Type: wire.SignalRegister, RoomID: room, ClientID: id, Ext: []string{wire.ExtResume, wire.ExtRefresh}, ResumeToken: token})
	if err != nil {
		c.t.Fatal(err)
	}
	c.send(string(text))
	if text := c.mustNext(); json.Unmarshal([]byte(text), &a) != nil || a.Type != wire.SignalAccept {
		c.t.Fatalf("the answer to register is %s, want accept", text)
	}
	return a
}

// refreshed is the next message: credentials that know the other one.
func (c *rawClient) refreshed() []wire.ICEServer {
	c.t.Helper()
	var refresh wire.Refresh
	if text := c.mustNext(); json.Unmarshal([]byte(text), &refresh) != nil || refresh.Type != wire.SignalICEServers {
		c.t.Errorf("got %s, want fresh credentials", text)
	}
	return refresh.ICEServers
}

// mustRelay makes an allocation with the credentials of a list, and gives it
// back.
func mustRelay(t *testing.T, servers []wire.ICEServer) {
	t.Helper()
	for _, s := range servers {
		for _, address := range s.URLs {
			u, err := url.Parse(address)
			if err != nil || u.Scheme != "turn" || !strings.HasSuffix(address, "transport=udp") {
				continue
			}
			at, err := netip.ParseAddrPort(strings.TrimSuffix(u.Opaque, "?transport=udp"))
			must(t, err)
			c := dialTURN(t, "udp", int(at.Port()), nil)
			c.username, c.password = s.Username, s.Credential
			must(t, c.do(stun.MethodAllocate, stun.RawAttribute{Type: stun.AttrRequestedTransport, Value: []byte{17, 0, 0, 0}}),
				c.do(stun.MethodRefresh, stun.RawAttribute{Type: stun.AttrLifetime, Value: make([]byte, 4)}))
			return
		}
	}
	t.Fatalf("there is no relay in %s", strconv.Quote(servers[0].URLs[0]))
}

// TestWhoWaitsOutlivesTheServer holds that who has prepared his connection while he
// waits prepares another one when the server has come back: its relay knows nothing
// of the first, and with that he found no way to his partner.
func TestWhoWaitsOutlivesTheServer(t *testing.T) {
	t.Parallel()
	settings := []string{"ADDR=127.0.0.1:" + strconv.Itoa(freePort(t)), "STATE_DIR=" + t.TempDir()}
	first := startServer(t, settings...)
	waits := openTerminal(t, first.url)
	waits.expect("* looking for somebody (1 waiting")
	until(t, "he has an allocation", func() bool { return metric(t, first, "wasmp2pchat_turn_allocations") > 0 })
	if err := first.stop(); err != nil {
		t.Fatal(err)
	}
	next := startServer(t, settings...)
	until(t, "he waits again", func() bool { return metric(t, next, "wasmp2pchat_match_waiting") == 1 })
	until(t, "he has another allocation", func() bool { return metric(t, next, "wasmp2pchat_turn_allocations") > 0 })
	comes := openTerminal(t, next.url)
	waits.expect("* connected: direct")
	comes.expect("* connected: direct")
}
