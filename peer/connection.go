package peer

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/webrtc/v4"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

const (
	// flushTimeout is how long the last frames may take to reach the partner.
	flushTimeout = time.Second

	// poolSize is how many components ICE gathers for before there is a
	// description (RTCConfiguration.iceCandidatePoolSize): ours.
	poolSize = 1
)

// What the callbacks may make us keep. An honest partner stays far below.
const (
	maxChannels = 8   // DataChannels that we did not ask for; then the partner is cut
	maxLocal    = 128 // our own candidates that wait to be sent
	maxFrames   = 4 * window
)

// opening says how the DataChannel of a connection comes to be.
type opening int

const (
	openBoth   opening = iota + 1 // both make it, as stream 0, and nothing is said about it (RFC 8832 §6): half a round trip less
	openOurs                      // we do, and say so in-band (RFC 8832 §5)
	openTheirs                    // the partner does
)

// connection is a PeerConnection, and the DataChannel of the chat on it. Who
// made it makes every call on it but send, and closes it; the callbacks of pion
// only hand over, wake its owner, and never wait.
type connection struct {
	pc      *webrtc.PeerConnection
	opening opening
	events  listeners // callbacks that go past pion

	// From the callbacks to the owner. When one is full, the callback drops.
	wake     chan struct{} // there is something to look at
	local    chan wire.ICECandidate
	channels chan *webrtc.DataChannel

	channel   *webrtc.DataChannel // nil until we know it
	stale     bool                // it was made with the servers of the waiting room
	spare     []wire.ICECandidate // relayed candidates that are told later, if they are needed
	relayTold uint64              // the highest priority of those that were told, plus 1; 0: none was
	remote    description         // the partner's
	aside     aside               // likely.go
	setup     string              // which part we have in DTLS: active or passive; empty before that is settled
	uninvited atomic.Int32        // channels that were refused

	mu     sync.Mutex      // guards the fields below
	frames chan<- string   // where the partner's frames go; nil before the connection carries the chat
	early  []string        // frames that came before that
	ended  bool            // frames go nowhere any more
	seen   partnerAddress  // what the partner's candidates tell of its network
	outer  map[string]bool // where the Internet sees us; at most maxLocal

	gathered gathered        // our own candidates
	faults   []wire.ICEFault // of gathering, at most wire.MaxOutcomeFaults
}

// partnerAddress is what the candidates of the partner say about his side.
type partnerAddress struct {
	relays map[string]bool // where his relay candidates are
	outer  map[string]bool // where the Internet sees him; none if he reaches no STUN server over UDP
}

func newPartnerAddress() partnerAddress {
	return partnerAddress{relays: map[string]bool{}, outer: map[string]bool{}}
}

// description is what we need to know of an SDP that was set.
type description struct {
	session string // see sessionOf; empty if none was set
	ufrag   string // of ICE
}

// newConnection makes a connection. It starts no goroutine and opens no socket,
// unless pool is set: then candidates are gathered from now on, where the
// browser knows how. wake is told when there is something to look at.
func newConnection(cfg Config, search Search, servers []wire.ICEServer, how opening, pool bool, wake chan struct{}) (*connection, error) {
	config := configuration(search, servers)
	if pool {
		config.ICECandidatePoolSize = poolSize
	}
	c := &connection{
		opening: how, wake: wake,
		local:    make(chan wire.ICECandidate, maxLocal),
		channels: make(chan *webrtc.DataChannel, 1),
		seen:     newPartnerAddress(),
		outer:    map[string]bool{},
	}
	var err error
	if c.pc, err = newPeerConnection(cfg.URL, cfg.tuning, config, &c.events); err != nil {
		return nil, err
	}
	c.listen()
	if how == openTheirs {
		return c, nil
	}
	if err := c.open(); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

// configuration tells ICE where STUN and TURN are, and what to keep hidden.
func configuration(search Search, servers []wire.ICEServer) webrtc.Configuration {
	var c webrtc.Configuration
	if search.RelayOnly {
		c.ICETransportPolicy = webrtc.ICETransportPolicyRelay
	}
	for _, s := range servers {
		server := webrtc.ICEServer{URLs: s.URLs, Username: s.Username}
		if s.Credential != "" {
			server.Credential = s.Credential
		}
		c.ICEServers = append(c.ICEServers, server)
	}
	return c
}

// open makes the DataChannel.
func (c *connection) open() error {
	ordered, protocol := true, wire.ChatSubprotocol
	init := &webrtc.DataChannelInit{Ordered: &ordered, Protocol: &protocol}
	if c.opening == openBoth {
		negotiated, id := true, uint16(0)
		init.Negotiated, init.ID = &negotiated, &id
	}
	channel, err := c.pc.CreateDataChannel(wire.ChatLabel, init)
	if err != nil {
		return err
	}
	c.listenTo(channel)
	c.channel = channel
	return nil
}

// listen hands over what pion tells its callbacks.
func (c *connection) listen() {
	c.listenCandidates()
	c.listenFaults()
	c.pc.OnConnectionStateChange(func(webrtc.PeerConnectionState) { poke(c.wake) })
	c.pc.OnDataChannel(func(channel *webrtc.DataChannel) {
		if c.opening != openTheirs || channel.Label() != wire.ChatLabel || channel.Protocol() != wire.ChatSubprotocol {
			c.refuse(channel)
			return
		}
		c.listenTo(channel) // before this callback returns, lest a frame be lost
		select {
		case c.channels <- channel:
			poke(c.wake)
		default:
			c.refuse(channel)
		}
	})
}

// listenTo hands over what happens on a DataChannel.
func (c *connection) listenTo(channel *webrtc.DataChannel) {
	c.listenFrames(channel)
	channel.OnOpen(func() { poke(c.wake) })
	channel.OnClose(func() { poke(c.wake) })
}

// found hands over one of our candidates. It runs in a callback.
func (c *connection) found(candidate wire.ICECandidate) {
	outer := outerAddress(candidate.Candidate)
	c.mu.Lock()
	if outer != "" && len(c.outer) < maxLocal {
		c.outer[outer] = true
	}
	c.gathered.count(candidate.Candidate)
	c.mu.Unlock()
	select {
	case c.local <- candidate:
		poke(c.wake)
	default:
	}
}

// take hands over a frame of the partner, if the connection carries the chat;
// if it does not yet, the frame waits. It runs in a callback.
func (c *connection) take(frame string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.ended:
	case c.frames != nil:
		select {
		case c.frames <- frame:
		default: // he ignores the window
		}
	case len(c.early) < maxFrames:
		c.early = append(c.early, frame)
	}
}

// carry lets the frames of the partner through, those first that have waited.
func (c *connection) carry(frames chan<- string) {
	c.mu.Lock()
	early := c.early
	c.frames, c.early = frames, nil
	for _, frame := range early {
		select {
		case frames <- frame:
		default:
		}
	}
	c.mu.Unlock()
}

// hush lets no frame through any more.
func (c *connection) hush() {
	c.mu.Lock()
	c.ended = true
	c.mu.Unlock()
}

// refuse closes a DataChannel that is not the one of the chat.
func (c *connection) refuse(channel *webrtc.DataChannel) {
	c.uninvited.Add(1)
	_ = channel.Close()
	poke(c.wake)
}

// adopt makes the first fitting DataChannel that the partner opened ours.
func (c *connection) adopt() {
	select {
	case channel := <-c.channels:
		if c.channel != nil {
			c.refuse(channel)
			return
		}
		c.channel = channel
	default:
	}
}

// offer makes the first offer.
func (c *connection) offer() (webrtc.SessionDescription, error) { return c.pc.CreateOffer(nil) }

// restart makes an offer with which ICE starts anew, or replaces the one that
// waits for its answer.
func (c *connection) restart() (webrtc.SessionDescription, error) {
	if c.pc.SignalingState() == webrtc.SignalingStateHaveLocalOffer {
		return c.reoffer()
	}
	return c.pc.CreateOffer(&webrtc.OfferOptions{ICERestart: true})
}

// connected tells whether ICE and DTLS work, so far as they know.
func (c *connection) connected() bool {
	return c.pc.ConnectionState() == webrtc.PeerConnectionStateConnected
}

// isOpen tells whether frames can be sent.
func (c *connection) isOpen() bool {
	return c.channel != nil && c.channel.ReadyState() == webrtc.DataChannelStateOpen
}

// dead tells whether the connection can never carry frames again: the partner
// has closed it, or SCTP or DTLS have given up.
func (c *connection) dead() bool {
	if c.pc.ConnectionState() == webrtc.PeerConnectionStateClosed {
		return true
	}
	if c.channel == nil {
		return false
	}
	state := c.channel.ReadyState()
	return state == webrtc.DataChannelStateClosed || state == webrtc.DataChannelStateClosing
}

// describe takes a description of the partner.
func (c *connection) describe(kind webrtc.SDPType, sdp string) error {
	if !plausible(sdp) {
		return errHostile
	}
	if err := c.pc.SetRemoteDescription(webrtc.SessionDescription{Type: kind, SDP: sdp}); err != nil {
		return err
	}
	if c.setup == "" && kind == webrtc.SDPTypeAnswer {
		c.setup = "passive" // for who answers is the active one, unless he says otherwise
		if setupOf(sdp) == "passive" {
			c.setup = "active"
		}
	}
	c.remote = description{session: sessionOf(sdp), ufrag: ufragOf(sdp)}
	c.mu.Lock()
	c.seen = newPartnerAddress()
	c.mu.Unlock()
	c.aside = aside{} // of the description before
	for i, candidate := range candidatesOf(sdp) {
		if i < maxCandidates {
			c.note(candidate)
		}
	}
	return nil
}

// add gives a candidate to ICE. One that ICE does not understand is useless,
// not harmful.
func (c *connection) add(candidate wire.ICECandidate) {
	init := webrtc.ICECandidateInit{
		Candidate: candidate.Candidate, SDPMid: &candidate.SDPMid, SDPMLineIndex: &candidate.SDPMLineIndex,
	}
	if candidate.UsernameFragment != "" {
		init.UsernameFragment = &candidate.UsernameFragment
	}
	_ = c.pc.AddICECandidate(init)
}

// note keeps what a candidate of the partner tells, for the path.
func (c *connection) note(candidate string) {
	c.events.told(candidate)
	relay := relayAddress(candidate)
	c.mu.Lock()
	defer c.mu.Unlock()
	if relay != "" {
		c.seen.relays[relay] = true
	}
	if outer := outerAddress(candidate); outer != "" {
		c.seen.outer[outer] = true
	}
}

// way is what lies between the ends of p.
func (c *connection) way(p pair, hidden bool) Path {
	c.mu.Lock()
	defer c.mu.Unlock()
	return p.path(c.seen, hidden)
}

// flush closes the DataChannel and waits until the partner has agreed, which
// he does after all frames.
func (c *connection) flush() {
	if !c.isOpen() || !c.connected() {
		return
	}
	c.closeChannel()
	late := time.NewTimer(flushTimeout)
	defer late.Stop()
	for c.channel.ReadyState() != webrtc.DataChannelStateClosed {
		select {
		case <-c.wake:
		case <-late.C:
			return
		}
	}
}

// close ends the connection; nothing of it is left when it returns.
func (c *connection) close() {
	c.hush()
	c.events.release()
	c.closeConnection()
}

// poke leaves word that there is something to look at.
func poke(wake chan<- struct{}) {
	select {
	case wake <- struct{}{}:
	default:
	}
}
