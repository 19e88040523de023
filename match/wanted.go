package match

import (
	"net/netip"
	"strings"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// Wanted says for whom ICE servers are minted: one side of a room.
type Wanted struct {
	Room    string     // its name
	Side    wire.Side  // A has waited, B has come
	Hides   bool       // nobody may find out where he is: that counts for what others may reach
	Partner netip.Addr // where the partner came from; not valid if he hides

	// In a fleet; both are empty if there is one node only.
	Relay       string // the node whose relay both use; empty: none can be had
	PartnerNode string // the node that the partner's connection to the lobby is at
}

// wanted is what a visitor wants who is about to be told of a match.
func (v *visitor) wanted(both Meeting) Wanted {
	return Wanted{
		Room: both.RoomName, Side: both.Side, Hides: v.ticket.Hides, Partner: both.Partner.shown(),
		Relay: both.Relay, PartnerNode: both.PartnerNode,
	}
}

// signalingURL is where the two of a room find it: at the node that keeps it, if
// browsers reach that one by a name of its own.
func (l *Lobby) signalingURL(both Meeting) string {
	if both.URL == "" {
		return l.cfg.SignalingURL
	}
	return "ws" + strings.TrimPrefix(strings.TrimSuffix(both.URL, "/"), "http") + "/signaling" // https becomes wss
}
