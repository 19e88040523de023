package peer

import (
	"strings"
	"time"
)

// Path is the way that the frames of a chat travel.
type Path struct {
	Kind PathKind
	RTT  time.Duration // round-trip time to the partner as ICE measures it; 0 if unknown
}

// PathKind says what lies between the two peers.
type PathKind string

// The kinds of paths.
const (
	PathUnknown  PathKind = ""
	PathDirect   PathKind = "direct"    // no server in between
	PathRelayUDP PathKind = "relay-udp" // our relay over UDP, or the partner's relay, however it gets there
	PathRelayTCP PathKind = "relay-tcp" // our relay over TCP
	PathRelayTLS PathKind = "relay-tls" // our relay over TLS
)

// candidateRelay is the type of a candidate that a TURN server allocated.
const candidateRelay = "relay"

// pair is what ICE says about the candidates that it selected.
type pair struct {
	localType     string // host, srflx, prflx or relay
	relayProtocol string // how we reach our relay: udp, tcp or tls
	remoteType    string
	remoteAddress string // as addressPort writes it
	rtt           time.Duration
}

// path is what lies between the two ends of p. relays holds the addresses of
// the partner's relay candidates: a check that comes through a relay before
// its candidate was signaled makes the relay look like prflx.
func (p pair) path(relays map[string]bool) Path {
	kind := PathDirect
	switch {
	case p.localType == candidateRelay && p.relayProtocol == "tcp":
		kind = PathRelayTCP
	case p.localType == candidateRelay && p.relayProtocol == "tls":
		kind = PathRelayTLS
	case p.localType == candidateRelay, p.remoteType == candidateRelay, relays[p.remoteAddress]:
		kind = PathRelayUDP
	}
	return Path{Kind: kind, RTT: p.rtt}
}

// relayAddress is where a relay candidate can be reached; empty for every other
// kind. The form is that of RFC 8839 §5.1:
//
//	candidate:FOUNDATION COMPONENT udp PRIORITY ADDRESS PORT typ relay …
func relayAddress(candidate string) string {
	f := strings.Fields(candidate)
	if len(f) < 8 || f[6] != "typ" || f[7] != candidateRelay {
		return ""
	}
	return addressPort(f[4], f[5])
}

// addressPort is where a candidate can be reached; port is a decimal number.
func addressPort(address, port string) string { return address + " " + port }

// relaysOf are the relay candidates within an SDP, where a partner who does not
// trickle has put them.
func relaysOf(sdp string) (found []string) {
	for line := range strings.Lines(sdp) {
		if candidate, ok := strings.CutPrefix(strings.TrimSpace(line), "a="); ok {
			if address := relayAddress(candidate); address != "" {
				found = append(found, address)
			}
		}
	}
	return found
}
