package main

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"github.com/pion/stun/v3"

	"github.com/wasmp2pchat/wasmp2pchat/internal/roomkey"
	"github.com/wasmp2pchat/wasmp2pchat/turnsvc"
	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// guest is a visitor who comes from an address of the loopback interface of his
// own, to the lobby and to the relay.
type guest struct {
	t    *testing.T
	ip   string
	conn *websocket.Conn
}

// comes connects to the lobby and says something.
func (s *server) comes(t *testing.T, ip, first string) *guest {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(ip)}}
	conn, response, err := websocket.Dial(ctx, strings.Replace(s.url, "http", "ws", 1)+"/matchmaking", &websocket.DialOptions{
		HTTPClient: &http.Client{Transport: &http.Transport{DialContext: dialer.DialContext}},
	})
	if response != nil && response.Body != nil {
		_ = response.Body.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.CloseNow() })
	g := &guest{t: t, ip: ip, conn: conn}
	g.says(first)
	return g
}

func (g *guest) says(text string) {
	g.t.Helper()
	if err := g.conn.Write(g.t.Context(), websocket.MessageText, []byte(text)); err != nil {
		g.t.Fatal(err)
	}
}

// hears is the next message for which it is so.
func (g *guest) hears(what string, so func(m wire.MatchMessage) bool) (m wire.MatchMessage) {
	g.t.Helper()
	ctx, cancel := context.WithTimeout(g.t.Context(), patience)
	defer cancel()
	for {
		_, text, err := g.conn.Read(ctx)
		if err != nil {
			g.t.Fatalf("%s hears no %s: %v", g.ip, what, err)
		}
		m = wire.MatchMessage{}
		if err := json.Unmarshal(text, &m); err != nil {
			g.t.Fatalf("%s: %v", text, err)
		}
		if so(m) {
			return m
		}
	}
}

func isMatch(m wire.MatchMessage) bool { return m.Type == wire.MatchFound }

// isWarm is WAITING with what is needed to prepare.
func isWarm(m wire.MatchMessage) bool {
	return m.Type == wire.MatchWaiting && len(m.ICEServers) > 0
}

// relays is a TURN client of the guest with the credentials of a message.
func (g *guest) relays(m wire.MatchMessage) *turnClient {
	g.t.Helper()
	server := m.ICEServers[len(m.ICEServers)-1]
	at := strings.TrimSuffix(strings.TrimPrefix(server.URLs[0], "turn:"), "?transport=udp")
	dialer := &net.Dialer{LocalAddr: &net.UDPAddr{IP: net.ParseIP(g.ip)}}
	conn, err := dialer.DialContext(g.t.Context(), "udp", at)
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { _ = conn.Close() })
	c := newTURNClient(conn)
	c.username, c.password = server.Username, server.Credential
	return c
}

// mayAllocate fails the test if the client gets no allocation.
func (c *turnClient) mayAllocate(t *testing.T) {
	t.Helper()
	if err := c.do(stun.MethodAllocate, stun.RawAttribute{Type: stun.AttrRequestedTransport, Value: []byte{17, 0, 0, 0}}); err != nil {
		t.Fatal(err)
	}
}

// giveUp ends the allocation of the client.
func (c *turnClient) giveUp(t *testing.T) {
	t.Helper()
	if got := c.answered(stun.MethodRefresh, stun.RawAttribute{Type: stun.AttrLifetime, Value: make([]byte, 4)}); got != "" {
		t.Errorf("the end of an allocation = %q, want success", got)
	}
}

// answered is how the relay answers a request: "" is success.
func (c *turnClient) answered(method stun.Method, attrs ...stun.Setter) string {
	if err := c.do(method, attrs...); err != nil {
		_, code, _ := strings.Cut(err.Error(), ": ")
		return code
	}
	return ""
}

// TestAVisitorPreparesHisConnection is the story of a pre-warmed connection:
// who waits makes an allocation, which reaches nobody; he is matched, and it
// reaches his partner, and nobody else. Who leaves without a match has none.
func TestAVisitorPreparesHisConnection(t *testing.T) {
	t.Parallel()
	s := startServer(t, "TURN_PEERS=room", "TURN_ALLOW_PEERS=127.0.0.0/8", "TURN_SECRETS="+turnSecret)
	stranger := answerOnUDPAt(t, "127.0.0.4:0", func(p []byte) []byte { return p })
	partner := answerOnUDPAt(t, "127.0.0.3:0", func(p []byte) []byte { return p })

	leaver := s.comes(t, "127.0.0.5", `{"user_id":"leaver","ext":["warm"]}`)
	forgone := leaver.relays(leaver.hears("credentials", isWarm))
	forgone.mayAllocate(t)
	_ = leaver.conn.Close(websocket.StatusNormalClosure, "")
	until(t, "the credentials of who has left are void", func() bool { return forgone.answered(stun.MethodRefresh) == "error 401" })
	forgone.username, forgone.password, _ = turnsvc.Issuer{Secret: turnSecret}.RoomCredential(turnsvc.Claims{Room: roomkey.NewName(), Side: "ma"})
	if got := forgone.answered(stun.MethodRefresh); got != "error 437" {
		t.Errorf("Refresh of an allocation without a match = %q, want error 437: it is gone", got)
	}

	a := s.comes(t, "127.0.0.2", `{"user_id":"a","ext":["warm"]}`)
	news := a.hears("credentials", isWarm)
	warm := a.relays(news)
	warm.mayAllocate(t)
	for _, peer := range []netip.AddrPort{partner, stranger} {
		if got := warm.answered(stun.MethodCreatePermission, peerAddress(peer)); got != "error 403" {
			t.Errorf("CreatePermission for %v before the match = %q, want error 403", peer, got)
		}
	}
	b := s.comes(t, "127.0.0.3", `{"user_id":"b","ext":["warm"]}`)
	forA, forB := a.hears("match", isMatch), b.hears("match", isMatch)
	if forA.RoomID != forB.RoomID || forA.Role != wire.RoleOffer || forB.Role != wire.RoleAnswer {
		t.Errorf("MATCH = %+v and %+v, want one room, offer and answer", forA, forB)
	}
	room, _, _ := strings.Cut(warm.username[strings.Index(warm.username, ":")+1:], ".")
	if roomkey.Name(forA.RoomID) != room || strings.Contains(warm.username, forA.RoomID) {
		t.Errorf("credentials %q before the match, room %q; want its name, and not its id", warm.username, forA.RoomID)
	}
	if got := warm.answered(stun.MethodCreatePermission, peerAddress(partner)); got != "" {
		t.Fatalf("CreatePermission for the partner after the match = %q, want success", got)
	}
	if err := warm.echo(partner, "hello"); err != nil {
		t.Error(err)
	}
	if got := warm.answered(stun.MethodCreatePermission, peerAddress(stranger)); got != "error 403" {
		t.Errorf("CreatePermission for a stranger after the match = %q, want error 403", got)
	}
	warm.username, warm.password = forA.ICEServers[len(forA.ICEServers)-1].Username, forA.ICEServers[len(forA.ICEServers)-1].Credential
	if got := warm.answered(stun.MethodRefresh); got != "" {
		t.Errorf("Refresh with the credentials of the match = %q, want success: they are of the same user", got)
	}
	warm.giveUp(t) // or the server would let it live for a while
}

// TestThoseWhoTalkComeFirst holds that nobody is given what he needs to prepare
// while more than half of the allocations are in use, and everybody afterwards.
func TestThoseWhoTalkComeFirst(t *testing.T) {
	t.Parallel()
	for name, setting := range map[string]string{
		"in all":                        "TURN_MAX_ALLOCATIONS=4",
		"by the address of the visitor": "TURN_MAX_ALLOCATIONS_PER_IP=4",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startServer(t, "TURN_PEERS=room", setting)
			first := s.comes(t, "127.0.0.2", `{"user_id":"one","ext":["warm"]}`)
			news := first.hears("credentials", isWarm)
			var held []*turnClient
			for range 3 {
				c := first.relays(news)
				c.mayAllocate(t)
				held = append(held, c)
			}
			second := s.comes(t, "127.0.0.2", `{"user_id":"one","ext":["warm"]}`) // nobody meets himself
			if m := second.hears("news", func(wire.MatchMessage) bool { return true }); m.Type != wire.MatchWaiting || isWarm(m) {
				t.Errorf("the first message is %+v, want WAITING without credentials", m)
			}
			held[0].giveUp(t)
			second.hears("credentials", isWarm)
		})
	}
}

// TestCredentialsOfWhoWaitsAreRenewed holds that who waits for longer than they
// live is given others, which are good for the allocation that he has made. (That
// they come in time is held on a fake clock, in match.)
func TestCredentialsOfWhoWaitsAreRenewed(t *testing.T) {
	t.Parallel()
	s := startServer(t, "TURN_PEERS=room", "TURN_CREDENTIAL_TTL=8s")
	a := s.comes(t, "127.0.0.2", `{"user_id":"a","ext":["warm"]}`)
	first := a.hears("credentials", isWarm)
	c := a.relays(first)
	c.mayAllocate(t)
	next := a.hears("credentials", isWarm)
	if !next.ExpiresAt.After(first.ExpiresAt) {
		t.Errorf("the next credentials end at %v, the first ones at %v", next.ExpiresAt, first.ExpiresAt)
	}
	fresh := next.ICEServers[len(next.ICEServers)-1]
	c.username, c.password = fresh.Username, fresh.Credential
	if got := c.answered(stun.MethodRefresh); got != "" {
		t.Errorf("Refresh with the next credentials = %q, want success: they are of the same user", got)
	}
}

// TestAPageStandsBy holds that a page learns who is online before it asks, on one
// connection, and that the operator sees it.
func TestAPageStandsBy(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	page := s.comes(t, "127.0.0.2", `{"type":"STANDBY"}`)
	if m := page.hears("news", func(wire.MatchMessage) bool { return true }); m.Type != wire.MatchWaiting || m.Online != 0 || m.Waiting != 0 {
		t.Errorf("the first message is %+v, want WAITING with nobody online", m)
	}
	if _, body := get(t, s.admin+"/metrics"); !strings.Contains(body, "\nwasmp2pchat_match_standby 1\n") {
		t.Error("the metrics do not say that a page stands by")
	}
	page.says(`{"user_id":"a","ext":["waiting"]}`)
	if m := page.hears("news", func(wire.MatchMessage) bool { return true }); m.Type != wire.MatchWaiting || m.Online != 1 || m.Waiting != 1 {
		t.Errorf("the message after the request is %+v, want WAITING with 1 online, 1 waiting", m)
	}
	if _, body := get(t, s.admin+"/metrics"); !strings.Contains(body, "\nwasmp2pchat_match_standby 0\n") {
		t.Error("the metrics say that somebody stands by who has asked")
	}
}
