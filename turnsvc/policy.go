package turnsvc

import (
	"errors"
	"fmt"
)

var errPeerPolicy = errors.New("room, public or any")

// PeerPolicy says whom the relay may talk to.
type PeerPolicy uint8

// The policies.
const (
	// PeersRoom allows the other member of the room only: his relayed addresses
	// on this server, and the addresses from which he was seen to come. It takes
	// a credential with Claims. Before he is known, by a tag or by Introduce, and
	// has an allocation, it allows nobody.
	PeersRoom PeerPolicy = iota
	// PeersPublic allows every address that is public: in no range that IANA
	// reserved for a special purpose, and not this machine.
	PeersPublic
	// PeersAny allows every address; only the server's own ports stay out of
	// reach. For tests: it opens the server's network to strangers.
	PeersAny
)

// String is the name of the policy in settings: "room", "public" or "any".
func (p PeerPolicy) String() string {
	switch p {
	case PeersRoom:
		return "room"
	case PeersPublic:
		return "public"
	case PeersAny:
		return "any"
	}
	return fmt.Sprintf("policy %d", uint8(p))
}

// MarshalText is String, for settings and flags.
func (p PeerPolicy) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads the name of a policy.
func (p *PeerPolicy) UnmarshalText(text []byte) error {
	for _, known := range []PeerPolicy{PeersRoom, PeersPublic, PeersAny} {
		if string(text) == known.String() {
			*p = known
			return nil
		}
	}
	return fmt.Errorf("peer policy %q: %w", text, errPeerPolicy)
}
