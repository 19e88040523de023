package swarm

import "bytes"

// field finds the text of a field by its quoted name, such as `"type"`. It
// takes the first such field at whatever depth, and no text with escapes: the
// fields that are looked for here have none. Nil means that there is none.
func field(message []byte, quoted string) []byte {
	for rest := message; ; {
		i := bytes.Index(rest, []byte(quoted))
		if i < 0 {
			return nil
		}
		rest = rest[i+len(quoted):]
		value := skipSpace(rest)
		if len(value) == 0 || value[0] != ':' {
			continue // it was a value, not a name
		}
		value = skipSpace(value[1:])
		if len(value) == 0 || value[0] != '"' {
			return nil
		}
		end := bytes.IndexByte(value[1:], '"')
		if end < 0 || bytes.IndexByte(value[1:end+1], '\\') >= 0 {
			return nil
		}
		return value[1 : end+1]
	}
}

func skipSpace(b []byte) []byte { return bytes.TrimLeft(b, " \t\r\n") }

// isTrue tells whether a field, by its quoted name, is true.
func isTrue(message []byte, quoted string) bool {
	_, rest, found := bytes.Cut(message, []byte(quoted))
	if !found {
		return false
	}
	rest, colon := bytes.CutPrefix(skipSpace(rest), []byte(":"))
	return colon && bytes.HasPrefix(skipSpace(rest), []byte("true"))
}
