package match

import (
	"bytes"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// readRequest reads a request for a partner as clients write it: no spaces, each
// field once, nothing but ASCII, nothing escaped. Of anything else it says that
// encoding/json has to read it, which takes ten times as long: in a rush of
// visitors that is a twelfth of what a pair costs.
func readRequest(text []byte) (r wire.MatchRequest, ok bool) {
	s := scanner{rest: bytes.TrimSuffix(text, []byte("\n"))}
	var user, device, created []byte
	for between := byte('{'); s.skip(between); between = ',' {
		name := s.text()
		if !s.skip(':') {
			return r, false
		}
		switch {
		case string(name) == "user_id" && user == nil:
			user = s.text()
		case string(name) == "device" && device == nil:
			device = s.text()
		case string(name) == "created_at" && created == nil:
			created = s.text()
		case string(name) == "tags" && r.Tags == nil:
			r.Tags = s.texts()
		case string(name) == "ext" && r.Ext == nil:
			r.Ext = s.texts()
		default:
			return r, false
		}
	}
	if s.lost || user == nil || string(s.rest) != "}" || created != nil && r.CreatedAt.UnmarshalText(created) != nil {
		return r, false
	}
	r.UserID, r.Device = string(user), string(device)
	return r, true
}

// scanner takes the simplest JSON apart. Once it has met anything else it is lost.
type scanner struct {
	rest []byte
	lost bool
}

// skip goes past a byte, if it is the next one.
func (s *scanner) skip(c byte) bool {
	if s.lost || len(s.rest) == 0 || s.rest[0] != c {
		return false
	}
	s.rest = s.rest[1:]
	return true
}

// text reads a string; it is never nil unless the scanner is lost.
func (s *scanner) text() []byte {
	if s.skip('"') {
		if end := bytes.IndexByte(s.rest, '"'); end >= 0 {
			text := s.rest[:end:end]
			s.rest = s.rest[end+1:]
			s.lost = !plain(text)
			return text
		}
	}
	s.lost = true
	return nil
}

// texts reads an array of strings.
func (s *scanner) texts() []string {
	texts := []string{}
	if !s.skip('[') {
		s.lost = true
	}
	if s.skip(']') {
		return texts
	}
	for {
		texts = append(texts, string(s.text()))
		if !s.skip(',') {
			break
		}
	}
	s.lost = s.lost || !s.skip(']')
	return texts
}

// plain tells whether a string of JSON means what it says: ASCII without escapes.
func plain[text string | []byte](t text) bool {
	for i := range len(t) {
		if c := t[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}
