package address

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"testing"
)

func TestFleetingIPv6AddressesAreKnown(t *testing.T) {
	t.Parallel()
	const table = `00000000000000000000000000000001 01 80 10 80       lo
20010db8000000000000000000000001 02 40 00 80     eth0
20010db8000000000000000000000002 02 40 00 01     eth0
20010db8000000000000000000000003 02 40 00 20     eth0
20010db8000000000000000000000004 02 40 00 c0     eth0
20010db8000000000000000000000005 02 40 00 88     eth0
20010db8000000000000000000000006 02 40 00 00     eth0
not a line
20010db8 02 40 00 01 eth0
20010db8000000000000000000000007 02 40 00 zz     eth0
`
	got := parseFleeting(table)
	for text, want := range map[string]bool{
		"::1": false, "2001:db8::1": false, "2001:db8::2": true, "2001:db8::3": true, "2001:db8::4": true, "2001:db8::5": true, "2001:db8::6": false, "2001:db8::7": false,
	} {
		if got[addr(text)] != want {
			t.Errorf("parseFleeting: %s = %v, want %v", text, !want, want)
		}
	}
	if len(got) != 4 {
		t.Errorf("parseFleeting = %v, want 4 addresses", got)
	}
}

func FuzzFleeting(f *testing.F) {
	f.Add("20010db8000000000000000000000002 02 40 00 01     eth0\n")
	f.Add("c0000201 01 20 00 ff eth0\n\n")
	f.Fuzz(func(t *testing.T, text string) {
		for a := range parseFleeting(text) {
			if !a.IsValid() {
				t.Fatalf("parseFleeting(%q) has an invalid address", text)
			}
		}
	})
}

func TestThisMachineHasItsLoopbackAddress(t *testing.T) {
	t.Parallel()
	list, err := interfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(list, addr("127.0.0.1")) {
		t.Errorf("interfaceAddrs() = %v, want 127.0.0.1 among them", list)
	}
	for i, a := range list {
		if slices.Contains(list[i+1:], a) {
			t.Errorf("interfaceAddrs() = %v has %v twice", list, a)
		}
	}
}

// halfBroken answers for one family and fails for the other.
type halfBroken struct {
	network string
	err     error
	zone
}

func (h halfBroken) LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error) {
	if network == h.network {
		return nil, h.err
	}
	return h.zone.LookupNetIP(ctx, network, host)
}

func TestANameMayLackAFamilyButNotBoth(t *testing.T) {
	t.Parallel()
	names := zone{"four.example.org": addrs("203.0.113.1"), "six.example.org": addrs("2001:db8::1"), "both.example.org": addrs("203.0.113.1", "2001:db8::1")}
	for host, want := range map[string][]netip.Addr{
		"four.example.org": addrs("203.0.113.1"),
		"six.example.org":  addrs("2001:db8::1"),
		"both.example.org": addrs("203.0.113.1", "2001:db8::1"),
		"203.0.113.9":      addrs("203.0.113.9"),
	} {
		if got, err := lookup(t.Context(), names, host); err != nil || !slices.Equal(got, want) {
			t.Errorf("lookup(%s) = %v, %v, want %v", host, got, err, want)
		}
	}
	if got, err := lookup(t.Context(), names, "none.example.org"); err == nil {
		t.Errorf("lookup of a name that does not exist = %v, want an error", got)
	}
	timeout := &net.DNSError{Err: "timeout", IsTimeout: true}
	got, err := lookup(t.Context(), halfBroken{"ip6", timeout, names}, "both.example.org")
	if !errors.Is(err, timeout) || !slices.Equal(got, addrs("203.0.113.1")) {
		t.Errorf("lookup where AAAA times out = %v, %v, want the A record and the error", got, err)
	}
}
