//go:build !js

package peer

import (
	"net/netip"

	"github.com/pion/webrtc/v4"
)

// Ends are the two candidates between which the frames of a chat travel, as ICE of
// this side names them.
type Ends struct{ Local, Remote End }

// End is one of them.
type End struct {
	Type  string     // host, srflx, prflx or relay (RFC 8445 §5.1.1); a partner's relay may be prflx here
	Addr  netip.Addr // its address
	Base  netip.Addr // what it was derived from (raddr, RFC 8839 §5.1): of a relay of ours, the address from which we reach the server
	Relay string     // how we reach our relay: udp, tcp or tls; else empty
}

// Ends tells which candidates are in use; false if there are none now.
// It is for who measures; the browser has getStats for that, and this is not in the client.
func (c *Chat) Ends() (Ends, bool) {
	l, ok := c.line.transport.(*link)
	if !ok {
		return Ends{}, false
	}
	now := l.carrier()
	if now == nil {
		return Ends{}, false
	}
	ice := now.pc.SCTP().Transport().ICETransport()
	selected, err := ice.GetSelectedCandidatePair()
	if err != nil || selected == nil || selected.Local == nil || selected.Remote == nil {
		return Ends{}, false
	}
	ends := Ends{Local: endOf(selected.Local), Remote: endOf(selected.Remote)}
	if stats, ok := ice.GetSelectedCandidatePairStats(); ok && ends.Local.Type == candidateRelay {
		local, _ := now.pc.GetStats()[stats.LocalCandidateID].(webrtc.ICECandidateStats)
		ends.Local.Relay = local.RelayProtocol
	}
	return ends, true
}

func endOf(candidate *webrtc.ICECandidate) End {
	end := End{Type: candidate.Typ.String()}
	end.Addr, _ = netip.ParseAddr(candidate.Address) // an mDNS name is none
	end.Base, _ = netip.ParseAddr(candidate.RelatedAddress)
	return end
}
