package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/wasmp2pchat/wasmp2pchat/internal/admin"
	"github.com/wasmp2pchat/wasmp2pchat/internal/redisdb/redistest"
	"github.com/wasmp2pchat/wasmp2pchat/internal/roomkey"
	"github.com/wasmp2pchat/wasmp2pchat/internal/turnclient"
	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// allocates is an allocation with the credentials of a message.
func (g *guest) allocates(m wire.MatchMessage) (*turnclient.Client, netip.AddrPort) {
	g.t.Helper()
	server := m.ICEServers[len(m.ICEServers)-1]
	dialer := &net.Dialer{LocalAddr: &net.UDPAddr{IP: net.ParseIP(g.ip)}}
	conn, err := dialer.DialContext(g.t.Context(), "udp", strings.TrimSuffix(strings.TrimPrefix(server.URLs[0], "turn:"), "?transport=udp"))
	if err != nil {
		g.t.Fatal(err)
	}
	c := turnclient.New(conn, turnclient.Config{Username: server.Username, Password: server.Credential})
	g.t.Cleanup(func() { _ = c.Close() })
	at, err := c.Allocate(g.t.Context(), 0)
	if err != nil {
		g.t.Fatalf("%s: %v", g.ip, err)
	}
	return c, at
}

// hearsFrom has one send until the other hears.
func hearsFrom(t *testing.T, from *turnclient.Client, at netip.AddrPort, to *turnclient.Client) string {
	t.Helper()
	var heard turnclient.Datum
	until(t, "one hears the other", func() bool {
		if err := from.Send(at, []byte("bonjour")); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		var err error
		heard, err = to.Receive(ctx)
		return err == nil
	})
	return string(heard.Data)
}

// TestTwoAtTwoNodesUseOneRelay has two visitors of two nodes prepare their connection,
// each with the relay of his own, and meet: what they hold carries their chat from one
// relay to the other, both are sent to one of them for what comes after, and the end of
// the room ends all of it.
func TestTwoAtTwoNodesUseOneRelay(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	settings := []string{"TURN_PEERS=room", "MATCH_TAG_WAIT=2s"} // until then each waits, and prepares
	one, two := startServer(t, fleetOf(redis, "n1", settings...)...), startServer(t, fleetOf(redis, "n2", settings...)...)
	for _, s := range []*server{one, two} {
		until(t, "each lists both", func() bool { return len(nodesAt(t, s)) == 2 })
	}
	a := one.comes(t, "127.0.0.2", `{"user_id":"a","ext":["warm"],"tags":["go"]}`)
	b := two.comes(t, "127.0.0.3", `{"user_id":"b","ext":["warm"],"tags":["rust"]}`)
	turnA, atA := a.allocates(a.hears("credentials", isWarm))
	turnB, atB := b.allocates(b.hears("credentials", isWarm))
	forA, forB := a.hears("match", isMatch), b.hears("match", isMatch)
	urlsA, urlsB := forA.ICEServers[len(forA.ICEServers)-1].URLs, forB.ICEServers[len(forB.ICEServers)-1].URLs
	if forA.RoomID != forB.RoomID || !slices.Equal(urlsA, urlsB) {
		t.Fatalf("the two are sent to %q in %q and %q in %q, want one relay and one room", urlsA, forA.RoomID, urlsB, forB.RoomID)
	}
	for c, peer := range map[*turnclient.Client]netip.AddrPort{turnA: atB, turnB: atA} {
		if err := c.Permit(t.Context(), peer); err != nil {
			t.Fatal(err)
		}
	}
	if got := hearsFrom(t, turnA, atB, turnB) + hearsFrom(t, turnB, atA, turnA); got != "bonjourbonjour" {
		t.Errorf("they hear %q", got)
	}
	late, _ := b.allocates(forB)
	client := &admin.Client{URL: one.admin, HTTP: http.DefaultClient}
	must(t, client.Do(t.Context(), http.MethodDelete, "/api/rooms/"+roomkey.Name(forA.RoomID), nil, nil))
	for who, c := range map[string]*turnclient.Client{"a": turnA, "b": turnB, "b at the relay of both": late} {
		until(t, who+" has nothing after the room", func() bool {
			refused, ok := errors.AsType[*turnclient.RefusedError](c.Permit(t.Context(), netip.MustParseAddrPort("8.8.4.4:5000")))
			return ok && refused.Code == turnclient.Unauthorized
		})
	}
}

// TestWhoHasNoRelaySendsToThatOfAnother has two meet at a node without a relay: they
// are sent to the one that there is, and nothing is left of it when their room ends.
func TestWhoHasNoRelaySendsToThatOfAnother(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	relay := startServer(t, fleetOf(redis, "n1", "ROLES=turn", "TURN_PEERS=room")...)
	lobby := startServer(t, fleetOf(redis, "n2", "ROLES=web,match,signal", "TURN_PEERS=room")...)
	until(t, "the lobby knows the relay", func() bool { return nodesAt(t, lobby)["n1"].MaxAllocations > 0 })

	a := lobby.comes(t, "127.0.0.2", `{"user_id":"a","ext":["warm"]}`)
	warm, atA := a.allocates(a.hears("credentials", isWarm))
	b := lobby.comes(t, "127.0.0.3", `{"user_id":"b"}`)
	forA, forB := a.hears("match", isMatch), b.hears("match", isMatch)
	cold, atB := b.allocates(forB)
	for c, peer := range map[*turnclient.Client]netip.AddrPort{warm: atB, cold: atA} {
		if err := c.Permit(t.Context(), peer); err != nil {
			t.Fatal(err)
		}
	}
	if got := hearsFrom(t, warm, atB, cold) + hearsFrom(t, cold, atA, warm); got != "bonjourbonjour" {
		t.Errorf("they hear %q", got)
	}
	both := signalsIn(t, lobby, forA.RoomID)
	for _, conn := range both {
		_ = conn.Close(websocket.StatusNormalClosure, "")
	}
	for who, c := range map[string]*turnclient.Client{"a": warm, "b": cold} {
		until(t, who+" has nothing after the room", func() bool {
			refused, ok := errors.AsType[*turnclient.RefusedError](c.Permit(t.Context(), netip.MustParseAddrPort("8.8.4.4:5000")))
			return ok && refused.Code == turnclient.Unauthorized
		})
	}
	until(t, "the relay has no allocation", func() bool { return nodesAt(t, relay)["n1"].Allocations == 0 })
}

// signalsIn are two who register in a room.
func signalsIn(t *testing.T, s *server, room string) (both []*websocket.Conn) {
	t.Helper()
	for _, client := range []string{"a", "b"} {
		conn, response, err := websocket.Dial(t.Context(), strings.Replace(s.url, "http", "ws", 1)+"/signaling", nil)
		if response != nil && response.Body != nil {
			_ = response.Body.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.CloseNow() })
		if err := conn.Write(t.Context(), websocket.MessageText, []byte(`{"type":"register","roomId":"`+room+`","clientId":"`+client+`"}`)); err != nil {
			t.Fatal(err)
		}
		for said := ""; !strings.Contains(said, `"accept"`); {
			_, text, err := conn.Read(t.Context())
			if err != nil {
				t.Fatalf("%s is not accepted: %v", client, err)
			}
			said = string(text)
		}
		both = append(both, conn)
	}
	return both
}
