package peer

import (
	"testing"
	"time"
)

func TestPath(t *testing.T) {
	t.Parallel()
	relays := map[string]bool{addressPort("51.1.2.3", "50000"): true}
	for _, c := range []struct {
		name              string
		pair              pair
		reflexive, hidden bool
		want              PathKind
		why               Why
	}{
		{"two hosts in one network", pair{localType: "host", remoteType: "host"}, true, false, PathDirect, WhyUnknown},
		{"two NATs", pair{localType: "srflx", remoteType: "prflx", remoteAddress: "51.1.2.3 50001"}, true, false, PathDirect, WhyUnknown},
		{"our relay over UDP", pair{localType: "relay", relayProtocol: "udp", remoteType: "srflx"}, true, false, PathRelayUDP, WhyNAT},
		{"our relay over TCP", pair{localType: "relay", relayProtocol: "tcp", remoteType: "relay"}, true, false, PathRelayTCP, WhyUDPBlocked},
		{"our relay over TLS", pair{localType: "relay", relayProtocol: "tls", remoteType: "prflx"}, true, false, PathRelayTLS, WhyUDPBlocked},
		{"our relay over TLS, to hide us", pair{localType: "relay", relayProtocol: "tls", remoteType: "prflx"}, true, true, PathRelayTLS, WhyHidden},
		{"our relay, over we do not know what", pair{localType: "relay", remoteType: "host"}, false, false, PathRelayUDP, WhyUnknown},
		{"the partner's relay", pair{localType: "host", remoteType: "relay"}, true, false, PathRelayUDP, WhyNAT},
		{"the relay of a partner who hides, or who has no UDP", pair{localType: "host", remoteType: "relay"}, false, false, PathRelayUDP, WhyUnknown},
		{"the partner's relay, seen before it was signaled", pair{localType: "host", remoteType: "prflx", remoteAddress: "51.1.2.3 50000"}, false, false, PathRelayUDP, WhyUnknown},
		{"a relay protocol without a relay", pair{localType: "srflx", relayProtocol: "tls", remoteType: "host"}, true, false, PathDirect, WhyUnknown},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.pair.rtt = 30 * time.Millisecond
			want := Path{Kind: c.want, RTT: 30 * time.Millisecond, Why: c.why}
			outer := map[string]bool{}
			if c.reflexive {
				outer["192.0.2.1"] = true
			}
			if got := c.pair.path(partnerAddress{relays: relays, outer: outer}, c.hidden); got != want {
				t.Errorf("%+v.path() = %+v, want %+v", c.pair, got, want)
			}
		})
	}
}

func TestRelayAddress(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, candidate, want string }{
		{"a relay", "candidate:1 1 udp 41885439 51.1.2.3 50000 typ relay raddr 0.0.0.0 rport 0 generation 0", "51.1.2.3 50000"},
		{"a relay over IPv6", "candidate:1 1 UDP 41885439 2a0a:5151::1 50000 typ relay raddr :: rport 0", "2a0a:5151::1 50000"},
		{"a host", "candidate:1 1 udp 2122260223 10.0.0.1 50000 typ host", ""},
		{"a host that is called relay", "candidate:1 1 udp 2122260223 relay 50000 typ host relay", ""},
		{"half a candidate", "candidate:1 1 udp 41885439 51.1.2.3 50000 typ", ""},
		{"nothing", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := relayAddress(c.candidate); got != c.want {
				t.Errorf("relayAddress(%q) = %q, want %q", c.candidate, got, c.want)
			}
		})
	}
}

func TestRelayRank(t *testing.T) {
	t.Parallel()
	for candidate, want := range map[string]uint64{
		"candidate:1 1 udp 41885439 51.1.2.3 50000 typ relay raddr 0.0.0.0 rport 0": 41885440,
		"candidate:1 1 udp 0 51.1.2.3 50000 typ relay":                              1,
		"candidate:1 1 udp high 51.1.2.3 50000 typ relay":                           1,
		"candidate:1 1 udp 99999999999999999999 51.1.2.3 50000 typ relay":           1,
		"candidate:1 1 udp 2122260223 10.0.0.1 50000 typ host":                      0,
	} {
		if got := relayRank(candidate); got != want {
			t.Errorf("relayRank(%q) = %d, want %d", candidate, got, want)
		}
	}
}
