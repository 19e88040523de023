package main

import (
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
