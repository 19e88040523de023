//go:build browser

package e2e

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/coder/websocket"

	"github.com/wasmp2pchat/wasmp2pchat/internal/natlab"
	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// waiter is somebody who waits at a rally, on one WebSocket: whoever is sent away
// comes back by himself in a browser, and here it shows.
type waiter struct {
	request wire.MatchRequest
	socket  *websocket.Conn

	mu       sync.Mutex // guards the fields below
	told     int        // WAITING messages
	room     string     // of the MATCH
	sentAway string     // how; empty: he was not
}

// waiters are all who wait, and the network that they come from.
type waiters struct {
	*rally
	host    *natlab.Host
	client  *http.Client
	waiting []*waiter
	readers sync.WaitGroup
}

// newWaiters adds the host from which they come.
func (r *rally) newWaiters() *waiters {
	r.t.Helper()
	vs := &waiters{rally: r, host: r.addHost("lobby", "51.51.51.140")}
	r.gives(vs.host, 140)
	root, err := os.ReadFile(r.trusts)
	if err != nil {
		r.t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(root)
	vs.client = &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: pool},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) { // nobody has DNS
			return vs.host.Dial(ctx, network, "51.51.51.10:443")
		},
	}}
	r.t.Cleanup(func() {
		for _, v := range vs.waiting {
			_ = v.socket.CloseNow() // it may have ended
		}
		vs.readers.Wait()
	})
	return vs
}

// comes lets somebody ask for a partner.
func (vs *waiters) comes(request wire.MatchRequest) *waiter {
	vs.t.Helper()
	ctx, cancel := context.WithTimeout(vs.t.Context(), patience)
	defer cancel()
	socket, _, err := websocket.Dial(ctx, "wss://"+domain+"/matchmaking", &websocket.DialOptions{HTTPClient: vs.client}) //nolint:bodyclose // there is none after an upgrade, and the library closes it else
	if err != nil {
		vs.t.Fatal(err)
	}
	request.CreatedAt = time.Now()
	text, err := json.Marshal(request)
	if err != nil {
		vs.t.Fatal(err)
	}
	if err := socket.Write(ctx, websocket.MessageText, text); err != nil {
		vs.t.Fatal(err)
	}
	v := &waiter{request: request, socket: socket}
	vs.waiting = append(vs.waiting, v)
	vs.readers.Go(func() { v.listens(context.WithoutCancel(vs.t.Context())) })
	return v
}

// listens hears what the server says until it has found him somebody, or has
// sent him away.
func (v *waiter) listens(ctx context.Context) {
	for {
		var m wire.MatchMessage
		_, text, err := v.socket.Read(ctx)
		if err == nil {
			err = json.Unmarshal(text, &m)
		}
		v.mu.Lock()
		switch {
		case err != nil:
			v.sentAway = fmt.Sprint("his socket was closed: ", err)
		case m.Type == wire.MatchWaiting:
			v.told++
		case m.Type == wire.MatchFound:
			v.room = m.RoomID
		default:
			v.sentAway = fmt.Sprintf("he was told %s", text)
		}
		over := v.room != "" || v.sentAway != ""
		v.mu.Unlock()
		if over {
			return
		}
	}
}

// state is what has become of him so far.
func (v *waiter) state() (room, sentAway string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.room, v.sentAway
}

// wait lets n people come who find nobody yet: some with programs of ours, some
// with programs that know what the first WasmP2PChat knew and say what they like, and
// a few tabs of one user who says nothing at all.
func (vs *waiters) wait(n int) {
	vs.t.Helper()
	seed := rand.Text()
	for i := range n {
		request := wire.MatchRequest{UserID: rand.Text(), Tags: []string{rand.Text()}}
		switch {
		case i%8 == 0:
			request = wire.MatchRequest{UserID: seed}
		case i%2 == 0:
			request.Ext = []string{wire.ExtWaiting, wire.ExtWarm}
		}
		vs.comes(request)
	}
}

// sentAway says who was, and how; who was met without anybody having come counts.
func (vs *waiters) sentAway() (list []string) {
	for i, v := range vs.waiting {
		room, sentAway := v.state()
		if room != "" {
			sentAway = "he was met by nobody"
		}
		if sentAway != "" {
			list = append(list, fmt.Sprintf("visitor %d: %s", i, sentAway))
		}
	}
	return list
}

// areMet lets somebody come for each who waits, and wants the two to meet. It
// returns how long that took.
func (vs *waiters) areMet() (took []time.Duration) {
	vs.t.Helper()
	rooms := map[string]int{}
	everybody := vs.waiting
	for _, v := range everybody {
		came := time.Now()
		partner := vs.comes(wire.MatchRequest{UserID: rand.Text(), Tags: v.request.Tags})
		eventually(vs.t, "a newcomer meets whom he fits", func() bool {
			room, sentAway := partner.state()
			if sentAway != "" {
				vs.t.Fatalf("a newcomer was sent away: %s", sentAway)
			}
			return room != ""
		})
		took = append(took, time.Since(came))
		room, _ := partner.state()
		rooms[room]++
	}
	for i, v := range everybody {
		eventually(vs.t, "who waited was told", func() bool { room, sentAway := v.state(); return room+sentAway != "" })
		room, sentAway := v.state()
		if rooms[room]++; rooms[room] != 2 {
			vs.t.Errorf("visitor %d is in room %q with %d others: %s", i, room, rooms[room]-1, sentAway)
		}
	}
	return took
}

// leave closes all their sockets.
func (vs *waiters) leave() {
	for _, v := range vs.waiting {
		_ = v.socket.CloseNow() // it may have ended
	}
	vs.readers.Wait()
}
