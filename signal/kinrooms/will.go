package kinrooms

import (
	"encoding/binary"
	"errors"
)

// A will says which process keeps which rooms:
//
//	version 1 | as often as need be: length of a name 1 | process | rooms 4 | as many: length 1 | room
//
// Numbers are big-endian. It has maxKept rooms at most.
const willVersion = 1

// maxName is how long the name of a process or a room may be, in bytes.
const maxName = 128

var errWill = errors.New("no will of rooms")

// appendWill appends a will: who keeps what.
func appendWill(b []byte, all map[string][]string) []byte {
	left := maxKept
	b = append(b, willVersion)
	for node, rooms := range all {
		rooms = rooms[:min(len(rooms), left)]
		left -= len(rooms)
		b = append(append(b, byte(len(node))), node...)
		b = binary.BigEndian.AppendUint32(b, uint32(len(rooms)))
		for _, room := range rooms {
			b = append(append(b, byte(len(room))), room...)
		}
	}
	return b
}

// parseWill reads a will. Of one that cannot be read to its end, what comes before
// counts.
func parseWill(b []byte) (all map[string][]string, err error) {
	if len(b) == 0 || b[0] != willVersion {
		return nil, errWill
	}
	all = map[string][]string{}
	for b = b[1:]; len(b) > 0; {
		node, rest, ok := cutName(b)
		if !ok || len(rest) < 4 {
			return all, errWill
		}
		n := binary.BigEndian.Uint32(rest)
		b = rest[4:]
		for range n {
			room, rest, ok := cutName(b)
			if !ok {
				return all, errWill
			}
			all[node], b = append(all[node], room), rest
		}
	}
	return all, nil
}

// cutName cuts a name with its length off.
func cutName(b []byte) (name string, rest []byte, ok bool) {
	if len(b) == 0 || b[0] == 0 || int(b[0]) > maxName || len(b) < 1+int(b[0]) {
		return "", nil, false
	}
	return string(b[1 : 1+b[0]]), b[1+int(b[0]):], true
}
