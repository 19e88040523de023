package signal

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"strings"

	"github.com/wasmp2pchat/wasmp2pchat/internal/wsconn"
	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// What a member says that has announced wire.ExtRelayOnly is read, and written
// anew from what was understood: an address that is not looked for in the right
// place cannot pass. The client is honest, and helps to hide itself; but
// browsers differ in what they write, and where.

// maxHidden is how long a message may be when its addresses are taken out.
const maxHidden = wire.MaxMessageBytes

// hidden is what is left of a message without the addresses of its sender.
type hidden struct {
	text    []byte // nil: nothing, it was a candidate that says where he is
	dropped int    // candidates
}

// hide takes the sender's addresses out of an offer, an answer or a candidate;
// false if it cannot be read, for then nobody knows what is in it.
func hide(typ string, text []byte) (h hidden, ok bool) {
	var message map[string]json.RawMessage // names as JavaScript takes them: by their case, and the last one of several
	if json.Unmarshal(text, &message) != nil {
		return h, false
	}
	var out any
	if typ == wire.SignalCandidate {
		out, h.dropped, ok = hideTrickled(message["ice"])
	} else {
		out, h.dropped, ok = hideDescription(typ, message["sdp"], message["offer"])
	}
	if !ok || out == nil {
		return h, ok
	}
	h.text = bytes.TrimSuffix(wsconn.JSON(out), []byte("\n"))
	return h, len(h.text) <= maxHidden
}

// hideDescription rewrites an offer or an answer.
func hideDescription(typ string, raw, number json.RawMessage) (out any, dropped int, ok bool) {
	sdp, ok := textOf(raw)
	if !ok {
		return nil, 0, false
	}
	var offer *int
	if !optional(number, &offer) {
		return nil, 0, false
	}
	d := wire.Description{Type: typ}
	if offer != nil {
		d.Offer = *offer
	}
	d.SDP, dropped, ok = hideSDP(sdp)
	return d, dropped, ok
}

// trickled is a candidate message (RFC 8838). What was not there, or null, is
// left out; Ayame's SDK ends with an ice that is null.
type trickled struct {
	Type string        `json:"type"`
	ICE  *iceCandidate `json:"ice"`
}

// iceCandidate is wire.ICECandidate, of which a client may have left out some.
type iceCandidate struct {
	Candidate        string  `json:"candidate"`
	SDPMid           *string `json:"sdpMid,omitempty"`
	SDPMLineIndex    *uint16 `json:"sdpMLineIndex,omitempty"`
	UsernameFragment *string `json:"usernameFragment,omitempty"`
}

// hideTrickled rewrites a candidate; nil if it is none that may be told. An
// empty one is the end of candidates, and says nothing.
func hideTrickled(raw json.RawMessage) (out any, dropped int, ok bool) {
	if raw == nil {
		return nil, 0, false
	}
	var ice map[string]json.RawMessage
	if json.Unmarshal(raw, &ice) != nil {
		return nil, 0, false
	}
	if ice == nil {
		return trickled{Type: wire.SignalCandidate}, 0, true
	}
	line, isText := textOf(ice["candidate"])
	c := new(iceCandidate)
	if !isText || !optional(ice["sdpMid"], &c.SDPMid) || !optional(ice["sdpMLineIndex"], &c.SDPMLineIndex) ||
		!optional(ice["usernameFragment"], &c.UsernameFragment) || !harmless(c.SDPMid) || !harmless(c.UsernameFragment) {
		return nil, 0, false
	}
	line = strings.TrimPrefix(strings.TrimSpace(line), "a=")
	if value := strings.TrimPrefix(line, "candidate:"); value != "" {
		relayed, ok := relayedCandidate(value)
		if !ok {
			return nil, 1, true
		}
		c.Candidate = "candidate:" + relayed
	}
	return trickled{Type: wire.SignalCandidate, ICE: c}, 0, true
}

// textOf reads a JSON string; there has to be one.
func textOf(raw json.RawMessage) (text string, ok bool) {
	if len(raw) == 0 || raw[0] != '"' {
		return "", false
	}
	return text, json.Unmarshal(raw, &text) == nil
}

// optional reads a value that may be missing, or null.
func optional[T any](raw json.RawMessage, value **T) (ok bool) {
	return raw == nil || json.Unmarshal(raw, value) == nil
}

// harmless tells whether a text may be passed on as it is.
func harmless(text *string) bool { return text == nil || plain(*text) }

// relayedCandidate rewrites what follows "candidate:", if it is of a relayed
// one:
//
//	foundation component transport priority address port "typ" "relay" …
//
// Its address is the relay's own. The related address is where the relay sees
// the client: it becomes 0.0.0.0 or ::, and port 9 (RFC 8839 §5.1). Of what may
// follow, only what says to which negotiation it belongs is kept.
func relayedCandidate(value string) (line string, ok bool) {
	const parts = 8
	f := strings.Fields(value)
	if len(f) < parts || f[6] != "typ" || !strings.EqualFold(f[7], "relay") {
		return "", false
	}
	addr, err := netip.ParseAddr(f[4])
	if err != nil || addr.Zone() != "" || !iceChars(f[0]) || !digits(f[1]) || !iceChars(f[2]) || !digits(f[3]) || !digits(f[5]) {
		return "", false
	}
	related := "0.0.0.0"
	if addr.Is6() {
		related = "::"
	}
	out := []string{f[0], f[1], f[2], f[3], addr.String(), f[5], "typ", "relay", "raddr", related, "rport", "9"}
	for more := f[parts:]; len(more) >= 2; more = more[2:] {
		if name := more[0]; (name == "generation" || name == "ufrag") && iceChars(more[1]) {
			out = append(out, name, more[1])
		}
	}
	return strings.Join(out, " "), true
}

// digits tells whether s is a number that fits into 64 bits.
func digits(s string) bool {
	const most = 20
	return s != "" && len(s) <= most && strings.Trim(s, "0123456789") == ""
}

// iceChars tells whether s consists of ice-char (RFC 8839 §5.1), in which no
// address can be written.
func iceChars(s string) bool {
	const most = 256
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '+' && c != '/' {
			return false
		}
	}
	return s != "" && len(s) <= most
}
