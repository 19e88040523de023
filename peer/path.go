package peer

import (
	"context"
	"strconv"
	"strings"
	"time"
)

const (
	// pathInterval is how often the path is looked at.
	pathInterval = 2 * time.Second

	// firstPathInterval is the same before it is known, and how long after the
	// beginning the first look comes: what is said first matters more.
	firstPathInterval = 250 * time.Millisecond
)

// Path is the way that the frames of a chat travel.
type Path struct {
	Kind PathKind
	RTT  time.Duration // round-trip time to the partner as ICE measures it; 0 if unknown
	Why  Why           // why a relay is used, where we know
}

// Why is the reason for which a relay is used.
type Why string

// The reasons.
const (
	WhyUnknown    Why = ""            // or there is none: the path is direct
	WhyHidden     Why = "hidden"      // we hide our IP address
	WhyUDPBlocked Why = "udp-blocked" // our network lets no UDP through
	WhyNAT        Why = "nat"         // UDP works on both sides, but not directly: their NATs do not fit together
)

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

// path is what lies between the two ends of p, which hidden says we hide. The
// addresses of the partner's relay candidates are needed, because a check that
// comes through a relay before its candidate was signaled makes the relay look
// like prflx.
func (p pair) path(partner partnerAddress, hidden bool) Path {
	path := Path{Kind: PathDirect, RTT: p.rtt}
	switch {
	case p.localType == candidateRelay && p.relayProtocol == "tcp":
		path.Kind = PathRelayTCP
	case p.localType == candidateRelay && p.relayProtocol == "tls":
		path.Kind = PathRelayTLS
	case p.localType == candidateRelay, p.remoteType == candidateRelay, partner.relays[p.remoteAddress]:
		path.Kind = PathRelayUDP
	}
	switch {
	case path.Kind == PathDirect:
	case hidden:
		path.Why = WhyHidden
	case path.Kind != PathRelayUDP:
		path.Why = WhyUDPBlocked
	case len(partner.outer) > 0: // what hides its address shows no reflexive one either
		path.Why = WhyNAT
	}
	return path
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

// relayRank is the priority of a relay candidate, plus 1 (RFC 8445 §5.1.2); 0 for
// every other.
func relayRank(candidate string) uint64 {
	if relayAddress(candidate) == "" {
		return 0
	}
	priority, err := strconv.ParseUint(strings.Fields(candidate)[3], 10, 32)
	if err != nil {
		return 1
	}
	return priority + 1
}

// addressPort is where a candidate can be reached; port is a decimal number.
func addressPort(address, port string) string { return address + " " + port }

// watch looks at the path again and again, and tells the chat when it is known
// and what changed.
func (l *link) watch(ctx context.Context) {
	defer close(l.watched)
	l.mu.Lock()
	last := l.path
	l.mu.Unlock()
	var reported PathKind
	tick := time.NewTimer(firstPathInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		path := l.lookAtPath(ctx)
		if path.Kind == PathUnknown && last.Kind == PathUnknown {
			tick.Reset(firstPathInterval)
			continue
		}
		tick.Reset(pathInterval)
		if path.Kind != reported && path.Kind != PathUnknown {
			reported = path.Kind
			l.reportPath(path)
		}
		if path == last || path.Kind == PathUnknown {
			continue
		}
		last = path
		select {
		case <-l.paths: // nobody wants the old one
		default:
		}
		l.paths <- path // has room: nobody else writes
	}
}

// lookAtPath asks ICE which way the frames go.
func (l *link) lookAtPath(ctx context.Context) Path {
	c := l.carrier()
	pair, ok := c.measure(ctx)
	if !ok {
		return Path{}
	}
	path := c.way(pair, l.search.RelayOnly)
	l.mu.Lock()
	l.path = path
	l.mu.Unlock()
	return path
}
