package match

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/wasmp2pchat/wasmp2pchat/internal/pipenet"
	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// addressed is a network in memory whose clients have addresses.
type addressed struct {
	*pipenet.Listener
	next chan net.Addr
}

// Accept implements net.Listener.
func (l *addressed) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &addressedConn{conn, <-l.next}, nil
}

type addressedConn struct {
	net.Conn
	from net.Addr
}

func (c *addressedConn) RemoteAddr() net.Addr { return c.from }

// site is a lobby that clients of any address can reach, one after the other.
type site struct {
	lobby *Lobby
	from  func(ip string) *world // it, as seen from an address
	stop  func()
}

// openSite is a site on the fake clock of a bubble.
func openSite(t *testing.T, cfg Config) *site {
	t.Helper()
	return openSiteOf(t, newLobby(cfg))
}

// openSiteOf is openSite for a lobby that is made.
func openSiteOf(t *testing.T, lobby *Lobby) *site {
	t.Helper()
	l := &addressed{pipenet.Listen(), make(chan net.Addr, 1)}
	s := &site{lobby: lobby}
	s.stop = serveLobby(t, s.lobby, l)
	s.from = func(ip string) *world {
		return &world{lobby: s.lobby, dial: func(ctx context.Context) (net.Conn, error) {
			l.next <- &net.TCPAddr{IP: net.ParseIP(ip), Port: 1024}
			return l.Dial(ctx)
		}}
	}
	return s
}

// openRealSite is a site on the loopback interface: its clients come from
// 127.0.0.0/8.
func openRealSite(t *testing.T, cfg Config) *site {
	t.Helper()
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &site{lobby: newLobby(cfg)}
	s.stop = serveLobby(t, s.lobby, l)
	s.from = func(ip string) *world {
		return &world{lobby: s.lobby, dial: func(ctx context.Context) (net.Conn, error) {
			d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(ip)}}
			return d.DialContext(ctx, "tcp", l.Addr().String())
		}}
	}
	return s
}

func newLobby(cfg Config) *Lobby {
	rooms := numberedRooms()
	cfg.RoomName, cfg.RoomID = rooms.RoomName, rooms.RoomID
	return New(cfg)
}

func serveLobby(t *testing.T, lobby *Lobby, l net.Listener) (stop func()) {
	t.Helper()
	server := &http.Server{Handler: lobby, ReadHeaderTimeout: 5 * time.Second}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = lobby.Serve(ctx) })
	running.Go(func() { _ = server.Serve(l) })
	return func() {
		cancel()
		_ = server.Close()
		running.Wait()
	}
}

// asks is a request that asks for WAITING messages.
func asks(user string) string {
	return fmt.Sprintf(`{"user_id":%q,"created_at":"2026-11-21T10:00:00Z","ext":["waiting"]}`, user)
}

// asksFrom is a request from a device.
func asksFrom(user, device string) string {
	return fmt.Sprintf(`{"user_id":%q,"device":%q,"created_at":"2026-11-21T10:00:00Z","ext":["waiting"]}`, user, device)
}

func reports(room, user, reason string) string {
	text, err := json.Marshal(wire.Report{Type: wire.MatchReport, RoomID: room, UserID: user, Reason: reason})
	if err != nil {
		panic(err)
	}
	return string(text)
}

func decode(t *testing.T, text []byte) (m wire.MatchMessage) {
	t.Helper()
	if err := json.Unmarshal(text, &m); err != nil {
		t.Errorf("%s: %v", text, err)
	}
	return m
}

// say sends one more message.
func (c *client) say(text string) {
	c.t.Helper()
	if err := c.ws.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
		c.t.Errorf("write: %v", err)
	}
}

// close leaves and returns when the server has answered.
func (c *client) close() {
	_ = c.ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(int(wire.CloseNormal), ""), time.Now().Add(time.Second))
	<-c.ends
}

// mustBeRefused holds the connection to an ERROR, and then to close 1008 with
// a reason.
func (c *client) mustBeRefused(reason, why string) wire.MatchMessage {
	c.t.Helper()
	m := c.must(wire.MatchError)
	<-c.ends
	closed, ok := errors.AsType[*websocket.CloseError](c.err)
	if m.Reason != reason || !ok || closed.Code != int(wire.ClosePolicy) || closed.Text != why {
		c.t.Errorf("ERROR %q, then %v; want %q, then 1008 %q", m.Reason, c.err, reason, why)
	}
	return m
}
