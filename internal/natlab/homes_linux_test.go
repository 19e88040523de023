//go:build netns

package natlab_test

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/natlab"
)

// TestCarrier proves what two NATs one behind the other are together: each of
// them may spoil what the other one leaves.
func TestCarrier(t *testing.T) {
	for _, c := range []struct {
		home, carrier        natlab.NAT
		mappings             int
		otherPort, otherAddr bool
		tcp80                bool
	}{
		{natlab.PortRestrictedCone, natlab.PortRestrictedCone, 1, false, false, true},
		{natlab.FullCone, natlab.FullCone, 1, true, true, true},
		{natlab.FullCone, natlab.PortRestrictedCone, 1, false, false, true},
		{natlab.PortRestrictedCone, natlab.Symmetric, 4, false, false, true},
		{natlab.Symmetric, natlab.FullCone, 4, false, false, true},
		{natlab.PortRestrictedCone, natlab.TCP443Only, 0, false, false, false},
	} {
		t.Run(string(c.home)+" behind "+string(c.carrier), func(t *testing.T) {
			before := namespaces(t)
			lab := newLab(t, c.home, natlab.NoNAT)
			reflectors := reflect(t, lab.Server())
			greet(t, lab.Server(), "80")
			if err := lab.AddCarrier(t.Context(), natlab.SideA, c.carrier); err != nil {
				t.Fatal(err)
			}
			client, seen := lab.Client(natlab.SideA), map[netip.AddrPort]bool{}
			asker := newAsker(t, client, reflectors)
			for target := range reflectors {
				from, ok := asker.ask(target, target)
				if !ok {
					break
				}
				seen[from] = true
				if from.Addr() != lab.Outside(natlab.SideA) || from.Addr().String() != "51.51.51.101" {
					t.Errorf("seen from %v, want 51.51.51.101, and Outside() = %v", from, lab.Outside(natlab.SideA))
				}
			}
			if len(seen) != c.mappings {
				t.Errorf("mappings of one socket towards four targets: %v, want %d", seen, c.mappings)
			}
			if got := newAsker(t, client, reflectors).hears(1); got != c.otherPort {
				t.Errorf("an answer from another port passes: %t, want %t", got, c.otherPort)
			}
			if got := newAsker(t, client, reflectors).hears(2); got != c.otherAddr {
				t.Errorf("an answer from another address passes: %t, want %t", got, c.otherAddr)
			}
			if got := isGreeted(t, client, lab.Server(), "80"); got != c.tcp80 {
				t.Errorf("TCP to port 80 passes: %t, want %t", got, c.tcp80)
			}
			if err := lab.AddCarrier(t.Context(), natlab.SideA, c.carrier); err == nil {
				t.Error("a second carrier = nil")
			}
			if err := lab.Close(); err != nil {
				t.Error(err)
			}
			if after := namespaces(t); !slices.Equal(after, before) {
				t.Errorf("namespaces after Close() = %q, want %q", after, before)
			}
		})
	}
}

// TestCarrierIsRefused is about what two routers in a row cannot be here.
func TestCarrierIsRefused(t *testing.T) {
	lab := newLab(t, natlab.NoNAT, natlab.PortRestrictedCone)
	if err := lab.AddCarrier(t.Context(), natlab.SideA, natlab.Symmetric); err == nil {
		t.Error("a carrier in front of a client with a public address = nil")
	}
	if err := lab.AddCarrier(t.Context(), natlab.SideB, natlab.NoNAT); err == nil {
		t.Error("a carrier that does not translate = nil")
	}
	setDelay(t, lab, natlab.SideB, time.Millisecond)
	if err := lab.AddCarrier(t.Context(), natlab.SideB, natlab.Symmetric); err == nil {
		t.Error("a carrier on a side that has a delay = nil")
	}
}

// TestShare puts two clients behind one router: they see one another as they are,
// and the world sees one address, at which each is told apart.
func TestShare(t *testing.T) {
	for _, nat := range []natlab.NAT{natlab.PortRestrictedCone, natlab.Symmetric} {
		t.Run(string(nat), func(t *testing.T) {
			lab := newLab(t, nat, natlab.FullCone)
			reflectors := reflect(t, lab.Server())
			if err := lab.Share(t.Context()); err != nil {
				t.Fatal(err)
			}
			seeOneAnother(t, lab)
			seen := map[netip.AddrPort]bool{}
			for _, side := range []natlab.Side{natlab.SideA, natlab.SideB} {
				from, ok := newAsker(t, lab.Client(side), reflectors).ask(0, 0)
				if !ok || from.Addr().String() != "51.51.51.101" || lab.Outside(side) != from.Addr() {
					t.Errorf("client %v is seen at %v, %t, want 51.51.51.101, and Outside() = %v", side, from, ok, lab.Outside(side))
				}
				seen[from] = true
			}
			if len(seen) != 2 {
				t.Errorf("both are seen at %v", seen)
			}
			if err := lab.Share(t.Context()); err == nil {
				t.Error("a second Share() = nil")
			}
		})
	}
	for _, nat := range []natlab.NAT{natlab.NoNAT, natlab.FullCone, natlab.RestrictedCone} {
		if err := newLab(t, nat, natlab.NoNAT).Share(t.Context()); err == nil {
			t.Errorf("Share() of a router that is %s = nil", nat)
		}
	}
}

// TestBehindOneNATNothingIsBlocked is about two in one home whose router lets no UDP
// pass: what they send one another does not come to it.
func TestBehindOneNATNothingIsBlocked(t *testing.T) {
	lab := newLab(t, natlab.UDPBlocked, natlab.UDPBlocked)
	if err := lab.Share(t.Context()); err != nil {
		t.Fatal(err)
	}
	seeOneAnother(t, lab)
}

// seeOneAnother lets each of two behind one router ask the other one.
func seeOneAnother(t *testing.T, lab *natlab.Lab) {
	t.Helper()
	echo(t, lab.Client(natlab.SideA), "10.1.0.2:7000")
	echo(t, lab.Client(natlab.SideB), "10.1.0.3:7000")
	if got, want := sees(t, bind(t, lab.Client(natlab.SideB), ":7001"), "10.1.0.2:7000"), "10.1.0.3:7001"; got != want {
		t.Errorf("A sees B at %q, want %q", got, want)
	}
	if got, want := sees(t, bind(t, lab.Client(natlab.SideA), ":7001"), "10.1.0.3:7000"), "10.1.0.2:7001"; got != want {
		t.Errorf("B sees A at %q, want %q", got, want)
	}
}

// TestJitter measures round trips that vary, and looks at the order of what is
// sent at once.
func TestJitter(t *testing.T) {
	lab := newLab(t, natlab.PortRestrictedCone, natlab.NoNAT)
	if err := lab.SetJitter(t.Context(), natlab.SideA, time.Millisecond); err == nil {
		t.Error("jitter without a delay = nil")
	}
	setDelay(t, lab, natlab.SideA, 40*time.Millisecond)
	for _, spread := range []time.Duration{-1, 41 * time.Millisecond} {
		if err := lab.SetJitter(t.Context(), natlab.SideA, spread); err == nil {
			t.Errorf("SetJitter(%v) = nil", spread)
		}
	}
	if err := lab.SetJitter(t.Context(), natlab.SideA, 20*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	to, conn := mirror(t, lab), bind(t, lab.Client(natlab.SideA), ":0")
	trips := roundTrips(t, conn, to) // ten, of 40 ms to 120 ms
	if least, most := slices.Min(trips), slices.Max(trips); least < 40*time.Millisecond || most-least < 2*time.Millisecond {
		t.Errorf("round trips at 40 ms ± 20 ms each way: %v", trips)
	}
	for i := range uint32(50) {
		if _, err := conn.WriteTo(binary.BigEndian.AppendUint32(nil, i), to); err != nil {
			t.Fatal(err)
		}
	}
	if got := until(t, conn, 49); len(got) != 49 || !slices.IsSorted(got) {
		t.Errorf("50 datagrams came back as %v", got)
	}
}
