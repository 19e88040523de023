//go:build netns

package natlab

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
)

// TestWhatIsSetIsSo looks at a client right after it was set, while others keep the
// kernel busy with namespaces of their own.
func TestWhatIsSetIsSo(t *testing.T) {
	keepKernelBusy(t)
	lab, err := New(t.Context(), UDPBlocked, NoNAT)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := lab.Close(); err != nil {
			t.Error(err)
		}
	}()
	client := lab.client[SideA]
	for range 20 {
		for _, c := range []struct {
			what string
			set  func() error
		}{
			{"with both families", func() error { return lab.SetFamily(t.Context(), SideA, DualStack) }},
			{"that has moved", func() error { return lab.Move(t.Context(), SideA) }},
			{"with IPv4", func() error { return lab.SetFamily(t.Context(), SideA, IPv4) }},
		} {
			if err := c.set(); err != nil {
				t.Fatal(err)
			}
			waits, err := inside(client, unsettled)
			if waits != "" || err != nil {
				t.Errorf("a client %s: %s, %v", c.what, waits, err)
			}
		}
	}
}

// TestSettleSaysWhatItWaitsFor has a link whose other end is down.
func TestSettleSaysWhatItWaitsFor(t *testing.T) {
	lab, err := New(t.Context(), NoNAT, NoNAT)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := lab.Close(); err != nil {
			t.Error(err)
		}
	}()
	if err := lab.bridge.ip(t.Context(), "link add here type veth peer name there\nlink set here up"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err = settle(ctx, lab.server, lab.bridge)
	if want := lab.bridge.namespace + ": here has no carrier: context canceled"; err == nil || err.Error() != want {
		t.Errorf("settle() = %v, want %s", err, want)
	}
	if err := lab.bridge.ip(t.Context(), "link set there up"); err != nil {
		t.Fatal(err)
	}
	if err := settle(t.Context(), lab.hosts()...); err != nil {
		t.Errorf("settle() = %v, want what is plugged in to settle", err)
	}
}

// keepKernelBusy makes and removes namespaces with links until the test ends: the
// links and addresses of all namespaces wait for one lock.
func keepKernelBusy(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var busy sync.WaitGroup
	for range 4 {
		name := newLabName().part("busy")
		var script strings.Builder
		_, _ = fmt.Fprintf(&script, "netns add %s\n", name)
		for i := range 8 {
			_, _ = fmt.Fprintf(&script, "link add v%d netns %s up type veth peer name w%[1]d netns %[2]s\n", i, name)
		}
		_, _ = fmt.Fprintf(&script, "netns del %s\n", name)
		busy.Go(func() {
			for ctx.Err() == nil {
				if err := ip(ctx, script.String()); err != nil && ctx.Err() == nil {
					t.Error(err)
					break
				}
			}
			if err := remove(context.WithoutCancel(ctx), []string{name}); err != nil {
				t.Error(err)
			}
		})
	}
	t.Cleanup(func() { cancel(); busy.Wait() })
}
