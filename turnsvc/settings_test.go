package turnsvc

import (
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/turnsvc/gate"
)

func TestPortRange(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, text string
		want       PortRange
		ok         bool
	}{
		{"two ports", "49152-65535", PortRange{49152, 65535}, true},
		{"the same port twice", "5000-5000", PortRange{5000, 5000}, true},
		{"one port", "5000", PortRange{}, false},
		{"nothing", "", PortRange{}, false},
		{"port 0", "0-10", PortRange{}, false},
		{"a range that runs backwards", "10-9", PortRange{}, false},
		{"a port that is too high", "1-65536", PortRange{}, false},
		{"signs", "+1-2", PortRange{}, false},
		{"blanks", "1 - 2", PortRange{}, false},
		{"three ports", "1-2-3", PortRange{}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var got PortRange
			if err := got.UnmarshalText([]byte(c.text)); (err == nil) != c.ok || got != c.want {
				t.Errorf("UnmarshalText(%q) = %v, %v, want %v", c.text, got, err, c.want)
			}
		})
	}
}

// FuzzPortRange holds that a range that is read is written and read again the
// same, and that its ports are in it.
func FuzzPortRange(f *testing.F) {
	f.Add("49152-65535")
	f.Add("1-0")
	f.Fuzz(func(t *testing.T, text string) {
		r, err := ParsePortRange(text)
		if err != nil {
			return
		}
		again, err := ParsePortRange(r.String())
		if err != nil || again != r || r.size() < 1 || !r.Contains(r.Min) || !r.Contains(r.Max) || r.Contains(r.Min-1) {
			t.Fatalf("ParsePortRange(%q) = %v, again %v, %v", text, r, again, err)
		}
	})
}

func TestPeerPolicy(t *testing.T) {
	t.Parallel()
	for _, want := range []PeerPolicy{PeersPublic, PeersAny} {
		text, _ := want.MarshalText()
		got := PeerPolicy(99)
		if err := got.UnmarshalText(text); err != nil || got != want {
			t.Errorf("UnmarshalText(%s) = %v, %v, want %v", text, got, err, want)
		}
	}
	if err := new(PeerPolicy).UnmarshalText([]byte("Any")); err == nil {
		t.Error(`UnmarshalText("Any") succeeded`)
	}
}

func TestListenNamesEveryFault(t *testing.T) {
	t.Parallel()
	_, err := Listen(t.Context(), Config{Secrets: []string{""}, RelayPorts: PortRange{2, 1}, MaxPerUser: -1, MaxBitrate: 3, MonthlyBudget: -1, DrainTimeout: -time.Second, Peers: 9})
	if err == nil {
		t.Fatal("Listen succeeded")
	}
	for _, want := range []string{"secret", "listen address", "public address", "2-1", "allocations", "3bit", "budget", "drain", "policy"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("Listen = %v, want a word about %q", err, want)
		}
	}
}

func portOf(addr net.Addr) string { return strconv.Itoa(int(gate.AddrPort(addr).Port())) }
