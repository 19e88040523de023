package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pion/stun/v3"
)

// TestFourRelayPortsAreFourAllocations asks a server with four relay ports for
// six allocations: two are refused, and the log says once what to do.
func TestFourRelayPortsAreFourAllocations(t *testing.T) {
	t.Parallel()
	udp, low := freePort(t), freePort(t)
	s := startServer(t, fmt.Sprintf("TURN_UDP_ADDR=127.0.0.1:%d", udp), "TURN_SECRETS="+turnSecret, fmt.Sprintf("TURN_RELAY_PORTS=%d-%d", low, low+3))
	peer := answerOnUDP(t, func(p []byte) []byte { return p })
	var holders []*turnClient
	refused := 0
	for range 6 {
		c := dialTURN(t, "udp", udp, nil)
		switch err := c.allocate(peer); {
		case err == nil:
			holders = append(holders, c)
		case strings.Contains(err.Error(), "508"):
			refused++
		default:
			t.Errorf("allocate: %v, want success or 508", err)
		}
	}
	if len(holders) > 4 || len(holders)+refused != 6 { // others on this machine may have taken some
		t.Errorf("%d allocations in four ports, and %d refused with 508", len(holders), refused)
	}
	said := s.log.with(`"level":"WARN"`, "no relay port left")
	if len(said) != 1 || !strings.Contains(said[0], "TURN_RELAY_PORTS") {
		t.Errorf("the log says %q, want once that TURN_RELAY_PORTS is to be widened", said)
	}
	if _, body := get(t, s.admin+"/metrics"); !strings.Contains(body, fmt.Sprintf("\nwasmp2pchat_turn_refused_total{reason=\"ports\"} %d\n", refused)) {
		t.Errorf("turn_refused_total of ports is not %d", refused)
	}
	for _, c := range holders {
		if err := c.do(stun.MethodRefresh, stun.RawAttribute{Type: stun.AttrLifetime, Value: make([]byte, 4)}); err != nil {
			t.Error(err)
		}
	}
	if err := s.stop(); err != nil {
		t.Errorf("the server ended with %v", err)
	}
}
