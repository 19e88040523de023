//go:build soak

package e2e

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// wrong is what a fake server does that no server should do.
type wrong struct {
	twice   bool // who is matched waits on
	himself bool // one user's tabs meet
	forgets bool // every fifth who waits is never matched
	ghosts  bool // who has left is matched, and awaited for ever
	mute    bool // every fifth message in a room is lost
	noBye   bool // nobody is told that the other one has left
}

// fake is a server of /matchmaking and /signaling that pairs whoever comes, and
// does it wrongly if it is told so.
type fake struct {
	wrong
	absent time.Duration // its commit timer

	mu      sync.Mutex // guards the fields below
	waiting []*fakeVisitor
	rooms   map[string][]*websocket.Conn
	came    int
	said    int
}

type fakeVisitor struct {
	user   string
	socket *websocket.Conn
	left   bool
	lost   bool // forgotten
}

func (f *fake) matchmaking(w http.ResponseWriter, r *http.Request) {
	socket, err := websocket.Accept(w, r, nil)
	if err != nil {
		return // Accept has answered
	}
	defer func() { _ = socket.CloseNow() }() // it has ended, whatever this says
	var request wire.MatchRequest
	if read(r.Context(), socket, &request) != nil {
		return
	}
	me := &fakeVisitor{user: request.UserID, socket: socket}
	if partner := f.pair(me); partner != nil {
		room := rand.Text()
		for _, v := range []*fakeVisitor{partner, me} {
			_ = write(r.Context(), v.socket, wire.MatchMessage{Type: wire.MatchFound, RoomID: room}) // his reader learns of an end
		}
	}
	_, _, _ = socket.Read(r.Context()) // until he leaves
	f.mu.Lock()
	defer f.mu.Unlock()
	me.left = true
}

func (f *fake) pair(me *fakeVisitor) (partner *fakeVisitor) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, v := range f.waiting {
		if v.lost || v.left && !f.ghosts || (v.user == me.user) != f.himself {
			continue
		}
		if !f.twice {
			f.waiting = append(f.waiting[:i:i], f.waiting[i+1:]...)
		}
		return v
	}
	f.came++
	me.lost = f.forgets && f.came%5 == 0
	f.waiting = append(f.waiting, me)
	return nil
}

func (f *fake) signaling(w http.ResponseWriter, r *http.Request) {
	socket, err := websocket.Accept(w, r, nil)
	if err != nil {
		return // Accept has answered
	}
	defer func() { _ = socket.CloseNow() }() // it has ended, whatever this says
	ctx := r.Context()
	var register wire.Register
	if read(ctx, socket, &register) != nil {
		return
	}
	f.mu.Lock()
	second := len(f.rooms[register.RoomID]) > 0
	f.rooms[register.RoomID] = append(f.rooms[register.RoomID], socket)
	f.mu.Unlock()
	if write(ctx, socket, wire.Accept{Type: wire.SignalAccept, IsExistClient: second, IsExistUser: second}) != nil {
		return
	}
	if !f.ghosts {
		absent := time.AfterFunc(f.absent, func() {
			if f.other(register.RoomID, socket) == nil {
				_ = write(ctx, socket, wire.Bye{Type: wire.SignalBye, Reason: wire.ByeAbsent}) // he may have gone
			}
		})
		defer absent.Stop()
	}
	for {
		var message json.RawMessage
		if read(ctx, socket, &message) != nil {
			break
		}
		if other := f.other(register.RoomID, socket); other != nil && !f.drops() {
			_ = write(ctx, other, message) // its reader learns of an end
		}
	}
	if other := f.other(register.RoomID, socket); other != nil && !f.noBye {
		_ = write(ctx, other, wire.Bye{Type: wire.SignalBye}) // likewise
	}
}

func (f *fake) drops() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.said++
	return f.mute && f.said%5 == 0
}

func (f *fake) other(room string, socket *websocket.Conn) *websocket.Conn {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, member := range f.rooms[room] {
		if member != socket {
			return member
		}
	}
	return nil
}

// TestOracleSeesFaults lets guests visit servers that do what
// no server should do.
func TestOracleSeesFaults(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		wrong  wrong
		broken func(v *judgment) int // nil: nothing is
	}{
		{"nothing", wrong{}, nil},
		{"twice", wrong{twice: true}, func(v *judgment) int { return v.Double }},
		{"himself", wrong{himself: true}, func(v *judgment) int { return v.Self }},
		{"forgets", wrong{forgets: true}, func(v *judgment) int { return v.Stranded }},
		{"ghosts", wrong{ghosts: true}, func(v *judgment) int { return v.Eternal }},
		{"mute", wrong{mute: true}, func(v *judgment) int { return v.Lost }},
		{"no bye", wrong{noBye: true}, func(v *judgment) int { return v.Alone }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := &fake{wrong: c.wrong, absent: time.Second, rooms: map[string][]*websocket.Conn{}}
			mux := http.NewServeMux()
			mux.HandleFunc("GET /matchmaking", f.matchmaking)
			mux.HandleFunc("GET /signaling", f.signaling)
			server := httptest.NewServer(mux)
			defer server.CloseClientConnections()
			o := newOracle(time.Second)
			o.bounds = bounds{fits: 2 * time.Second, ghost: 3 * time.Second, held: 3 * time.Second, bye: 2 * time.Second, speaks: 2 * time.Second}
			v := visitsOf(t, o, server.URL)
			switch {
			case c.broken == nil && v.broken() > 0:
				t.Errorf("a server without a fault breaks promises: %v\n%s", v, v.why())
			case c.broken != nil && c.broken(v) == 0:
				t.Errorf("the fault was not seen: %v", v)
			}
		})
	}
}

// visitsOf is what an oracle says when forty guests, of whom some have two tabs
// and some leave, have tried a server for a few seconds.
func visitsOf(t *testing.T, o *oracle, url string) *judgment {
	t.Helper()
	p := &party{o: o, every: 5 * time.Millisecond, here: map[string]int{}}
	for i := range 40 {
		g := &guest{o: o, user: rand.Text(), bases: []string{url}, client: http.DefaultClient}
		if i%10 == 0 {
			g.leaves = 2 * time.Millisecond
		}
		p.guests = append(p.guests, g)
		if i%10 == 5 {
			p.guests = append(p.guests, &guest{o: o, user: g.user, bases: g.bases, client: g.client})
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Second)
	defer cancel()
	first := &guest{o: o, user: rand.Text(), bases: []string{url}, client: http.DefaultClient, leaves: 200 * time.Millisecond}
	if _, err := first.meets(ctx); !errors.Is(err, errLeft) {
		t.Fatalf("one who is alone and leaves: %v", err)
	}
	p.comes(ctx)
	return o.judge()
}
