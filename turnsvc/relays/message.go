package relays

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"

	"github.com/wasmp2pchat/wasmp2pchat/turnsvc"
)

// MaxMessage bounds a message, in bytes.
const MaxMessage = 4 << 10

// What is in a message, at most.
const (
	maxName    = 63  // bytes of the name of a room or a node
	maxNodes   = 4   // that the members of one room are at, beside this one
	maxEnds    = 128 // rooms that have ended, in one message
	entryBytes = keyBytes + countBytes
	maxCounts  = 256 // entries
)

// The kinds of messages. Others are of a newer program, and passed over.
const (
	kindRelays    = "relays"
	kindLink      = "link"
	kindIntroduce = "introduce"
	kindJoin      = "join"
	kindEnd       = "end"
	kindCounts    = "counts"
)

// A message is what one node tells another. Which fields count depends on the kind.
type message struct {
	Kind  string     `json:"k"`
	Room  string     `json:"r,omitempty"`
	To    string     `json:"t,omitempty"` // join: the room that it becomes part of
	Side  string     `json:"s,omitempty"` // introduce, join: of Room
	Addr  netip.Addr `json:"a,omitzero"`  // introduce, join: where the partner came from
	Nodes []string   `json:"n,omitempty"` // link, join: where members of the room are

	Relayed []relayed `json:"l,omitempty"`

	Rooms []string `json:"e,omitempty"` // end

	Whole  bool   `json:"f,omitempty"` // counts: the first part of all
	Done   bool   `json:"d,omitempty"` // counts: the last part of all; what was known before is over
	Counts []byte `json:"c,omitempty"` // entries of counts.go
}

// relayed is a turnsvc.Relayed.
type relayed struct {
	Room   string         `json:"r,omitempty"` // empty: that of the message
	Side   string         `json:"s"`
	At     netip.AddrPort `json:"a"`
	Client netip.Addr     `json:"c,omitzero"`
}

var errMessage = errors.New("not a message between relays")

// parse reads a message and holds it to the limits. Nodes believe one another, but
// not blindly: they may be of different versions, and share the bus with others.
func parse(text []byte) (m message, err error) {
	if len(text) > MaxMessage {
		return m, fmt.Errorf("%w: longer than %d bytes", errMessage, MaxMessage)
	}
	if err := json.Unmarshal(text, &m); err != nil {
		return message{}, fmt.Errorf("%w: %v", errMessage, err) //nolint:errorlint // nobody decides by it
	}
	if !m.sane() {
		return message{}, fmt.Errorf("%w: %q with something that cannot be", errMessage, m.Kind)
	}
	return m, nil
}

func (m *message) sane() bool {
	names := append([]string{m.Room, m.To, m.Side}, m.Nodes...)
	names = append(names, m.Rooms...)
	for _, l := range m.Relayed {
		names = append(names, l.Room, l.Side)
		if !l.At.IsValid() || l.At.Port() == 0 || l.At.Addr().Zone() != "" {
			return false
		}
	}
	for _, name := range names {
		if len(name) > maxName {
			return false
		}
	}
	return len(m.Nodes) <= maxNodes && len(m.Relayed) <= turnsvc.MaxRelayed &&
		len(m.Rooms) <= maxEnds &&
		len(m.Counts)%entryBytes == 0 && len(m.Counts) <= maxCounts*entryBytes
}

// text is the message as it is sent.
func (m *message) text() []byte {
	text, err := json.Marshal(m)
	if err != nil {
		panic("relays: a message is not JSON: " + err.Error())
	}
	return text
}

// asRelayed is the list for a message about room.
func asRelayed(room string, list []turnsvc.Relayed) []relayed {
	out := make([]relayed, 0, len(list))
	for _, l := range list {
		r := relayed{Room: l.Room, Side: l.Side, At: l.At, Client: l.Client}
		if r.Room == room {
			r.Room = ""
		}
		out = append(out, r)
	}
	return out
}

// relayedOf undoes asRelayed.
func (m *message) relayedOf() []turnsvc.Relayed {
	out := make([]turnsvc.Relayed, 0, len(m.Relayed))
	for _, l := range m.Relayed {
		r := turnsvc.Relayed{Room: l.Room, Side: l.Side, At: l.At, Client: l.Client}
		if r.Room == "" {
			r.Room = m.Room
		}
		out = append(out, r)
	}
	return out
}
