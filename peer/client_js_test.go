package peer

import (
	"context"
	"errors"
	"syscall/js"
	"testing"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// said waits for the browser to have been told to send the nth message on a
// WebSocket, from 0.
func said(t *testing.T, ws js.Value, n int) string {
	t.Helper()
	for range 1000 {
		if list := ws.Get("said"); list.Length() > n {
			return list.Index(n).String()
		}
		<-time.After(time.Millisecond)
	}
	t.Fatalf("the client said %v, want %d messages", ws.Get("said").Call("join", "|"), n+1)
	return ""
}

// closedNormally waits until a WebSocket was closed with 1000, and nothing listens to it.
func closedNormally(t *testing.T, ws js.Value) {
	t.Helper()
	for range 1000 {
		if ws.Get("closed").Truthy() {
			break
		}
		<-time.After(time.Millisecond)
	}
	if got := ws.Get("closed"); !got.Truthy() || got.Int() != int(wire.CloseNormal) || ws.Get("listening").Int() != 0 {
		t.Errorf("closed with %v, %d listeners left, want 1000 and none", got, ws.Get("listening").Int())
	}
}

// TestBrowserClient goes from Prepare to a register in the browser, and to the
// end of everything.
func TestBrowserClient(t *testing.T) {
	js.Global().Call("eval", browserWebSocket)
	online := make(chan int, 1)
	client := NewClient(Config{URL: "https://chat.example", UserID: "me", OnOnline: func(n int) { online <- n }})
	client.Prepare()
	sockets := map[string]js.Value{}
	for range 2 {
		ws := nextWebSocket(t)
		sockets[ws.Get("url").String()] = ws
		ws.Call("emit", "open")
	}
	lobby, rooms := sockets["wss://chat.example/matchmaking"], sockets["wss://chat.example/signaling"]
	if text := said(t, lobby, 0) + said(t, rooms, 0); text != `{"type":"STANDBY"}{"type":"standby"}` {
		t.Errorf("the client said %s, want that it stands by", text)
	}
	emit(lobby, "message", map[string]any{"data": `{"type":"WAITING","online":3}`})
	if n := <-online; n != 3 {
		t.Errorf("%d online, want 3", n)
	}

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error)
	go func() {
		_, err := client.Connect(ctx, Search{})
		ended <- err
	}()
	said(t, lobby, 1)
	emit(lobby, "message", map[string]any{"data": `{"type":"MATCH","room_id":"r"}`})
	if text := said(t, rooms, 1); text != `{"type":"register","roomId":"r","clientId":"me","ext":["refresh","resume","early","outcome"],"attempt":1}` {
		t.Errorf("the client said %s, want register", text)
	}
	emit(rooms, "message", map[string]any{"data": `{"type":"reject","reason":"not-found"}`})
	if err := <-ended; !errors.Is(err, ErrPartnerGone) {
		t.Errorf("Connect() = %v, want ErrPartnerGone", err)
	}
	client.Close()
	closedNormally(t, lobby)
	closedNormally(t, rooms)
}

// TestBrowserSeatReturns loses the socket of a seat, which the browser tells
// with an event, and then replaces one that may be dead.
func TestBrowserSeatReturns(t *testing.T) {
	js.Global().Call("eval", browserWebSocket)
	s := &seat{
		dial: dial, url: "wss://chat.example/signaling",
		register: wire.Register{Type: wire.SignalRegister, RoomID: "r", ClientID: "me"},
	}
	s.assign(roleOffer)
	s.start(t.Context(), nil)
	s.tell(&wire.Description{Type: wire.SignalOffer, SDP: "first"})
	first := nextWebSocket(t)
	first.Call("emit", "open")
	if text := said(t, first, 1); text != `{"type":"offer","sdp":"first"}` {
		t.Errorf("the client said %s, want the offer", text)
	}
	emit(first, "message", map[string]any{"data": `{"type":"accept","resumeToken":"one","attempt":2}`})
	emit(first, "close", map[string]any{"code": closeAbnormal, "reason": ""})

	second := nextWebSocket(t)
	closedNormally(t, first)
	s.tell(&wire.Description{Type: wire.SignalOffer, SDP: "kept"})
	second.Call("emit", "open")
	if text := said(t, second, 0); text != `{"type":"register","roomId":"r","clientId":"me","resumeToken":"one","attempt":2}` {
		t.Errorf("the client said %s, want that it comes back", text)
	}
	emit(second, "message", map[string]any{"data": `{"type":"accept","resumeToken":"two","resumed":true}`})
	<-s.returned
	said(t, second, 1)

	s.hurry()
	third := nextWebSocket(t)
	third.Call("emit", "open")
	said(t, third, 0)
	if second.Get("closed").Truthy() {
		t.Error("the old socket was closed, which means to leave, before the seat was ours on the new one")
	}
	emit(third, "message", map[string]any{"data": `{"type":"accept","resumeToken":"three","resumed":true}`})
	closedNormally(t, second)
	s.close()
	closedNormally(t, third)
}
