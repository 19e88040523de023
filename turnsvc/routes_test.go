package turnsvc

import (
	"net/netip"
	"testing"
	"time"
)

func TestRoutes(t *testing.T) {
	t.Parallel()
	ann, bob := netip.MustParseAddrPort("192.0.2.1:7"), netip.MustParseAddrPort("[2001:db8::1]:7")
	r := new(routes)
	if r.lets(ann.Addr(), 0) || r.permits(ann.Addr(), 0) || r.channel(0x4000, 0) != nil || r.toward(ann, 0) != nil {
		t.Error("before the first permission somebody may send")
	}
	r.permit([]netip.AddrPort{ann, bob}, 0, 5*time.Minute)
	r.bind(0x4000, ann, time.Minute, 11*time.Minute)
	r.permit([]netip.AddrPort{bob}, 3*time.Minute, 8*time.Minute)
	for _, c := range []struct {
		at                                time.Duration
		annPermitted, annBound, bobAllows bool
	}{
		{4 * time.Minute, true, true, true},
		{6 * time.Minute, false, true, true},
		{9 * time.Minute, false, true, false},
		{12 * time.Minute, false, false, false},
	} {
		if got := r.permits(ann.Addr(), c.at); got != c.annPermitted {
			t.Errorf("after %v ann's permission is %v, want %v", c.at, got, c.annPermitted)
		}
		bound := r.channel(0x4000, c.at)
		if bound != r.toward(ann, c.at) || (bound != nil) != c.annBound || r.lets(ann.Addr(), c.at) != c.annBound {
			t.Errorf("after %v ann's channel is %v, want one: %v", c.at, bound, c.annBound)
		}
		if r.lets(bob.Addr(), c.at) != c.bobAllows || r.permits(bob.Addr(), c.at) != c.bobAllows || r.toward(bob, c.at) != nil {
			t.Errorf("after %v bob may send: %v, want %v, and no channel", c.at, !c.bobAllows, c.bobAllows)
		}
	}
	r.permit(nil, 12*time.Minute, 0)
	if list := r.list.Load(); len(list.leaves)+len(list.byNumber)+len(list.byPeer) != 0 {
		t.Errorf("%v is kept although its time is over", list)
	}
}
