package peer

import (
	"github.com/pion/webrtc/v4"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// maxCandidates is how many candidates of the partner count; those beyond are
// ignored.
const maxCandidates = 128

// hear acts on one message of the server. Types that it does not know are for
// later versions; a second description is nothing we asked for.
func (l *link) hear(text string) error {
	switch typeOf(text) {
	case wire.SignalBye:
		if l.watched == nil {
			return ErrPartnerGone
		}
		poke(l.doubts)
	case wire.SignalOffer:
		if l.seat.role == roleAnswer && !l.described {
			return l.answer(text)
		}
	case wire.SignalAnswer:
		if l.seat.role == roleOffer && !l.described {
			return l.describe(text, webrtc.SDPTypeAnswer)
		}
	case wire.SignalCandidate:
		l.candidate(text)
	}
	return nil
}

// offer opens the DataChannel and offers it.
func (l *link) offer() error {
	ordered, protocol := true, wire.ChatSubprotocol
	channel, err := l.pc.CreateDataChannel(wire.ChatLabel, &webrtc.DataChannelInit{Ordered: &ordered, Protocol: &protocol})
	if err != nil {
		return err
	}
	l.listenTo(channel)
	l.channel = channel
	offer, err := l.pc.CreateOffer(nil)
	if err != nil {
		return err
	}
	return l.propose(offer, wire.SignalOffer)
}

// answer accepts an offer.
func (l *link) answer(text string) error {
	if err := l.describe(text, webrtc.SDPTypeOffer); err != nil {
		return err
	}
	answer, err := l.pc.CreateAnswer(nil)
	if err != nil {
		return err
	}
	return l.propose(answer, wire.SignalAnswer)
}

// propose makes a description ours and sends it.
func (l *link) propose(description webrtc.SessionDescription, kind string) error {
	if err := l.pc.SetLocalDescription(description); err != nil {
		return err
	}
	l.seat.tell(&wire.Description{Type: kind, SDP: description.SDP})
	return nil
}

// describe takes the partner's description and the candidates that came before
// it. A description that makes no sense is as good as none.
func (l *link) describe(text string, kind webrtc.SDPType) error {
	var d wire.Description
	if unmarshal(text, &d) != nil {
		return ErrNoPath
	}
	if l.pc.SetRemoteDescription(webrtc.SessionDescription{Type: kind, SDP: d.SDP}) != nil {
		return ErrNoPath
	}
	l.described = true
	for i, relay := range relaysOf(d.SDP) {
		if i < maxCandidates {
			l.remember(relay)
		}
	}
	for _, candidate := range l.early {
		l.add(candidate)
	}
	l.early = nil
	return nil
}

// candidate takes one candidate of the partner.
func (l *link) candidate(text string) {
	var c wire.Candidate
	if l.heard++; l.heard > maxCandidates || unmarshal(text, &c) != nil {
		return
	}
	if relay := relayAddress(c.ICE.Candidate); relay != "" {
		l.remember(relay)
	}
	if !l.described {
		l.early = append(l.early, c.ICE)
		return
	}
	l.add(c.ICE)
}

// add gives a candidate to ICE. One that ICE does not understand is useless,
// not harmful.
func (l *link) add(candidate wire.ICECandidate) {
	init := webrtc.ICECandidateInit{
		Candidate: candidate.Candidate, SDPMid: &candidate.SDPMid, SDPMLineIndex: &candidate.SDPMLineIndex,
	}
	if candidate.UsernameFragment != "" {
		init.UsernameFragment = &candidate.UsernameFragment
	}
	_ = l.pc.AddICECandidate(init)
}

// remember keeps where a relay candidate of the partner is, for watch.
func (l *link) remember(relay string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.relays[relay] = true
}
