package peer

import "strings"

// plausible tells whether an SDP describes what a chat needs and nothing else:
// one DataChannel section (RFC 8841 §4). A hostile one could have us prepare
// to receive a thousand tracks.
func plausible(sdp string) bool {
	sections := 0
	for line := range strings.Lines(sdp) {
		if strings.HasPrefix(line, "m=") {
			if sections++; sections > 1 || !strings.HasPrefix(line, "m=application ") {
				return false
			}
		}
	}
	return sections == 1
}

// sessionOf names the PeerConnection that an SDP is of: its origin without the
// version and the address (RFC 8866 §5.2), which stays the same through all
// offers and answers of one PeerConnection (RFC 8829 §5.2.2).
func sessionOf(sdp string) string {
	for line := range strings.Lines(sdp) {
		if origin, ok := strings.CutPrefix(line, "o="); ok {
			if fields := strings.Fields(origin); len(fields) >= 2 {
				return fields[0] + " " + fields[1]
			}
		}
	}
	return "?"
}

// ufragOf is the ICE user name fragment in an SDP (RFC 8839 §5.4); empty if it
// has none.
func ufragOf(sdp string) string { return attributeOf(sdp, "a=ice-ufrag:") }

// setupOf is the part that an SDP claims in DTLS (RFC 8842 §5): actpass in an
// offer, active or passive in an answer.
func setupOf(sdp string) string { return attributeOf(sdp, "a=setup:") }

// attributeOf is the first value of an attribute.
func attributeOf(sdp, prefix string) string {
	for line := range strings.Lines(sdp) {
		if value, ok := strings.CutPrefix(line, prefix); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// candidatesOf are the candidates within an SDP.
func candidatesOf(sdp string) (found []string) {
	for line := range strings.Lines(sdp) {
		if candidate, ok := strings.CutPrefix(strings.TrimSpace(line), "a=candidate:"); ok {
			found = append(found, "candidate:"+candidate)
		}
	}
	return found
}
