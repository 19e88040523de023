package peer

import (
	"slices"
	"testing"
	"time"
)

func TestPath(t *testing.T) {
	t.Parallel()
	relays := map[string]bool{addressPort("51.1.2.3", "50000"): true}
	for _, c := range []struct {
		name string
		pair pair
		want PathKind
	}{
		{"two hosts in one network", pair{localType: "host", remoteType: "host"}, PathDirect},
		{"two NATs", pair{localType: "srflx", remoteType: "prflx", remoteAddress: "51.1.2.3 50001"}, PathDirect},
		{"our relay over UDP", pair{localType: "relay", relayProtocol: "udp", remoteType: "srflx"}, PathRelayUDP},
		{"our relay over TCP", pair{localType: "relay", relayProtocol: "tcp", remoteType: "relay"}, PathRelayTCP},
		{"our relay over TLS", pair{localType: "relay", relayProtocol: "tls", remoteType: "prflx"}, PathRelayTLS},
		{"our relay, over we do not know what", pair{localType: "relay", remoteType: "host"}, PathRelayUDP},
		{"the partner's relay", pair{localType: "host", remoteType: "relay"}, PathRelayUDP},
		{"the partner's relay, seen before it was signaled", pair{localType: "host", remoteType: "prflx", remoteAddress: "51.1.2.3 50000"}, PathRelayUDP},
		{"a relay protocol without a relay", pair{localType: "srflx", relayProtocol: "tls", remoteType: "host"}, PathDirect},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.pair.rtt = 30 * time.Millisecond
			want := Path{Kind: c.want, RTT: 30 * time.Millisecond}
			if got := c.pair.path(relays); got != want {
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

func TestRelaysOf(t *testing.T) {
	t.Parallel()
	const sdp = "v=0\r\na=candidate:1 1 udp 1 10.0.0.1 1 typ host\r\na=candidate:2 1 udp 1 51.1.2.3 2 typ relay raddr 0.0.0.0 rport 0\r\na=end-of-candidates\r\n"
	if got, want := relaysOf(sdp), []string{"51.1.2.3 2"}; !slices.Equal(got, want) {
		t.Errorf("relaysOf(%q) = %q, want %q", sdp, got, want)
	}
}
