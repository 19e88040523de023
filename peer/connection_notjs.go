//go:build !js

package peer

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pion/webrtc/v4"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// prflxWait is how long ICE looks for something better than a path to an
// address that was not signaled. It is pion's 1 s by default, but the first
// check is often just faster than the signaling of its candidate.
const prflxWait = 200 * time.Millisecond

// relayWait is how long ICE looks for something better than a relay. It is pion's 2 s
// by default. Between two NATs a direct path takes three round trips and a check that
// is made again, 200 ms later: half a second from continent to continent.
const relayWait = time.Second

// maxRTO is the longest that SCTP waits before it tries again, once nothing
// gets through. RFC 9260 §16 has 60 s, Chromium 3 s.
const maxRTO = 2 * time.Second

// How ICE notices that nothing comes any more: pion counts as disconnected
// after 5 s, and sends something every 2 s.
const (
	disconnectedAfter = 3 * time.Second
	failedAfter       = 25 * time.Second // after that
	keepAlive         = time.Second
)

// measuresAtOnce tells that measure takes no time.
const measuresAtOnce = true

// blanksHelp tells that it takes no time to make a connection.
const blanksHelp = false

// ranksByCheck tells that ICE learns from a check how good its sender thinks the
// address that it came from (RFC 8445 §7.3.1.3). pion does not: a relay that it has
// not been told of before looks better than a direct address.
const ranksByCheck = false

// listeners is what callbacks need beside what pion gives them, and what pion calls.
type listeners struct {
	network *underlay // nil: that of the machine
}

// release ends what pion would wait for when it closes.
func (l *listeners) release() {
	if l.network != nil {
		l.network.giveUp()
	}
}

// told takes note of a candidate of the partner.
func (l *listeners) told(candidate string) {
	if l.network != nil {
		l.network.told(candidate)
	}
}

// tuning is what tests say of the network of a client.
type tuning struct {
	tune func(*webrtc.SettingEngine) // nil: nothing
}

// newPeerConnection starts no goroutine and opens no socket, unless config asks
// for a pool.
func newPeerConnection(base string, t tuning, config webrtc.Configuration, events *listeners) (*webrtc.PeerConnection, error) {
	var settings webrtc.SettingEngine
	settings.SetPrflxAcceptanceMinWait(prflxWait)
	settings.SetSCTPRTOMax(maxRTO)
	if config.ICETransportPolicy != webrtc.ICETransportPolicyRelay {
		settings.SetRelayAcceptanceMinWait(relayWait)
	}
	settings.SetICETimeouts(disconnectedAfter, failedAfter, keepAlive)
	network, err := newUnderlay(config.ICEServers)
	if err != nil {
		return nil, err
	}
	events.network = network
	settings.SetNet(network)
	if isLoopback(base) {
		settings.SetIncludeLoopbackCandidate(true)
		settings.SetIPFilter(gathersHere)
	}
	if t.tune != nil {
		t.tune(&settings)
	}
	return webrtc.NewAPI(webrtc.WithSettingEngine(settings)).NewPeerConnection(config)
}

// gathersHere tells whether an address of ours becomes a candidate where the
// server is on this machine. That is a trial: the partner is here as well, maybe
// with no network at all, and then loopback addresses are all there is. Beside
// others they do harm. pion thinks no less of them, and checks with them whatever
// address the partner has; Firefox answers such a check, but never makes one
// towards a loopback address, so a pair that pion nominates there is none to it.
//
// It is asked whenever ICE gathers, for a network may have come or gone.
func gathersHere(ip net.IP) bool { return !ip.IsLoopback() || !hasNetwork(addressesUp()) }

// hasNetwork tells whether one of our addresses is more than a loopback or
// link-local one, of which Firefox would make no candidate either.
func hasNetwork(addrs []net.Addr) bool {
	return slices.ContainsFunc(addrs, func(addr net.Addr) bool {
		prefix, err := netip.ParsePrefix(addr.String())
		return err == nil && !prefix.Addr().IsLoopback() && !prefix.Addr().IsLinkLocalUnicast()
	})
}

// addressesUp are our addresses on interfaces that are up: of the others pion
// makes no candidates.
func addressesUp() (addrs []net.Addr) {
	interfaces, _ := net.Interfaces() // if it is not known what there is, loopback is better than nothing
	for i := range interfaces {
		if interfaces[i].Flags&net.FlagUp != 0 {
			here, _ := interfaces[i].Addrs() // it may have gone since
			addrs = append(addrs, here...)
		}
	}
	return addrs
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

// pooled tells whether candidates are gathered before there is a description.
func (c *connection) pooled() bool { return c.pc.GetConfiguration().ICECandidatePoolSize == poolSize }

// adapt makes a connection that nobody has used one for a search. It gathers once
// there is a description, for pion can be told of a pool only when it is made.
func (c *connection) adapt(search Search, servers []wire.ICEServer, _ bool) bool {
	return c.pc.SetConfiguration(configuration(search, servers)) == nil
}

// setServers tells ICE where to gather from the next restart on. While it is
// gathering, pion must not be told: it would read what we write.
func (c *connection) setServers(search Search, servers []wire.ICEServer) {
	if c.pc.ICEGatheringState() == webrtc.ICEGatheringStateGathering {
		return
	}
	config := configuration(search, servers)
	config.ICECandidatePoolSize = c.pc.GetConfiguration().ICECandidatePoolSize
	_ = c.pc.SetConfiguration(config)
}

// rollback takes our offer back. pion cannot: it knows no way out of
// have-local-offer but an answer. So it is given the partner's last
// description as one; the description that follows replaces it.
func (c *connection) rollback() error {
	last := c.pc.CurrentRemoteDescription()
	if last == nil {
		return errNoRollback
	}
	return c.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: last.SDP})
}

// reoffer makes a new offer while the one before it waits for an answer.
func (c *connection) reoffer() (webrtc.SessionDescription, error) {
	if err := c.rollback(); err != nil {
		return webrtc.SessionDescription{}, err
	}
	return c.pc.CreateOffer(&webrtc.OfferOptions{ICERestart: true})
}

// told is what the partner is told of an answer. The DTLS role that was
// negotiated first stays (RFC 8842 §5.5), but pion always says that it is the
// active one, and browsers refuse an answer that turns the roles round.
func (c *connection) told(answer string) string {
	if c.setup == "" {
		c.setup = setupOf(answer)
	}
	return strings.Replace(answer, "a=setup:"+setupOf(answer), "a=setup:"+c.setup, 1)
}

// errNoRollback is an offer that cannot be taken back: nothing came before it.
var errNoRollback = errors.New("no description to go back to")

// listenCandidates hands over our candidates as they are found.
func (c *connection) listenCandidates() {
	c.pc.OnICECandidate(func(found *webrtc.ICECandidate) {
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
		// It may be found before the description is set that it is of: at a restart.
		_, after, _ := strings.Cut(init.Candidate, " ufrag ")
		candidate.UsernameFragment, _, _ = strings.Cut(after, " ")
		c.found(candidate)
	})
}

// listenFaults does nothing: pion does not tell.
func (*connection) listenFaults() {}

// listenFrames hands over the frames that come on a DataChannel.
func (c *connection) listenFrames(channel *webrtc.DataChannel) {
	channel.OnMessage(func(message webrtc.DataChannelMessage) {
		if message.IsString && len(message.Data) <= wire.MaxFrameBytes {
			c.take(string(message.Data))
		}
	})
}

// measure asks ICE for the pair that it selected.
func (c *connection) measure(context.Context) (pair, bool) {
	selected, ok := c.pc.SCTP().Transport().ICETransport().GetSelectedCandidatePairStats()
	if !ok {
		return pair{}, false
	}
	report := c.pc.GetStats()
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

// states are those of ICE, of its gathering, and of DTLS.
func (c *connection) states() (ice, gathering, dtls string) {
	return c.pc.ICEConnectionState().String(), c.pc.ICEGatheringState().String(), c.pc.SCTP().Transport().State().String()
}

// closeChannel begins to close the DataChannel.
func (c *connection) closeChannel() { _ = c.channel.Close() }

// closeConnection returns when no goroutine of pion is left.
func (c *connection) closeConnection() { _ = c.pc.GracefulClose() }
