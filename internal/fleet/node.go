package fleet

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// format is the version of what a node writes. A later one may have more fields,
// which older nodes pass over; it is another number only if they must not read it.
const format = 1

// Bounds of what a node says of itself.
const (
	maxText = 256 // bytes of a URL, a region, a version, a role
	maxList = 32  // URLs, addresses, roles, secrets
)

// Announcement is what a node says of itself, each second anew.
type Announcement struct {
	Version string   `json:"version,omitzero"` // of the program
	Roles   []string `json:"roles,omitzero"`   // what this node does; empty: everything

	TURN           []string     `json:"turn,omitzero"`            // URLs of its relay, as in iceServers; empty: it has none
	Relays         []netip.Addr `json:"relays,omitzero"`          // the addresses that its relay sends from
	Allocations    int          `json:"allocations,omitzero"`     // in use
	MaxAllocations int          `json:"max_allocations,omitzero"` // 0: no limit
	OverBudget     bool         `json:"over_budget,omitzero"`     // what may be relayed is used up
	TURNDraining   bool         `json:"turn_draining,omitzero"`   // its relay takes nothing new
	Draining       bool         `json:"draining,omitzero"`        // it ends soon: nothing new for it

	Online  int `json:"online,omitzero"`  // visitors connected there
	Waiting int `json:"waiting,omitzero"` // of them, those who wait for somebody

	// What Fingerprint makes of the secrets, the one first that is used for what is new.
	RoomSecrets []string `json:"room_secrets,omitzero"`
	TURNSecrets []string `json:"turn_secrets,omitzero"`
}

// Node is one node that lives. Its slices are shared: read them only.
type Node struct {
	ID     string    // given by the operator
	Epoch  string    // of this start of it
	URL    string    // where clients reach it itself; empty: only by the load balancer
	Region string    // empty: none
	Since  time.Time // when it came, by the clock of Redis; zero for this node before Redis heard of it
	Heard  time.Time // when it said what follows, by our clock; zero for this node
	Self   bool      // this one
	Announcement
}

// written is a node as it stands in Redis.
type written struct {
	Format int    `json:"v"`
	URL    string `json:"url,omitzero"`
	Region string `json:"region,omitzero"`
	Announcement
}

// errNode is a node that cannot be one.
var errNode = errors.New("no node")

// encode is what a node writes.
func encode(n Node) ([]byte, error) {
	w := written{Format: format, URL: n.URL, Region: n.Region, Announcement: n.Announcement}
	if !w.sound() {
		return nil, fmt.Errorf("it says more of itself than the others would read: at most %d URLs, addresses, roles or secrets, of %d bytes each", maxList, maxText)
	}
	text, err := json.Marshal(w)
	if err == nil && len(text) > maxAnnounce {
		err = fmt.Errorf("it says %d bytes of itself, of which the others would read %d", len(text), maxAnnounce)
	}
	return text, err
}

// decode reads what a node wrote. The field in Redis is its id and its epoch.
func decode(field, text string) (Node, error) {
	id, epoch, found := cutField(field)
	if !found || len(text) > maxAnnounce {
		return Node{}, errNode
	}
	var w written
	if err := json.Unmarshal([]byte(text), &w); err != nil || w.Format != format || !w.sound() {
		return Node{}, errNode
	}
	return Node{ID: id, Epoch: epoch, URL: w.URL, Region: w.Region, Announcement: w.Announcement}, nil
}

// sound reports whether everything is within its bounds.
func (w written) sound() bool {
	for _, list := range [][]string{{w.URL, w.Region, w.Version}, w.Roles, w.TURN, w.RoomSecrets, w.TURNSecrets} {
		if len(list) > maxList {
			return false
		}
		for _, text := range list {
			if len(text) > maxText {
				return false
			}
		}
	}
	return len(w.Relays) <= maxList && min(w.Allocations, w.MaxAllocations, w.Online, w.Waiting) >= 0
}
