package main

import (
	"net"
	"sync"
	"testing"

	"github.com/wasmp2pchat/wasmp2pchat/internal/edge"
)

// TestTheDoorIsNoNarrowerThanTheServices holds that who raises a limit per
// address gets what he asked for.
func TestTheDoorIsNoNarrowerThanTheServices(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		settings []string
		want     int
	}{
		{nil, edge.DefaultMaxPerAddr},
		{[]string{"WS_MAX_PER_IP=1000"}, 2128},
		{[]string{"TURN_MAX_ALLOCATIONS_PER_IP=500"}, 2128},
		{[]string{"WS_MAX_PER_IP=1", "TURN_MAX_ALLOCATIONS_PER_IP=1"}, edge.DefaultMaxPerAddr}, // those are no pages
		{[]string{"WS_MAX_PER_IP=0"}, -1},
	} {
		var environ []string
		for _, s := range c.settings {
			environ = append(environ, prefix+s)
		}
		cfg, _, err := loadConfig(environ)
		if err != nil {
			t.Fatal(err)
		}
		if got := doorPerAddr(cfg); got != c.want {
			t.Errorf("with %q the door lets %d in, want %d", c.settings, got, c.want)
		}
	}
}

// TestWhoHasJustComeIsSomebody holds a retired process up for who has connected and
// said nothing yet, as one does whose handshake takes its time.
func TestWhoHasJustComeIsSomebody(t *testing.T) {
	t.Parallel()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &front{door: edge.New(listener, edge.Config{})}
	var serving sync.WaitGroup
	serving.Go(func() { _ = f.door.Serve(t.Context()) }) // fails when the listener is closed
	defer serving.Wait()
	defer func() { _ = listener.Close() }()
	left := f.part(new(httpServer)).Left
	if n := left(); n != 0 {
		t.Errorf("%d are left before anybody has come", n)
	}
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	until(t, "who has just come is left", func() bool { return left() == 1 })
}
