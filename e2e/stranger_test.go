//go:build browser

package e2e

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/pion/webrtc/v4"

	"github.com/wasmp2pchat/wasmp2pchat/internal/natlab"
	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// stranger is a client that keeps to no rule but those of its test. It sees all
// that reaches it: every word of the server, and where every packet comes from.
type stranger struct {
	t         *testing.T
	host      *natlab.Host
	url       string
	match     wire.MatchMessage
	signaling *websocket.Conn
	accept    wire.Accept
	pc        *webrtc.PeerConnection
	channel   *webrtc.DataChannel
	open      chan struct{}   // closed when the partner has heard our hello
	frames    chan wire.Frame // from the partner, but for hellos
	opening   sync.Once
	sent      struct{ frames, bytes int } // by floods

	mu      sync.Mutex // guards the fields below
	told    []string   // all that the server said, in order
	sources map[netip.Addr]bool
	news    chan struct{} // closed and made anew with each word
}

// newStranger is somebody on a host of the laboratory, who must be reachable
// there: his address is his only candidate.
func (w *world) newStranger(side natlab.Side) *stranger {
	w.t.Helper()
	s := &stranger{
		t: w.t, host: w.lab.Client(side), url: "ws" + strings.TrimPrefix(strings.TrimSuffix(w.site, "/"), "http"),
		open: make(chan struct{}), frames: make(chan wire.Frame, 4096), sources: map[netip.Addr]bool{}, news: make(chan struct{}),
	}
	w.t.Cleanup(func() {
		if w.t.Failed() {
			s.t.Logf("the stranger was told\n%s\nand heard of %v", strings.Join(s.words(), "\n"), s.heardOf())
		}
	})
	return s
}

// dial opens a WebSocket to the server.
func (s *stranger) dial(ctx context.Context, path string) *websocket.Conn {
	s.t.Helper()
	client := &http.Client{Transport: &http.Transport{DialContext: s.host.Dial}}
	socket, answer, err := websocket.Dial(ctx, s.url+path, &websocket.DialOptions{HTTPClient: client})
	if err != nil {
		s.t.Fatalf("the stranger dials %s: %v", path, err)
	}
	if answer.Body != nil {
		_ = answer.Body.Close()
	}
	socket.SetReadLimit(1 << 20)
	s.t.Cleanup(func() { _ = socket.CloseNow() })
	return socket
}

// asks asks for a partner; the result waits for one.
func (s *stranger) asks() (match func() wire.MatchMessage) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	socket := s.dial(ctx, "/matchmaking")
	s.write(ctx, socket, wire.MatchRequest{UserID: rand.Text(), CreatedAt: time.Now()})
	return func() wire.MatchMessage {
		s.t.Helper()
		defer cancel()
		defer func() { _ = socket.Close(websocket.StatusNormalClosure, "") }()
		for {
			var m wire.MatchMessage
			text := s.read(ctx, socket)
			if err := json.Unmarshal([]byte(text), &m); err != nil {
				s.t.Fatalf("the stranger is told %q on /matchmaking: %v", text, err)
			}
			if m.Type == wire.MatchFound {
				s.match = m
				return m
			}
		}
	}
}

// joins takes a seat in a room.
func (s *stranger) joins(room string, ext ...string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	s.signaling = s.dial(ctx, "/signaling")
	s.tell(wire.Register{Type: wire.SignalRegister, RoomID: room, Ext: ext})
	for s.accept.Type != wire.SignalAccept {
		text := s.read(ctx, s.signaling)
		if err := json.Unmarshal([]byte(text), &s.accept); err != nil || s.accept.Type == wire.SignalReject {
			s.t.Fatalf("the stranger is told %q on /signaling: %v", text, err)
		}
	}
}

// tell sends something to the partner, through the server: text as it is, all
// else as JSON.
func (s *stranger) tell(message any) {
	s.t.Helper()
	s.write(s.t.Context(), s.signaling, message)
}

func (s *stranger) write(ctx context.Context, socket *websocket.Conn, message any) {
	s.t.Helper()
	text, isText := message.(string)
	if !isText {
		b, err := json.Marshal(message)
		if err != nil {
			s.t.Fatal(err)
		}
		text = string(b)
	}
	_ = socket.Write(ctx, websocket.MessageText, []byte(text)) // who is not listened to waits for an answer in vain
}

// read takes one word of the server.
func (s *stranger) read(ctx context.Context, socket *websocket.Conn) string {
	s.t.Helper()
	_, text, err := socket.Read(ctx)
	if err != nil {
		s.t.Fatalf("the stranger is told no more: %v", err)
	}
	s.note(string(text))
	return string(text)
}

func (s *stranger) note(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.told = append(s.told, text)
	close(s.news)
	s.news = make(chan struct{})
}

// words is all that the server has said.
func (s *stranger) words() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.told)
}

// isTold waits until the server has said something that holds a text.
func (s *stranger) isTold(part string) {
	s.t.Helper()
	late := time.NewTimer(patience)
	defer late.Stop()
	for {
		s.mu.Lock()
		found := slices.ContainsFunc(s.told, func(text string) bool { return strings.Contains(text, part) })
		news := s.news
		s.mu.Unlock()
		if found {
			return
		}
		select {
		case <-news:
		case <-late.C:
			s.t.Fatalf("the stranger was not told anything with %q", part)
		}
	}
}

// listens takes what else the server says, until the socket ends.
func (s *stranger) listens(act func(kind string, text []byte)) {
	ctx := context.WithoutCancel(s.t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			_, text, err := s.signaling.Read(ctx)
			if err != nil {
				return
			}
			s.note(string(text))
			var m wire.SignalType
			if json.Unmarshal(text, &m) != nil {
				continue
			}
			if m.Type == wire.SignalPing {
				_ = s.signaling.Write(ctx, websocket.MessageText, []byte(`{"type":"pong"}`)) // the socket has ended
			}
			act(m.Type, text)
		}
	}()
	s.t.Cleanup(func() {
		_ = s.signaling.CloseNow()
		<-done
	})
}
