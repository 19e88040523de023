package peer

import (
	"slices"
	"strings"
	"testing"
)

// anOffer is one of Chromium's, without what we never look at.
const anOffer = "v=0\r\no=- 4611731400430051336 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n" +
	"m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\n" +
	"a=candidate:1 1 udp 1 10.0.0.1 1 typ host\r\na=candidate:2 1 udp 1 51.1.2.3 2 typ relay raddr 0.0.0.0 rport 0\r\n" +
	"a=ice-ufrag:EsAw\r\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\na=setup:actpass\r\na=mid:0\r\n"

func TestSDP(t *testing.T) {
	t.Parallel()
	if got, want := candidatesOf(anOffer), []string{
		"candidate:1 1 udp 1 10.0.0.1 1 typ host", "candidate:2 1 udp 1 51.1.2.3 2 typ relay raddr 0.0.0.0 rport 0",
	}; !slices.Equal(got, want) {
		t.Errorf("candidatesOf() = %q, want %q", got, want)
	}
	if got := ufragOf(anOffer); got != "EsAw" {
		t.Errorf("ufragOf() = %q", got)
	}
	if got := setupOf(anOffer); got != "actpass" {
		t.Errorf("setupOf() = %q", got)
	}
	again := strings.Replace(anOffer, "336 2 IN IP4 127.0.0.1", "336 3 IN IP4 0.0.0.0", 1)
	other := strings.Replace(anOffer, "336 2 IN", "337 2 IN", 1)
	if sessionOf(again) != sessionOf(anOffer) || sessionOf(other) == sessionOf(anOffer) {
		t.Errorf("sessionOf() = %q, of the next version %q, of another session %q", sessionOf(anOffer), sessionOf(again), sessionOf(other))
	}
}

func TestPlausible(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, sdp string
		want      bool
	}{
		{"an offer of a DataChannel", anOffer, true},
		{"nothing", "", false},
		{"no section", "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\n", false},
		{"a track", strings.Replace(anOffer, "m=application", "m=audio", 1), false},
		{"a track beside it", anOffer + "m=video 9 UDP/TLS/RTP/SAVPF 96\r\n", false},
		{"two channels", anOffer + anOffer, false},
	} {
		if got := plausible(c.sdp); got != c.want {
			t.Errorf("%s: plausible() = %t", c.name, got)
		}
	}
}
