//go:build !js

package peer

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// server is what a client needs of ours: /matchmaking pairs whoever comes, and
// /signaling speaks Ayame. A test replaces what it wants to go wrong.
type server struct {
	*httptest.Server
	match, signal func(ctx context.Context, conn *websocket.Conn) error
	outcomes      chan string // what clients say of ICE; nil: they are not asked

	door sync.Mutex // held while somebody enters a room

	mu      sync.Mutex // guards the fields below
	conns   map[*websocket.Conn]bool
	waiting chan wire.MatchMessage // of the client that waits; nil if none does
	seats   map[string][]*websocket.Conn
	pongs   int
}

// newServer starts a server that is killed when the test ends.
func newServer(t *testing.T) *server {
	t.Helper()
	s := &server{conns: map[*websocket.Conn]bool{}, seats: map[string][]*websocket.Conn{}}
	s.match, s.signal = s.pair, s.sit
	mux := http.NewServeMux()
	mux.HandleFunc("GET /matchmaking", s.serve(func() func(context.Context, *websocket.Conn) error { return s.match }))
	mux.HandleFunc("GET /signaling", s.serve(func() func(context.Context, *websocket.Conn) error { return s.signal }))
	s.Server = httptest.NewServer(mux)
	t.Cleanup(s.kill)
	return s
}

// kill ends the server as a crash would.
func (s *server) kill() {
	s.mu.Lock()
	for conn := range s.conns {
		_ = conn.CloseNow()
	}
	s.mu.Unlock()
	s.Close()
}

func (s *server) serve(handler func() func(context.Context, *websocket.Conn) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		s.mu.Lock()
		s.conns[conn] = true
		s.mu.Unlock()
		var closed *websocket.CloseError
		if err := handler()(r.Context(), conn); errors.As(err, &closed) {
			_ = conn.Close(closed.Code, closed.Reason)
		}
		_ = conn.CloseNow()
		s.mu.Lock()
		delete(s.conns, conn)
		s.mu.Unlock()
	}
}

// pair matches two clients as soon as there are two.
func (s *server) pair(ctx context.Context, conn *websocket.Conn) error {
	var request wire.MatchRequest
	if err := wsjson.Read(ctx, conn, &request); err != nil {
		return err
	}
	if err := send(ctx, conn, `{"type":"NEWS","online":"a type of a later version"}`, `{"type":"WAITING","online":7,"waiting":1}`); err != nil {
		return err
	}
	s.mu.Lock()
	mine := make(chan wire.MatchMessage, 1)
	match := wire.MatchMessage{Type: wire.MatchFound, RoomID: "room-" + request.UserID, CreatedAt: time.Now(), Tags: request.Tags}
	if s.waiting == nil {
		s.waiting = mine
	} else {
		s.waiting <- match
		mine <- match
		s.waiting = nil
	}
	s.mu.Unlock()
	gone := conn.CloseRead(ctx) // which reads the 1000 of the client
	select {
	case match := <-mine:
		match.UserID = request.UserID
		if err := wsjson.Write(ctx, conn, &match); err != nil {
			return err
		}
		<-gone.Done()
	case <-gone.Done():
		s.mu.Lock()
		if s.waiting == mine {
			s.waiting = nil
		}
		s.mu.Unlock()
	}
	return nil
}

// sit is the Ayame protocol for one client.
func (s *server) sit(ctx context.Context, conn *websocket.Conn) error {
	text, err := first(ctx, conn)
	if err != nil {
		return err
	}
	var register wire.Register
	if err := json.Unmarshal(text, &register); err != nil {
		return err
	}
	if err := send(ctx, conn, `{"type":"ping"}`, `{"type":"weather","isExistClient":7}`); err != nil {
		return err
	}
	if err := s.accept(ctx, conn, register.RoomID); err != nil {
		return err
	}
	defer s.leave(context.WithoutCancel(ctx), register.RoomID, conn)
	if err := send(ctx, conn, `{"type":"ping"}`, `{"type":"candidate","ice":{"candidate":"candidate:early and useless","sdpMid":"0"}}`); err != nil {
		return err
	}
	for {
		_, text, err := conn.Read(ctx)
		if err != nil {
			return err
		}
		var m wire.SignalType
		if err := json.Unmarshal(text, &m); err != nil {
			return err
		}
		if m.Type == wire.SignalPong {
			s.mu.Lock()
			s.pongs++
			s.mu.Unlock()
			continue
		}
		if m.Type == wire.SignalOutcome {
			s.outcomes <- string(text)
			continue
		}
		for _, other := range s.others(register.RoomID, conn) {
			_ = other.Write(ctx, websocket.MessageText, text)
		}
	}
}

// accept gives a client its seat. Nobody else enters before it knows.
func (s *server) accept(ctx context.Context, conn *websocket.Conn, room string) error {
	s.door.Lock()
	defer s.door.Unlock()
	s.mu.Lock()
	second := len(s.seats[room]) > 0
	s.seats[room] = append(s.seats[room], conn)
	s.mu.Unlock()
	accept := &wire.Accept{Type: wire.SignalAccept, ConnectionID: "c", IsExistClient: second, IsExistUser: second}
	if s.outcomes != nil {
		accept.Ext = []string{wire.ExtOutcome}
	}
	return wsjson.Write(ctx, conn, accept)
}

// leave tells the other one, as Ayame does.
func (s *server) leave(ctx context.Context, room string, conn *websocket.Conn) {
	others := s.others(room, conn)
	s.mu.Lock()
	delete(s.seats, room)
	s.mu.Unlock()
	for _, other := range others {
		_ = other.Write(ctx, websocket.MessageText, []byte(`{"type":"bye"}`))
		_ = other.Close(websocket.StatusNormalClosure, "")
	}
}

func (s *server) others(room string, conn *websocket.Conn) (others []*websocket.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, other := range s.seats[room] {
		if other != conn {
			others = append(others, other)
		}
	}
	return others
}

// send writes texts, one message each.
func send(ctx context.Context, conn *websocket.Conn, texts ...string) error {
	for _, text := range texts {
		if err := conn.Write(ctx, websocket.MessageText, []byte(text)); err != nil {
			return err
		}
	}
	return nil
}

// first is the first message of a client that does not only stand by.
func first(ctx context.Context, conn *websocket.Conn) ([]byte, error) {
	for {
		_, text, err := conn.Read(ctx)
		if err != nil {
			return nil, err
		}
		var m wire.SignalType
		if err := json.Unmarshal(text, &m); err != nil {
			return nil, err
		}
		if m.Type != wire.SignalStandby && m.Type != wire.MatchStandby && m.Type != wire.SignalPong {
			return text, nil
		}
	}
}

// says is a server that reads one message, says its texts and closes.
func says(code websocket.StatusCode, reason string, texts ...string) func(context.Context, *websocket.Conn) error {
	return func(ctx context.Context, conn *websocket.Conn) error {
		if _, err := first(ctx, conn); err != nil {
			return err
		}
		if err := send(ctx, conn, texts...); err != nil {
			return err
		}
		return &websocket.CloseError{Code: code, Reason: reason}
	}
}
