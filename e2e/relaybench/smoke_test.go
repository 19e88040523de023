//go:build linux && netns

package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/natlab"
)

// TestShortLoads has our server carry a little of every kind. Times are nobody's
// business here: what arrives is.
func TestShortLoads(t *testing.T) {
	switch err := natlab.Available(); {
	case err == nil:
	case slices.Contains(os.Environ(), "CI=true"):
		t.Fatal(err)
	default:
		t.Skip(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	bin := filepath.Join(t.TempDir(), "wasmp2pchat")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", bin, "../../cmd/wasmp2pchat").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v: %s", err, out)
	}
	r, err := newRig(ctx, bin, true)
	if err != nil {
		t.Skip(err) // one core
	}
	t.Cleanup(func() {
		if err := r.close(context.WithoutCancel(ctx)); err != nil {
			t.Errorf("close() = %v", err)
		}
	})
	s, err := r.start(ctx, planePion)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.stop)
	for _, way := range []topology{toPeer, toRelay, fromTCP} {
		f, err := r.newFlows(s.carrier, way)
		if err != nil {
			t.Fatal(err)
		}
		for _, size := range []int{audioBytes, videoBytes} {
			l := load{name: "short", topology: way, size: size, burst: 2, rate: 1000, ways: []direction{upwards, downwards}, length: time.Second / 5}
			p := r.pumpFor(f, l, l.length)
			err := p.play(ctx, l.length)
			if errors.Is(err, errSlow) { // a machine may be busy
				err = nil
			}
			for err == nil && p.missing() > 0 && ctx.Err() == nil { // and packets late
				err = p.receive()
			}
			if err != nil || p.received() == 0 || p.missing() > 0 {
				t.Errorf("topology %d, %d bytes: %v; %d packets arrived, %d are missing", way, size, err, p.received(), p.missing())
			}
		}
		f.close()
	}
}
