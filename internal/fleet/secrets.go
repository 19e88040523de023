package fleet

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
)

// Fingerprint tells a secret from another without being of use to who reads it:
// the first 8 bytes, in hex, of the HMAC-SHA256 of a fixed text with the secret as
// its key. Whoever can read Redis can try guesses on it, so it is for secrets that
// cannot be guessed.
func Fingerprint(secret []byte) string {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte("wasmp2pchat: the fingerprint of a secret, for the other nodes"))
	return hex.EncodeToString(mac.Sum(nil)[:8])
}

// Differences says in words which nodes have other secrets than this one, a line
// for each difference; none if a visitor can go from any to any. While a secret is
// being replaced nodes may differ in which one is first, as long as every one knows
// those that the others use.
func (f *Fleet) Differences() []string { return differences(f.Nodes()) }

func differences(nodes []Node) (lines []string) {
	i := slices.IndexFunc(nodes, func(n Node) bool { return n.Self })
	if i < 0 {
		return nil
	}
	self := nodes[i]
	for _, n := range nodes {
		if n.Self {
			continue
		}
		for _, s := range []struct {
			what         string
			ours, theirs []string
			thing        string
		}{
			{"ROOM_SECRET", self.RoomSecrets, n.RoomSecrets, "rooms"},
			{"TURN_SECRET", self.TURNSecrets, n.TURNSecrets, "TURN credentials"},
		} {
			if len(s.ours) == 0 || len(s.theirs) == 0 {
				continue // one of them does not do that
			}
			here, there := slices.Contains(s.ours, s.theirs[0]), slices.Contains(s.theirs, s.ours[0])
			switch {
			case !here && !there:
				lines = append(lines, fmt.Sprintf("node %s has another %s than this node: %s of either are refused by the other; give both the same", n.ID, s.what, s.thing))
			case !here:
				lines = append(lines, fmt.Sprintf("node %s uses a %s that this node does not know: its %s are refused here; add it to this node", n.ID, s.what, s.thing))
			case !there:
				lines = append(lines, fmt.Sprintf("this node uses a %s that node %s does not know: our %s are refused there; add it to that node", s.what, n.ID, s.thing))
			}
		}
	}
	return lines
}
