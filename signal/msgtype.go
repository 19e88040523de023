package signal

import (
	"bytes"
	"encoding/json"
	"strings"
	"unicode/utf8"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// typeOf is the type of a message; false if it is no JSON object in UTF-8 with
// exactly one.
//
// Exactly one, because what is passed on byte for byte is read again by the
// other one: {"type":"offer","type":"iceServers"} would be an offer to us and,
// to him, a message of the server. Names that differ in case count as the same,
// for encoding/json reads them so. And UTF-8, because a browser closes a
// WebSocket on which anything else comes as text (RFC 6455 §8.1).
func typeOf(text []byte) (string, bool) {
	if !utf8.Valid(text) || !json.Valid(text) {
		return "", false
	}
	text = bytes.TrimLeft(text, " \t\r\n")
	if text[0] != '{' {
		return "", false
	}
	value, found := onlyType(text)
	if !found || value[0] != '"' {
		return "", false
	}
	raw := value[1 : stringEnd(value)-1]
	for _, known := range []string{wire.SignalCandidate, wire.SignalPong, wire.SignalOffer, wire.SignalAnswer} {
		if string(raw) == known {
			return known, true
		}
	}
	typ := unquote(value[:len(raw)+2])
	return typ, typ != ""
}

// onlyType finds the value of "type" in an object of valid JSON, and what
// follows it; false if there is none, or another name that could pass for it.
func onlyType(object []byte) (value []byte, found bool) {
	depth, name := 0, false // name: the next string is one of the object itself
	for i := 0; i < len(object); i++ {
		switch object[i] {
		case '{', '[':
			depth++
			name = i == 0
		case '}', ']':
			depth--
		case ',':
			name = depth == 1
		case '"':
			end := i + stringEnd(object[i:])
			if name && isType(object[i:end]) {
				if found || string(object[i:end]) != `"type"` {
					return nil, false
				}
				found = true
				value = bytes.TrimLeft(object[end:], ": \t\r\n")
			}
			name = false
			i = end - 1
		}
	}
	return value, found
}

// isType tells whether a quoted name could be taken for "type".
func isType(quoted []byte) bool {
	if bytes.IndexByte(quoted, '\\') < 0 {
		return len(quoted) == len(`"type"`) && bytes.EqualFold(quoted, []byte(`"type"`))
	}
	return strings.EqualFold(unquote(quoted), "type")
}

// stringEnd is the length of the quoted string with which text begins.
func stringEnd(text []byte) int {
	end := 1
	for {
		end += bytes.IndexByte(text[end:], '"') + 1
		escapes := 0
		for text[end-2-escapes] == '\\' {
			escapes++
		}
		if escapes%2 == 0 {
			return end
		}
	}
}

func unquote(quoted []byte) (text string) {
	_ = json.Unmarshal(quoted, &text) // it is valid JSON, and a string
	return text
}
