//go:build !js

package peer

import (
	"net"
	"strings"
	"testing"

	"github.com/pion/webrtc/v4"
)

// TestLoopbackIsForWhoHasNothingElse holds when loopback candidates count.
func TestLoopbackIsForWhoHasNothingElse(t *testing.T) {
	for _, c := range []struct {
		name  string
		addrs []string
		want  bool
	}{
		{"none", nil, false},
		{"loopback", []string{"127.0.0.1/8", "::1/128"}, false},
		{"loopback and a link", []string{"127.0.0.1/8", "fe80::1/64", "169.254.1.2/16"}, false},
		{"IPv4", []string{"127.0.0.1/8", "192.168.1.2/24"}, true},
		{"IPv6", []string{"127.0.0.1/8", "2a0a:5151::2/64"}, true},
	} {
		var addrs []net.Addr
		for _, text := range c.addrs {
			ip, network, err := net.ParseCIDR(text)
			if err != nil {
				t.Fatal(err)
			}
			addrs = append(addrs, &net.IPNet{IP: ip, Mask: network.Mask})
		}
		if got := hasNetwork(addrs); got != c.want {
			t.Errorf("%s: hasNetwork(%v) = %v, want %v", c.name, c.addrs, got, c.want)
		}
	}
}

// TestLoopbackCandidates gathers on this machine, where there may be a network or
// none: loopback candidates are all, or there are none.
func TestLoopbackCandidates(t *testing.T) {
	pc, err := newPeerConnection(local().URL, tuning{}, configuration(Search{}, nil), new(listeners))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = pc.GracefulClose() }()
	if _, err := pc.CreateDataChannel("chat", nil); err != nil {
		t.Fatal(err)
	}
	offer, err := pc.CreateOffer(nil)
	if err != nil {
		t.Fatal(err)
	}
	gathered := webrtc.GatheringCompletePromise(pc)
	if err := pc.SetLocalDescription(offer); err != nil {
		t.Fatal(err)
	}
	<-gathered
	sdp := pc.LocalDescription().SDP
	loopback := strings.Contains(sdp, " 127.0.0.1 ") || strings.Contains(sdp, " ::1 ")
	if others := hasNetwork(addressesUp()); loopback == others {
		t.Errorf("loopback candidates: %v, beside others: %v; described is\n%s", loopback, others, sdp)
	}
}
