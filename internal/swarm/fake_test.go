package swarm

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/gorilla/websocket"
)

// fake is a server that does what it is told to do wrong, and all else right.
type fake struct {
	perRoom int    // who are matched with one another; 2 is right
	keeps   int    // clients that are never matched
	twice   bool   // MATCH is said twice
	deaf    string // a type of message that is not passed on
	changes string // a type of message that loses a byte
	mixes   bool   // messages carry the number of another room
	silent  bool   // nobody is told bye
	sorts   bool   // messages are decoded and encoded again
	pieces  bool   // messages come in pieces, with pings between
	tls     bool   // https, with a certificate that nobody knows
	status  int    // of the answer to an upgrade, if it is refused

	mu      sync.Mutex // guards the fields below, and writing
	rooms   int
	waiting []*websocket.Conn
	members map[string][]*websocket.Conn
}

func (f *fake) start(t *testing.T) string {
	t.Helper()
	if f.perRoom == 0 {
		f.perRoom = 2
	}
	f.members = map[string][]*websocket.Conn{}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /below/matchmaking", f.upgrade(f.matchmaking))
	mux.HandleFunc("GET /below/signaling", f.upgrade(f.signaling))
	server := httptest.NewUnstartedServer(mux)
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)
	if f.tls {
		server.StartTLS()
	} else {
		server.Start()
	}
	t.Cleanup(server.Close)
	return server.URL + "/below"
}

func (f *fake) upgrade(serve func(*websocket.Conn)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if f.status != 0 {
			http.Error(w, "no more\x1b[31m", f.status)
			return
		}
		ws, err := new(websocket.Upgrader).Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer func() { _ = ws.Close() }()
		serve(ws)
	}
}

func (f *fake) send(ws *websocket.Conn, format string, args ...any) {
	text := fmt.Appendf(nil, format, args...)
	if !f.pieces {
		_ = ws.WriteMessage(websocket.TextMessage, text)
		return
	}
	w, _ := ws.NextWriter(websocket.TextMessage)
	for len(text) > 0 {
		n := min(len(text), 5000) // more than the writer's buffer: a frame of its own
		_, _ = w.Write(text[:n])
		text = text[n:]
	}
	_ = ws.WriteControl(websocket.PingMessage, []byte("between"), noDeadline())
	_ = w.Close()
	_ = ws.WriteMessage(websocket.TextMessage, []byte(`{"type":"ping"}`+"\n"))
}

func (f *fake) matchmaking(ws *websocket.Conn) {
	if _, _, err := ws.ReadMessage(); err != nil {
		return
	}
	f.meet(ws)
	_, _, _ = ws.ReadMessage() // until the client closes
}

func (f *fake) meet(ws *websocket.Conn) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.keeps > 0 {
		f.keeps--
		return
	}
	f.waiting = append(f.waiting, ws)
	if len(f.waiting) < f.perRoom {
		return
	}
	f.rooms++
	for _, member := range f.waiting {
		padding := ""
		if f.pieces {
			padding = fmt.Sprintf(`"padding":"%09000d",`, 1)
		}
		f.send(member, `{"type": "MATCH",%s "room_id" : "room %d","user_id":"peer"}`, padding, f.rooms)
		if f.twice {
			f.send(member, `{"type":"MATCH","room_id":"room %d","user_id":"peer"}`, f.rooms)
		}
	}
	f.waiting = nil
}

func (f *fake) signaling(ws *websocket.Conn) {
	var reg struct{ RoomID string }
	if ws.ReadJSON(&reg) != nil {
		return
	}
	f.mu.Lock()
	f.members[reg.RoomID] = append(f.members[reg.RoomID], ws)
	second := len(f.members[reg.RoomID]) == 2
	f.send(ws, `{"type":"accept","isExistClient": %v,"isExistUser":%v}`, second, second)
	f.mu.Unlock()
	defer f.leave(reg.RoomID, ws)
	for {
		_, text, err := ws.ReadMessage()
		if err != nil {
			return
		}
		f.relay(reg.RoomID, ws, text)
	}
}

func (f *fake) relay(room string, from *websocket.Conn, text []byte) {
	var m map[string]json.RawMessage
	if json.Unmarshal(text, &m) != nil {
		return
	}
	kind := string(bytes.Trim(m["type"], `"`))
	switch {
	case kind == "pong" || kind == f.deaf:
		return
	case kind == f.changes:
		text = bytes.Replace(text, []byte("0.0.0.0"), []byte("0.0.0.1"), 1)
		text = bytes.Replace(text, []byte("198.51"), []byte("198.52"), 1)
	case f.mixes:
		at := bytes.Index(text, []byte("candidate:"))
		if at > 0 {
			text[at+len("candidate:")] ^= 1 // 0 becomes 1, a becomes `
		}
	case f.sorts:
		text, _ = json.Marshal(m)
		text = append(text, '\n')
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, ws := range f.members[room] {
		if ws != from {
			_ = ws.WriteMessage(websocket.TextMessage, text)
		}
	}
}

func (f *fake) leave(room string, who *websocket.Conn) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, ws := range f.members[room] {
		if ws == who {
			continue
		}
		if !f.silent {
			f.send(ws, `{"type":"bye"}`)
		}
		_ = ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(1000, "the other\none"), noDeadline())
	}
	delete(f.members, room)
}
