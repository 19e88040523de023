package match_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/match"
	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// A lobby on a path of one's own server. It says which room two visitors are to
// meet in; who serves that room is another question.
func Example() {
	lobby := match.New(match.Config{
		PoolConfig: match.PoolConfig{
			RoomName: rand.Text,
			RoomID:   func(name string) string { return "room-" + name }, // what admits: sign it, if rooms are elsewhere
			Avoid:    10 * time.Minute,
		},
		ICEServers: func(match.Wanted) ([]wire.ICEServer, time.Time) {
			return []wire.ICEServer{{URLs: []string{"stun:turn.example.org:3478"}}}, time.Time{}
		},
		SignalingURL: "wss://rooms.example.org/signaling",
	})
	mux := http.NewServeMux()
	mux.Handle("GET /matchmaking", lobby)

	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- lobby.Serve(ctx) }()
	server := httptest.NewServer(mux)
	defer server.Close()

	fmt.Println(lobby.Stats().Waiting, "wait")
	stop() // everybody who waits is told, and Serve returns
	fmt.Println(<-served)
	// Output:
	// 0 wait
	// <nil>
}
