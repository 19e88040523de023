package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"testing"
)

// TestAWebServerMayLoseItsListenerAtTheEnd closes the listener as its door does
// when the server stops: whichever of the two is first, that is no fault. A
// listener that is lost before is one.
func TestAWebServerMayLoseItsListenerAtTheEnd(t *testing.T) {
	t.Parallel()
	for _, ending := range []bool{true, false} {
		for range 50 { // the two race
			listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() {
				ended <- newHTTPServer(listener, http.NotFoundHandler(), slog.New(slog.DiscardHandler)).serve(ctx)
			}()
			if ending {
				cancel()
			}
			_ = listener.Close()
			if err := <-ended; ending != (err == nil) || !ending && !errors.Is(err, net.ErrClosed) {
				t.Fatalf("at the end %v: serve = %v", ending, err)
			}
			cancel()
		}
	}
}
