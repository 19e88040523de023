package relays

import (
	"cmp"
	"hash/fnv"
	"net/netip"
	"slices"
)

// Node is what is known of the relay of one node.
type Node struct {
	ID, Region string
	URLs       []string     // turnsvc.Server.URLs; none: it has no relay, or nobody can come
	At         []netip.Addr // turnsvc.Server.RelayedAt

	Allocations, MaxAllocations int

	Draining bool // takes nobody new
	Spent    bool // its monthly budget is
}

// nearlyFull is how much of MaxAllocations may be in use where somebody is sent: a
// pair takes some fourteen, and what is announced is a second or two old.
const nearlyFull = 15.0 / 16

func (n *Node) load() float64 { return float64(n.Allocations) / float64(max(n.MaxAllocations, 1)) }

// takes reports whether somebody can be sent to the relay, and have so much of it in
// use before.
func (n *Node) takes(most float64) bool {
	return n.ID != "" && hasTURN(n.URLs) && !n.Draining && !n.Spent && n.load() < most
}

// Choose says whose relay the two of a room use, given which node keeps the room: its
// own, if it takes somebody, for then what they tell it and what it tells them goes
// nowhere else; else one of the same region, else any. Of several it is the less
// loaded one of two that the name of the room picks: the same everywhere, and not the
// same one for all rooms until the next announcement. Empty: none takes anybody.
//
// A spare is chosen only with the relay of another node, which may have died in the
// seconds since it was heard of last. Where the room is kept, somebody lives.
func Choose(nodes []Node, home, room string) (relay, spare string) {
	return choose(nodes, home, room, nearlyFull)
}

func choose(nodes []Node, home, room string, most float64) (relay, spare string) {
	region := ""
	for i := range nodes {
		if nodes[i].ID != home {
			continue
		}
		if nodes[i].takes(most) {
			return home, ""
		}
		region = nodes[i].Region
	}
	relay = pick(nodes, region, room, most, "")
	if relay != "" {
		spare = pick(nodes, region, room, most, relay)
	}
	return relay, spare
}

// pick is the one to take from a region or, if nobody there takes anybody, from all.
func pick(nodes []Node, region, room string, most float64, but string) string {
	var near, far []*Node
	for i := range nodes {
		switch n := &nodes[i]; {
		case n.ID == but || !n.takes(most):
		case n.Region == region:
			near = append(near, n)
		default:
			far = append(far, n)
		}
	}
	if len(near) == 0 {
		near = far
	}
	if len(near) == 0 {
		return ""
	}
	slices.SortFunc(near, func(a, b *Node) int {
		return cmp.Or(cmp.Compare(lot(a.ID, room), lot(b.ID, room)), cmp.Compare(a.ID, b.ID))
	})
	return slices.MinFunc(near[:min(len(near), 2)], func(a, b *Node) int { return cmp.Compare(a.load(), b.load()) }).ID
}

// lot is what a node draws for a room.
func lot(node, room string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(room)) // never fails
	_, _ = h.Write([]byte{0})
	_, _ = h.Write([]byte(node))
	sum := h.Sum64()
	sum ^= sum >> 32 // FNV mixes what comes last into the lower half only
	sum *= 0x9E3779B97F4A7C15
	return sum ^ sum>>29
}
