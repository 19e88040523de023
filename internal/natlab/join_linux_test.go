//go:build netns

package natlab_test

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/wasmp2pchat/wasmp2pchat/internal/natlab"
)

// TestJoin lets a host of its own reach all others, and be reached by them.
func TestJoin(t *testing.T) {
	before := namespaces(t)
	lab := newLab(t, natlab.PortRestrictedCone, natlab.NoNAT)
	joined, err := lab.Join(t.Context(), "redis1", netip.MustParseAddr("51.51.51.41"))
	if err != nil {
		t.Fatal(err)
	}
	echo(t, joined, "51.51.51.41:7000")
	echo(t, lab.Server(), "51.51.51.10:7000")
	if got, want := sees(t, bind(t, lab.Client(natlab.SideA), ":7001"), "51.51.51.41:7000"), "51.51.51.101:7001"; got != want {
		t.Errorf("the joined host sees a client behind a NAT at %q, want %q", got, want)
	}
	if got, want := sees(t, bind(t, lab.Client(natlab.SideB), ":7001"), "51.51.51.41:7000"), "51.51.2.2:7001"; got != want {
		t.Errorf("the joined host sees a client without a NAT at %q, want %q", got, want)
	}
	if got, want := sees(t, bind(t, joined, ":7001"), "51.51.51.10:7000"), "51.51.51.41:7001"; got != want {
		t.Errorf("the server sees the joined host at %q, want %q", got, want)
	}
	for _, name := range []string{"redis1", "", "two words", "ra-x", "averyverylongname"} {
		if _, err := lab.Join(t.Context(), name, netip.MustParseAddr("51.51.51.42")); err == nil {
			t.Errorf("Join(%q) = nil", name)
		}
	}
	if err := lab.Close(); err != nil {
		t.Error(err)
	}
	if after := namespaces(t); !slices.Equal(after, before) {
		t.Errorf("namespaces after Close() = %q, want %q", after, before)
	}
}
