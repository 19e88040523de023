package main

import (
	"net"
	"strings"
	"testing"

	"github.com/pion/stun/v3"
)

// TestAWrongPublicAddressIsToldWithTheRightOne has a STUN server on the loopback
// interface say that we come from elsewhere than PUBLIC_IPS. Nobody is asked at
// either address: the relay asks its own sockets, which are on loopback.
func TestAWrongPublicAddressIsToldWithTheRightOne(t *testing.T) {
	t.Parallel()
	const wrong, right = "203.0.113.9", "1.2.3.4" // the right one is not for documentation: only public addresses count
	server := answerOnUDP(t, func(p []byte) []byte {
		request := &stun.Message{Raw: p}
		if request.Decode() != nil {
			return nil
		}
		m, err := stun.Build(request, stun.BindingSuccess, &stun.XORMappedAddress{IP: net.ParseIP(right), Port: 4})
		if err != nil {
			return nil
		}
		return m.Raw
	})
	s := startServer(t, "PUBLIC_IPS="+wrong, "ADDRESS_SOURCES=stun:"+server.String())
	want := "PUBLIC_IPS says " + wrong + ", but stun " + server.String() + " says " + right + ": set WASMP2PCHAT_PUBLIC_IPS=" + right + " or remove it"
	if said := s.log.with("contradict"); len(said) != 1 || !strings.Contains(said[0], want) || !strings.Contains(said[0], `"level":"WARN"`) {
		t.Errorf("the log says %q, want once: %s", said, want)
	}
	s.log.calm(t, "contradict", onLoopback, "turn offers nothing")
	if body := s.ready(t); !strings.Contains(body, "warning: "+want) {
		t.Errorf("/readyz = %q, want a warning: %s", body, want)
	}
	if _, body := get(t, s.admin+"/metrics"); !strings.Contains(body, "\nwasmp2pchat_address_contradictions 1\n") {
		t.Error("address_contradictions is not 1")
	}
	if err := s.stop(); err != nil {
		t.Errorf("the server ended with %v", err)
	}
}
