//go:build !js

package peer_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/peer"
)

// A peer in a program of one's own, which is what the browser page and
// `wasmp2pchat chat` are.
func Example() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	chat, err := peer.Connect(ctx, peer.Config{URL: "http://127.0.0.1:1"}, peer.Search{Tags: []string{"go"}})
	switch {
	case errors.Is(err, peer.ErrUnreachable):
		fmt.Println("no server there")
		return
	case err != nil:
		fmt.Println(err)
		return
	}
	defer func() { _ = chat.Close() }()
	_, _ = chat.Send("hello, stranger")
	for event := range chat.Events() {
		if event.Kind == peer.EventMessage {
			fmt.Println(event.Text)
		}
	}
	// Output: no server there
}
