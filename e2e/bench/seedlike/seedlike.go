// Package seedlike is a server with the structure of the first WasmP2PChat,
// for side-by-side measurements only; nothing that we ship links it.
//
// It promises the same two endpoints, so that the same load can be put on it,
// and it is built as that program is described to have been: the handler of
// net/http stays for the life of a connection, one queue under one lock holds
// those who wait, MATCH is written to both by whoever came second, rooms are
// one map under one lock, and every message is decoded into a map and encoded
// again for the other side.
//
// It leaves out what would keep a measurement from ending: unlike the seed it
// reads until the client closes after MATCH, tells the second of a room that
// he is, and says bye.
package seedlike

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"sync"
	"time"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"
)

// writeTimeout is how long one write may take: the sender waits for it.
const writeTimeout = 5 * time.Second

// New returns a server of /matchmaking and /signaling.
func New() http.Handler {
	s := &server{rooms: map[string]*room{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /matchmaking", s.matchmaking)
	mux.HandleFunc("GET /signaling", s.signaling)
	return mux
}

type server struct {
	mu      sync.Mutex // guards the fields below
	waiting []*visitor
	rooms   map[string]*room
}

type visitor struct {
	ws      *websocket.Conn
	user    string
	matched chan struct{}
}

type matchRequest struct {
	UserID    string    `json:"user_id"`
	CreatedAt time.Time `json:"created_at"`
}

type matchMessage struct {
	Type      string    `json:"type"`
	RoomID    string    `json:"room_id"`
	UserID    string    `json:"user_id"`
	CreatedAt time.Time `json:"created_at"`
}

func (s *server) matchmaking(w http.ResponseWriter, r *http.Request) {
	ws, err := websocket.Accept(w, r, nil)
	if err != nil {
		return // Accept has answered
	}
	defer func() { _ = ws.CloseNow() }() // it has ended, whatever this says
	var request matchRequest
	if wsjson.Read(r.Context(), ws, &request) != nil {
		return
	}
	me := &visitor{ws: ws, user: request.UserID, matched: make(chan struct{})}
	if partner := s.meet(me); partner != nil {
		roomID := randomID()
		_ = tell(r.Context(), ws, matchMessage{"MATCH", roomID, me.user, time.Now()})        // its reader learns of an end
		_ = tell(r.Context(), partner.ws, matchMessage{"MATCH", roomID, "peer", time.Now()}) // likewise
		close(partner.matched)
	} else {
		<-me.matched
	}
	_, _, _ = ws.Read(r.Context()) // until the client closes
}

// meet gives the one who has waited longest, or lets the newcomer wait.
func (s *server) meet(me *visitor) *visitor {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.waiting) == 0 {
		s.waiting = append(s.waiting, me)
		return nil
	}
	partner := s.waiting[0]
	s.waiting = s.waiting[1:]
	return partner
}

func randomID() string {
	var id [4]byte
	_, _ = rand.Read(id[:]) // never fails
	return hex.EncodeToString(id[:])
}

func tell(ctx context.Context, ws *websocket.Conn, message any) error {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	return wsjson.Write(ctx, ws, message)
}

type room struct {
	members map[string]*websocket.Conn // by connection
}

type register struct {
	Type     string `json:"type"`
	RoomID   string `json:"roomId"`
	ClientID string `json:"clientId"`
}

func (s *server) signaling(w http.ResponseWriter, r *http.Request) {
	ws, err := websocket.Accept(w, r, nil)
	if err != nil {
		return // Accept has answered
	}
	defer func() { _ = ws.CloseNow() }() // it has ended, whatever this says
	var reg register
	if wsjson.Read(r.Context(), ws, &reg) != nil || reg.Type != "register" {
		return
	}
	id := randomID()
	second, full := s.enter(reg.RoomID, id, ws)
	if full {
		_ = ws.Close(websocket.StatusPolicyViolation, "room full") // it has ended, whatever this says
		return
	}
	defer s.leave(context.WithoutCancel(r.Context()), reg.RoomID, id)
	accept := map[string]any{"type": "accept", "connectionId": id, "isExistClient": second, "isExistUser": second}
	if tell(r.Context(), ws, accept) != nil {
		return
	}
	s.relay(r.Context(), ws, reg.RoomID, id)
}

// relay passes messages on until the client closes.
func (s *server) relay(ctx context.Context, ws *websocket.Conn, roomID, id string) {
	for {
		var message map[string]json.RawMessage
		if wsjson.Read(ctx, ws, &message) != nil {
			return
		}
		var kind string
		if json.Unmarshal(message["type"], &kind) != nil {
			return
		}
		switch kind {
		case "ping":
			_ = tell(ctx, ws, map[string]string{"type": "pong"}) // our reader learns of an end
		case "offer", "answer", "candidate":
			if partner := s.partner(roomID, id); partner != nil {
				_ = tell(ctx, partner, message) // its reader learns of an end
			}
		}
	}
}

func (s *server) enter(roomID, id string, ws *websocket.Conn) (second, full bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.rooms[roomID]
	if r == nil {
		r = &room{members: map[string]*websocket.Conn{}}
		s.rooms[roomID] = r
	}
	if len(r.members) == 2 {
		return false, true
	}
	r.members[id] = ws
	return len(r.members) == 2, false
}

func (s *server) partner(roomID, id string) *websocket.Conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	for other, ws := range s.rooms[roomID].members {
		if other != id {
			return ws
		}
	}
	return nil
}

// leave says bye to the one who stays, and ends the room with the last.
func (s *server) leave(ctx context.Context, roomID, id string) {
	if partner := s.partner(roomID, id); partner != nil {
		_ = tell(ctx, partner, map[string]string{"type": "bye"}) // its reader learns of an end
		_ = partner.Close(websocket.StatusNormalClosure, "")     // likewise
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.rooms[roomID]
	delete(r.members, id)
	if len(r.members) == 0 {
		delete(s.rooms, roomID)
	}
}
