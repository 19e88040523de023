package doctor

import (
	"errors"
	"net/netip"
	"strconv"
	"strings"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// iceURL is the URL of a STUN or TURN server (RFC 7064, RFC 7065).
type iceURL struct {
	text      string
	turn      bool
	transport string // "udp", "tcp" or "tls"
	host      string
	port      uint16
}

var errICEURL = errors.New("not the URL of a STUN or TURN server")

// The ports of RFC 7064 §3.2.
const (
	turnPort  = 3478
	turnsPort = 5349
)

func parseICEURL(text string) (u iceURL, err error) {
	scheme, rest, found := strings.Cut(text, ":")
	rest, query, asked := strings.Cut(rest, "?")
	u = iceURL{text: text, transport: "udp", port: turnPort}
	switch scheme {
	case "stun":
	case "turn":
		u.turn = true
	case "turns":
		u.turn, u.transport, u.port = true, "tls", turnsPort
	default:
		found = false
	}
	switch query {
	case "transport=udp":
		asked = u.turn && u.transport == "udp"
	case "transport=tcp":
		if asked = u.turn; u.transport == "udp" {
			u.transport = "tcp"
		}
	default:
		asked = !asked
	}
	host, port, ok := hostPort(rest)
	if !found || !asked || !ok {
		return iceURL{}, errICEURL
	}
	u.host = host
	if port != 0 {
		u.port = port
	}
	return u, nil
}

// hostPort reads host, host:port and [IPv6]:port; port 0: there is none.
func hostPort(text string) (host string, port uint16, ok bool) {
	if inner, found := strings.CutPrefix(text, "["); found {
		host, text, found = strings.Cut(inner, "]")
		ip, err := netip.ParseAddr(host)
		if !found || err != nil || !ip.Is6() || ip.Zone() != "" {
			return "", 0, false
		}
	} else if at := strings.IndexByte(text, ':'); at >= 0 {
		host, text = text[:at], text[at:]
	} else {
		host, text = text, ""
	}
	if host == "" || strings.ContainsAny(host, "/@ []") {
		return "", 0, false
	}
	if text == "" {
		return host, 0, true
	}
	n, err := strconv.ParseUint(strings.TrimPrefix(text, ":"), 10, 16)
	if text[0] != ':' || err != nil || n == 0 {
		return "", 0, false
	}
	return host, uint16(n), true
}

// urls are those of ICE servers that can be read, no more than maxURLs.
func urls(servers []wire.ICEServer) (list []iceURL) {
	for _, server := range servers {
		for _, text := range server.URLs {
			if u, err := parseICEURL(text); err == nil && len(list) < maxURLs {
				list = append(list, u)
			}
		}
	}
	return list
}

// credential is that of TURN.
func credential(servers []wire.ICEServer) (username, password string) {
	for _, server := range servers {
		if server.Username != "" {
			return server.Username, server.Credential
		}
	}
	return "", ""
}
