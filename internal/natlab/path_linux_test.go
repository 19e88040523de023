//go:build netns

package natlab_test

import (
	"context"
	"fmt"
	"net/netip"
	"testing"

	"github.com/wasmp2pchat/wasmp2pchat/internal/natlab"
)

// TestPath sends through the host in the middle and to it, from any of the many
// addresses, and leaves nothing behind.
func TestPath(t *testing.T) {
	needLab(t)
	path, err := natlab.NewPath(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	made := namespaces(t)
	closed := false
	t.Cleanup(func() {
		if !closed {
			_ = path.Close(context.WithoutCancel(t.Context()))
		}
	})
	for _, c := range []struct {
		from     *natlab.Host
		at       string
		to       *natlab.Host
		listener string
	}{
		{path.Client(), "51.51.1.2", path.Server(), "51.51.1.1"},
		{path.Client(), "51.61.3.4", path.Server(), "51.51.1.1"},
		{path.Client(), "51.61.3.4", path.Peer(), "51.62.255.1"},
		{path.Peer(), "51.51.2.2", path.Server(), "51.51.2.1"},
		{path.Peer(), "51.62.9.9", path.Client(), "51.61.0.1"},
	} {
		t.Run(fmt.Sprintf("%s to %s", c.at, c.listener), func(t *testing.T) {
			there := bind(t, c.to, c.listener+":5000")
			here := asker{t, bind(t, c.from, c.at+":0"), nil}
			here.send("hello", netip.MustParseAddrPort(there.LocalAddr().String()))
			if text, from, ok := (asker{t, there, nil}).receive(); !ok || text != "hello" || from.Addr().String() != c.at {
				t.Errorf("received %q from %v, %t, want hello from %s", text, from, ok, c.at)
			}
		})
	}
	if err := path.Close(t.Context()); err != nil {
		t.Errorf("Close() = %v", err)
	}
	closed = true
	if left := namespaces(t); len(left) > len(made)-3 {
		t.Errorf("namespaces before Close: %v, after: %v", made, left)
	}
}
