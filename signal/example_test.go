package signal_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/signal"
	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// An Ayame server for rooms that one's own application knows.
func Example() {
	known := map[string]time.Time{"a-room-of-mine": time.Now().Add(time.Hour)}
	rooms := signal.New(signal.Config{
		Admit: func(roomID string) (time.Time, error) {
			expires, ok := known[roomID]
			if !ok {
				return time.Time{}, errors.New("no such room")
			}
			return expires, nil
		},
		ICEServers: func(_ string, _ wire.Side, _ bool, _ netip.Addr) ([]wire.ICEServer, time.Time) {
			return []wire.ICEServer{{URLs: []string{"stun:turn.example.org:3478"}}}, time.Time{}
		},
		Ended: func(room string) { fmt.Println("over:", room) },
	})
	mux := http.NewServeMux()
	mux.Handle("GET /signaling", rooms)

	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- rooms.Serve(ctx) }()
	fmt.Println(rooms.Stats().Rooms, "rooms")
	stop() // sockets are closed; clients that can come back to a successor do
	fmt.Println(<-served)
	// Output:
	// 0 rooms
	// <nil>
}
