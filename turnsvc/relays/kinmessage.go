package relays

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
)

// MaxKinMessage bounds a message between processes of one server, in bytes.
const MaxKinMessage = 1 << 20

const (
	// maxKinEntries bounds the users, and the sources, in one message.
	maxKinEntries = 1024
	// maxKinRelays bounds the rooms of which one message says what their members hold.
	maxKinRelays = 128
	// maxUser bounds the name of a user, in bytes: that of a USERNAME, RFC 8489 §14.3.
	maxUser = 508
	// maxKinAt bounds the addresses that a process relays at.
	maxKinAt = 64
)

// The kinds of messages between processes of one server.
const (
	kinHoldings  = "held"
	kinRelays    = "relays"
	kinSpent     = "spent"
	kinTotal     = "total"
	kinIntroduce = "introduce"
	kinJoin      = "join"
	kinEnd       = "end"
	kinEndUser   = "user"
	kinEndFrom   = "from"
)

// A kinMessage is what one process tells another. Which fields count depends on the
// kind.
type kinMessage struct {
	Kind string     `json:"k"`
	Room string     `json:"r,omitempty"`
	To   string     `json:"t,omitempty"` // join: the room that it becomes part of
	Side string     `json:"s,omitempty"` // introduce: of Room
	Addr netip.Addr `json:"a,omitzero"`  // introduce: where the partner came from
	User string     `json:"u,omitempty"` // user: who has ended

	Network netip.Prefix `json:"f,omitzero"` // from: whose clients have

	Rooms []roomRelays `json:"l,omitempty"` // relays

	All     int                  `json:"n,omitempty"` // held: allocations
	At      []netip.Addr         `json:"p,omitempty"` // held: what the sender relays at
	Users   map[string]int       `json:"o,omitempty"` // held: allocations of users; 0: no more
	Sources map[netip.Prefix]int `json:"c,omitempty"` // held: the same of sources
	Whole   bool                 `json:"w,omitempty"` // held: what was told before is over

	Month string `json:"m,omitempty"` // spent, total
	Bytes int64  `json:"b,omitempty"` // the same
}

// roomRelays is all that the members of a room hold at the sender.
type roomRelays struct {
	Room    string    `json:"r"`
	Relayed []relayed `json:"l,omitempty"`
}

// parts are messages that tell the same and fit.
func (m *kinMessage) parts() (list []*kinMessage) {
	first := *m
	first.Users, first.Sources = nil, nil
	list = append(list, &first)
	part := func(i int) *kinMessage {
		for len(list) <= i {
			next := first
			next.Whole = false
			list = append(list, &next)
		}
		return list[i]
	}
	for i, keys := range slices.Collect(slices.Chunk(slices.Collect(maps.Keys(m.Users)), maxKinEntries)) {
		part(i).Users = only(m.Users, keys)
	}
	for i, keys := range slices.Collect(slices.Chunk(slices.Collect(maps.Keys(m.Sources)), maxKinEntries)) {
		part(i).Sources = only(m.Sources, keys)
	}
	return list
}

func only[K comparable](all map[K]int, keys []K) map[K]int {
	some := map[K]int{}
	for _, key := range keys {
		some[key] = all[key]
	}
	return some
}

var errKinMessage = errors.New("not a message between processes")

// parseKin reads a message and holds it to the limits: the other process may be of
// another version.
func parseKin(text []byte) (m kinMessage, err error) {
	if len(text) > MaxKinMessage {
		return m, fmt.Errorf("%w: longer than %d bytes", errKinMessage, MaxKinMessage)
	}
	if err := json.Unmarshal(text, &m); err != nil {
		return kinMessage{}, fmt.Errorf("%w: %v", errKinMessage, err) //nolint:errorlint // nobody decides by it
	}
	names := &message{Room: m.Room, To: m.To, Side: m.Side}
	if !names.sane() || len(m.Rooms) > maxKinRelays || len(m.User) > maxUser || m.Kind == kinEndFrom && !m.Network.IsValid() || len(m.At) > maxKinAt || len(m.Users) > maxKinEntries || len(m.Sources) > maxKinEntries {
		return kinMessage{}, fmt.Errorf("%w: %q with something that cannot be", errKinMessage, m.Kind)
	}
	for _, r := range m.Rooms {
		if r.Room == "" || !(&message{Room: r.Room, Relayed: r.Relayed}).sane() {
			return kinMessage{}, fmt.Errorf("%w: relays that cannot be", errKinMessage)
		}
	}
	for user := range m.Users {
		if len(user) > maxUser {
			return kinMessage{}, fmt.Errorf("%w: the name of a user is too long", errKinMessage)
		}
	}
	return m, nil
}

// text is the message as it is sent.
func (m *kinMessage) text() []byte {
	text, err := json.Marshal(m)
	if err != nil {
		panic("relays: a message is not JSON: " + err.Error())
	}
	return text
}
