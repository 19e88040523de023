package peer

import (
	"context"
	"errors"
	"strings"
	"syscall/js"
	"testing"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// browserWebSocket stands in for the browser's WebSocket, which node 20 does
// not have. A test plays the server: emit is an event from it.
const browserWebSocket = `
globalThis.WebSocket = class extends EventTarget {
	constructor(url) {
		super();
		if (url.includes("forbidden")) throw new SyntaxError("not here");
		this.url = url;
		this.said = [];
		this.listening = 0;
		(globalThis.dialledWebSockets ??= []).push(this);
	}
	addEventListener(...a) { this.listening++; super.addEventListener(...a); }
	removeEventListener(...a) { this.listening--; super.removeEventListener(...a); }
	emit(name, fields) { this.dispatchEvent(Object.assign(new Event(name), fields)); }
	send(text) { this.said.push(text); }
	close(code) { this.closed = code; }
}`

// dialled opens a socket and gives the server's end of it.
func dialled(t *testing.T) (*socket, js.Value) {
	t.Helper()
	js.Global().Call("eval", browserWebSocket)
	opening := make(chan *socket)
	go func() {
		s, err := dial(t.Context(), "wss://chat.example/matchmaking")
		if err != nil {
			t.Errorf("dial: %v", err)
		}
		opening <- s
	}()
	server := nextWebSocket(t)
	server.Call("emit", "open")
	return <-opening, server
}

// nextWebSocket waits for somebody to dial.
func nextWebSocket(t *testing.T) js.Value {
	t.Helper()
	for range 1000 {
		if dialled := js.Global().Get("dialledWebSockets"); dialled.Truthy() && dialled.Length() > 0 {
			return dialled.Call("shift")
		}
		<-time.After(time.Millisecond)
	}
	t.Fatal("nobody dialled")
	return js.Undefined()
}

func emit(server js.Value, name string, fields map[string]any) {
	server.Call("emit", name, js.ValueOf(fields))
}

func TestBrowserSocket(t *testing.T) {
	s, server := dialled(t)
	s.send(t.Context(), "hello é")
	if said := server.Get("said").Call("join", "|").String(); said != "hello é" {
		t.Errorf("the server read %q, want hello é", said)
	}
	emit(server, "message", map[string]any{"data": "one"})
	emit(server, "message", map[string]any{"data": js.Global().Get("ArrayBuffer").New(3)})
	emit(server, "message", map[string]any{"data": strings.Repeat("x", wire.MaxMessageBytes+1)})
	emit(server, "message", map[string]any{"data": "two"})
	emit(server, "close", map[string]any{"code": 1001, "reason": wire.ReasonShutdown})
	var got []string
	for text := range s.messages {
		got = append(got, text)
	}
	if text := strings.Join(got, "|"); text != "one|two" {
		t.Errorf("messages %q, want one|two", text)
	}
	var refused *ServerError
	if err := s.fault(); !errors.As(err, &refused) || refused.Reason != wire.ReasonShutdown {
		t.Errorf("fault() = %v, want the reason of the server", err)
	}
	s.close()
	if left := server.Get("listening").Int(); left != 0 || server.Get("closed").Int() != int(wire.CloseNormal) {
		t.Errorf("%d listeners left, closed with %v, want none and 1000", left, server.Get("closed"))
	}
}

// TestBrowserSocketBounded leaves a server that sends more than we can keep.
func TestBrowserSocketBounded(t *testing.T) {
	s, server := dialled(t)
	defer s.close()
	for range 2 * maxUnread {
		emit(server, "message", map[string]any{"data": "x"})
	}
	n := 0
	for range s.messages {
		n++
	}
	if n != maxUnread || !errors.Is(s.fault(), ErrUnreachable) {
		t.Errorf("%d messages, then %v, want %d and ErrUnreachable", n, s.fault(), maxUnread)
	}
}

func TestBrowserSocketFails(t *testing.T) {
	js.Global().Call("eval", browserWebSocket)
	if _, err := dial(t.Context(), "wss://forbidden"); !errors.Is(err, ErrUnreachable) {
		t.Errorf("dial where the page may not = %v, want ErrUnreachable", err)
	}

	for _, c := range []struct {
		name string
		do   func(server js.Value, cancel func())
		want error
	}{
		{"nobody listens", func(server js.Value, _ func()) {
			emit(server, "error", nil)
			emit(server, "close", map[string]any{"code": 1006, "reason": ""})
		}, ErrUnreachable},
		{"the context ends", func(_ js.Value, cancel func()) { cancel() }, context.Canceled},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			failed := make(chan error)
			go func() {
				_, err := dial(ctx, "wss://chat.example/signaling")
				failed <- err
			}()
			server := nextWebSocket(t)
			c.do(server, cancel)
			if err := <-failed; !errors.Is(err, c.want) {
				t.Errorf("dial = %v, want %v", err, c.want)
			}
			if left := server.Get("listening").Int(); left != 0 {
				t.Errorf("%d listeners left", left)
			}
		})
	}
}
