package signal

import "strings"

// nowhere is the address of a description whose candidates say where one is,
// as browsers write it (RFC 8840 §4.1.1); the port beside it is 9.
const nowhere = "IN IP4 0.0.0.0"

// hideSDP rewrites a session description (RFC 8866) so that no address is left
// in it but those of relayed candidates, and counts the candidates that went.
//
// It is a filter that knows what may pass, line by line. A parser such as
// pion/sdp would read more of it than we need, refuse what browsers let each
// other say, and keep what it does not know: that is where addresses are.
func hideSDP(sdp string) (out string, dropped int, ok bool) {
	var b strings.Builder
	first := true
	for line := range strings.FieldsFuncSeq(sdp, func(r rune) bool { return r == '\r' || r == '\n' }) {
		if first && line != "v=0" {
			return "", 0, false
		}
		first = false
		kept, ok := hideLine(strings.TrimSpace(line))
		switch {
		case ok:
			b.WriteString(kept)
			b.WriteString("\r\n")
		case strings.Contains(line, "candidate:"):
			dropped++
		case strings.HasPrefix(line, "m="), strings.HasPrefix(line, "o="):
			return "", 0, false // which nothing can stand for
		}
	}
	return b.String(), dropped, !first
}

// hideLine is what becomes of one line; false if it may not pass.
func hideLine(line string) (kept string, ok bool) {
	if len(line) < 2 || line[1] != '=' {
		return "", false
	}
	value := line[2:]
	switch line[0] {
	case 'v', 't', 'b':
		return line, plain(value)
	case 's':
		return "s=-", true
	case 'c':
		return "c=" + nowhere, true
	case 'o':
		return hideOrigin(value)
	case 'm':
		return hideMedia(value)
	case 'a':
		return hideAttribute(value)
	default:
		return "", false // contacts, time zones, keys: none of them is for a browser
	}
}

// hideOrigin keeps the numbers of o=: which session, and which version of it.
func hideOrigin(value string) (kept string, ok bool) {
	f := strings.Fields(value)
	if len(f) != 6 || !digits(f[1]) || !digits(f[2]) {
		return "", false
	}
	return "o=- " + f[1] + " " + f[2] + " " + nowhere, true
}

// hideMedia takes the port of the default candidate out of m=. 0 stays, for it
// means that the media is refused.
func hideMedia(value string) (kept string, ok bool) {
	f := strings.Fields(value)
	if len(f) < 4 || !plain(value) {
		return "", false
	}
	if f[1] != "0" {
		f[1] = "9"
	}
	return "m=" + strings.Join(f, " "), true
}

// hideAttribute keeps an attribute that a browser needs and that holds no
// address.
func hideAttribute(attribute string) (kept string, ok bool) {
	name, value, _ := strings.Cut(attribute, ":")
	switch name {
	case "candidate":
		relayed, ok := relayedCandidate(value)
		return "a=candidate:" + relayed, ok
	case "rtcp":
		return "a=rtcp:9 " + nowhere, true
	case "fingerprint":
		return "a=" + attribute, fingerprint(value)
	default:
		return "a=" + attribute, known(name) && plain(attribute)
	}
}

// known tells whether an attribute is one of those that browsers write (RFC
// 8829, RFC 8841, RFC 8866 and what they refer to). Who does not know an
// attribute ignores it (RFC 8866 §5.13): those that are left out cost a feature
// at most.
func known(name string) bool {
	switch name {
	case "group", "mid", "bundle-only", "msid", "msid-semantic", "setup", "tls-id",
		"ice-lite", "ice-options", "ice-pacing", "ice-ufrag", "ice-pwd", "end-of-candidates",
		"sctp-port", "sctpmap", "max-message-size",
		"sendrecv", "sendonly", "recvonly", "inactive",
		"rtcp-mux", "rtcp-mux-only", "rtcp-rsize", "rtcp-fb", "rtpmap", "fmtp", "ptime", "maxptime", "framerate", "imageattr", "content",
		"extmap", "extmap-allow-mixed", "ssrc", "ssrc-group", "rid", "simulcast":
		return true
	default:
		return false
	}
}

// fingerprint tells whether value is that of a=fingerprint (RFC 8122 §5): the
// one thing that looks like an IPv6 address and is none.
func fingerprint(value string) bool {
	const shortest = 16 // bytes: MD5, which nobody uses any more
	hash, hexes, found := strings.Cut(value, " ")
	if !found || !plain(hash) {
		return false
	}
	bytes := strings.Split(hexes, ":")
	for _, b := range bytes {
		if len(b) != 2 || strings.Trim(b, "0123456789abcdefABCDEF") != "" {
			return false
		}
	}
	return len(bytes) >= shortest
}

// plain tells whether a text is ASCII that prints, and no address stands
// anywhere in it, be it in part of a word, nor the name of a host on the local
// network (mDNS, RFC 6762 §3).
func plain(text string) bool {
	const ip6 = 7        // colons of an address without ::
	dots, colons := 0, 0 // in the part of a number, or of hexadecimal ones, that ends here
	for i := range len(text) {
		c := text[i]
		if c < ' ' || c > '~' {
			return false
		}
		number := c >= '0' && c <= '9'
		hex := number || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
		before := byte(' ')
		if i > 0 {
			before = text[i-1]
		}
		switch {
		case c == '.' && before >= '0' && before <= '9':
			dots++
		case !number:
			dots = 0
		case dots >= 3:
			return false
		}
		switch {
		case c == ':' && before == ':':
			return false
		case c == ':':
			colons++
		case !hex:
			colons = 0
		}
		if colons >= ip6 {
			return false
		}
	}
	return !strings.Contains(strings.ToLower(text), ".local")
}
