//go:build !js

package peer

import (
	"context"
	"net/netip"
	"net/url"
	"strconv"
	"time"

	"github.com/pion/webrtc/v4"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// prflxWait is how long ICE looks for something better than a path to an
// address that was not signaled. It is pion's 1 s by default, but the first
// check is often just faster than the signaling of its candidate.
const prflxWait = 200 * time.Millisecond

// listeners are the callbacks that go past pion: none here.
type listeners struct{}

func (listeners) release() {}

// newPeerConnection starts no goroutine and opens no socket yet.
func newPeerConnection(cfg Config, search Search, servers []wire.ICEServer) (*webrtc.PeerConnection, error) {
	var settings webrtc.SettingEngine
	settings.SetPrflxAcceptanceMinWait(prflxWait)
	// A server on this machine is a trial: the partner is here as well, maybe
	// with no network at all. To others, loopback candidates are of no use.
	settings.SetIncludeLoopbackCandidate(isLoopback(cfg.URL))
	return webrtc.NewAPI(webrtc.WithSettingEngine(settings)).NewPeerConnection(configuration(search, servers))
}

// isLoopback tells whether the server is on this machine.
func isLoopback(base string) bool {
	u, err := url.Parse(base)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(u.Hostname())
	return u.Hostname() == "localhost" || err == nil && ip.IsLoopback()
}

// listenCandidates hands over our candidates as they are found.
func (l *link) listenCandidates() {
	l.pc.OnICECandidate(func(found *webrtc.ICECandidate) {
		if found == nil { // that was the last one
			return
		}
		init := found.ToJSON()
		candidate := wire.ICECandidate{Candidate: init.Candidate}
		if init.SDPMid != nil {
			candidate.SDPMid = *init.SDPMid
		}
		if init.SDPMLineIndex != nil {
			candidate.SDPMLineIndex = *init.SDPMLineIndex
		}
		select {
		case l.local <- candidate:
		default:
		}
	})
}

// listenFrames hands over the frames that come on a DataChannel.
func (l *link) listenFrames(channel *webrtc.DataChannel) {
	channel.OnMessage(func(message webrtc.DataChannelMessage) {
		if message.IsString && len(message.Data) <= wire.MaxFrameBytes {
			l.take(string(message.Data))
		}
	})
}

// measure asks ICE for the pair that it selected.
func (l *link) measure(context.Context) (pair, bool) {
	selected, ok := l.pc.SCTP().Transport().ICETransport().GetSelectedCandidatePairStats()
	if !ok {
		return pair{}, false
	}
	report := l.pc.GetStats()
	local, _ := report[selected.LocalCandidateID].(webrtc.ICECandidateStats)
	remote, _ := report[selected.RemoteCandidateID].(webrtc.ICECandidateStats)
	return pair{
		localType:     local.CandidateType.String(),
		relayProtocol: local.RelayProtocol,
		remoteType:    remote.CandidateType.String(),
		remoteAddress: addressPort(remote.IP, strconv.Itoa(int(remote.Port))),
		rtt:           time.Duration(selected.CurrentRoundTripTime * float64(time.Second)),
	}, true
}

// closeChannel begins to close the DataChannel.
func (l *link) closeChannel() { _ = l.channel.Close() }

// closeConnection returns when no goroutine of pion is left.
func (l *link) closeConnection() { _ = l.pc.GracefulClose() }
