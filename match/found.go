package match

import (
	"bytes"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/wsconn"
	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// appendFound writes a MATCH as encoding/json would (wsconn.JSON), in a tenth of
// the time: it is what the server says most, to everybody who finds somebody,
// and in a rush of visitors it is a twelfth of what a pair costs. It knows the
// fields of a MATCH only.
func appendFound(b []byte, m *wire.MatchMessage) []byte {
	b = append(b, `{"type":`...)
	b = appendText(b, m.Type)
	b = appendField(b, "room_id", m.RoomID)
	b = appendField(b, "user_id", m.UserID)
	b = appendTime(b, "created_at", m.CreatedAt)
	if len(m.Tags) > 0 {
		b = appendTexts(append(b, `,"tags":`...), m.Tags)
	}
	if len(m.ICEServers) > 0 {
		b = appendServers(append(b, `,"iceServers":`...), m.ICEServers)
	}
	b = appendTime(b, "expires_at", m.ExpiresAt)
	b = appendField(b, "signaling_url", m.SignalingURL)
	b = appendField(b, "role", m.Role)
	return append(b, "}\n"...)
}

func appendServers(b []byte, servers []wire.ICEServer) []byte {
	between := byte('[')
	for i := range servers {
		b = appendTexts(append(append(b, between), `{"urls":`...), servers[i].URLs)
		b = appendField(b, "username", servers[i].Username)
		b = appendField(b, "credential", servers[i].Credential)
		b = append(b, '}')
		between = ','
	}
	return append(b, ']')
}

// appendField writes a member of an object, but an empty one.
func appendField(b []byte, name, value string) []byte {
	if value == "" {
		return b
	}
	return appendText(appendName(b, name), value)
}

func appendTime(b []byte, name string, t time.Time) []byte {
	if t.IsZero() {
		return b
	}
	b = append(appendName(b, name), '"')
	return append(t.AppendFormat(b, time.RFC3339Nano), '"')
}

func appendName(b []byte, name string) []byte {
	return append(append(append(b, `,"`...), name...), `":`...)
}

func appendTexts(b []byte, texts []string) []byte {
	if texts == nil {
		return append(b, "null"...)
	}
	b = append(b, '[')
	for i, text := range texts {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendText(b, text)
	}
	return append(b, ']')
}

// appendText writes a string; what has to be escaped in it is left to
// encoding/json.
func appendText(b []byte, text string) []byte {
	if !plain(text) {
		return append(b, bytes.TrimSuffix(wsconn.JSON(text), []byte("\n"))...)
	}
	return append(append(append(b, '"'), text...), '"')
}
