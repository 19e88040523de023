package turnsvc

import (
	"net/netip"
	"testing"
	"time"
)

func TestPermits(t *testing.T) {
	t.Parallel()
	ann, bob := netip.MustParseAddrPort("192.0.2.1:7"), netip.MustParseAddrPort("[2001:db8::1]:7")
	p := new(permits)
	if p.lets(ann.Addr(), 0) {
		t.Error("before the first permission somebody may send")
	}
	p.add([]netip.AddrPort{ann}, 0, 5*time.Minute)
	p.add([]netip.AddrPort{bob}, 3*time.Minute, 8*time.Minute)
	for _, c := range []struct {
		at       time.Duration
		ann, bob bool
	}{{4 * time.Minute, true, true}, {6 * time.Minute, false, true}, {9 * time.Minute, false, false}} {
		if ann, bob := p.lets(ann.Addr(), c.at), p.lets(bob.Addr(), c.at); ann != c.ann || bob != c.bob {
			t.Errorf("after %v: %v and %v may send, want %v and %v", c.at, ann, bob, c.ann, c.bob)
		}
	}
	if p.add(nil, 9*time.Minute, 0); len(*p.list.Load()) != 0 {
		t.Errorf("%v is kept although its time is over", *p.list.Load())
	}
}
