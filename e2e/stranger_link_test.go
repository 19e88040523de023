//go:build browser

package e2e

import (
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"time"

	"github.com/pion/webrtc/v4"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// watchedConn notes where packets come from.
type watchedConn struct {
	net.PacketConn
	s *stranger
}

func (c watchedConn) ReadFrom(p []byte) (int, net.Addr, error) {
	n, from, err := c.PacketConn.ReadFrom(p)
	if udp, ok := from.(*net.UDPAddr); ok {
		c.s.mu.Lock()
		c.s.sources[udp.AddrPort().Addr().Unmap()] = true
		c.s.mu.Unlock()
	}
	return n, from, err
}

// heardOf lists the addresses from which anything came.
func (s *stranger) heardOf() (list []netip.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for addr := range s.sources {
		list = append(list, addr)
	}
	return list
}

// meets is all of it: a partner, a room, a connection, and hello.
func (s *stranger) meets() {
	s.t.Helper()
	s.joins(s.asks()().RoomID, wire.ExtRefresh, wire.ExtResume, wire.ExtEarly)
	s.connects()
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case <-s.open:
	case <-late.C:
		s.t.Fatalf("the stranger and his partner do not connect: %v", s.pc.ICEConnectionState())
	}
}

// connects makes the connection, or waits for the partner to make it.
func (s *stranger) connects() {
	s.t.Helper()
	conn, err := s.host.ListenPacket(s.t.Context(), "udp4", netip.AddrPortFrom(s.host.Addr(), 0).String())
	if err != nil {
		s.t.Fatal(err)
	}
	mux := webrtc.NewICEUDPMux(nil, watchedConn{conn, s})
	var settings webrtc.SettingEngine
	settings.SetICEUDPMux(mux)
	settings.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4})
	s.pc, err = webrtc.NewAPI(webrtc.WithSettingEngine(settings)).NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		_ = s.pc.GracefulClose()
		_ = mux.Close()
		_ = conn.Close()
	})
	s.pc.OnICECandidate(func(found *webrtc.ICECandidate) {
		if found != nil {
			s.tell(map[string]any{"type": wire.SignalCandidate, "ice": found.ToJSON()})
		}
	})
	s.pc.OnDataChannel(func(channel *webrtc.DataChannel) {
		if channel.Label() == wire.ChatLabel {
			s.chatsOn(channel)
		}
	})
	s.listens(s.negotiate())
	if s.accept.IsExistClient {
		ordered, protocol := true, wire.ChatSubprotocol
		channel, err := s.pc.CreateDataChannel(wire.ChatLabel, &webrtc.DataChannelInit{Ordered: &ordered, Protocol: &protocol})
		if err != nil {
			s.t.Fatal(err)
		}
		s.chatsOn(channel)
		s.offers(nil)
	}
}

// offers makes an offer.
func (s *stranger) offers(options *webrtc.OfferOptions) {
	offer, err := s.pc.CreateOffer(options)
	if err == nil {
		err = s.pc.SetLocalDescription(offer)
	}
	if err == nil {
		s.tell(wire.Description{Type: wire.SignalOffer, SDP: offer.SDP})
	}
}

// maxMessageSize is what a description says of the largest message.
var maxMessageSize = regexp.MustCompile(`a=max-message-size:\d+`)

// negotiate acts on what the partner says. It minds no fault: who waits for the
// connection will.
func (s *stranger) negotiate() func(kind string, text []byte) {
	var early []webrtc.ICECandidateInit
	described := func(kind webrtc.SDPType, text []byte) bool {
		var d wire.Description
		if json.Unmarshal(text, &d) != nil {
			return false
		}
		d.SDP = maxMessageSize.ReplaceAllString(d.SDP, "a=max-message-size:16777216") // as if the partner took that (RFC 8841 §6)
		if s.pc.SetRemoteDescription(webrtc.SessionDescription{Type: kind, SDP: d.SDP}) != nil {
			return false
		}
		for _, candidate := range early {
			_ = s.pc.AddICECandidate(candidate)
		}
		early = nil
		return true
	}
	return func(kind string, text []byte) {
		switch kind {
		case wire.SignalOffer:
			if !described(webrtc.SDPTypeOffer, text) {
				return
			}
			if answer, err := s.pc.CreateAnswer(nil); err == nil && s.pc.SetLocalDescription(answer) == nil {
				s.tell(wire.Description{Type: wire.SignalAnswer, SDP: answer.SDP})
			}
		case wire.SignalAnswer:
			described(webrtc.SDPTypeAnswer, text)
		case wire.SignalCandidate:
			var c struct{ ICE webrtc.ICECandidateInit }
			if json.Unmarshal(text, &c) != nil {
				return
			}
			if s.pc.RemoteDescription() == nil {
				early = append(early, c.ICE)
				return
			}
			_ = s.pc.AddICECandidate(c.ICE)
		}
	}
}

// chatsOn says hello on a channel until it is answered, and answers the
// partner's.
func (s *stranger) chatsOn(channel *webrtc.DataChannel) {
	s.channel = channel
	opened := make(chan struct{})
	channel.OnOpen(func() { close(opened) })
	channel.OnMessage(func(message webrtc.DataChannelMessage) {
		var f wire.Frame
		if json.Unmarshal(message.Data, &f) != nil {
			return
		}
		switch {
		case f.T == wire.FrameHello:
			_ = channel.SendText(`{"t":"ack"}`)
			return
		case f.T == wire.FrameMsg:
			_ = channel.SendText(fmt.Sprintf(`{"t":"ack","id":%d}`, f.ID))
		case f.T == wire.FrameAck && f.ID == 0:
			s.opening.Do(func() { close(s.open) })
		}
		select {
		case s.frames <- f:
		default: // a test that does not look
		}
	})
	ctx := s.t.Context()
	go func() { // ends with the hello, or with the test
		again := time.NewTicker(250 * time.Millisecond)
		defer again.Stop()
		for {
			select {
			case <-opened:
				_ = channel.SendText(`{"t":"hello","v":1}`)
			default:
			}
			select {
			case <-again.C:
			case <-s.open:
				return
			case <-ctx.Done():
				return
			}
		}
	}()
}

// says sends messages and waits until the last one is acknowledged. The first
// has this id.
func (s *stranger) says(id int, texts ...string) {
	s.t.Helper()
	for i, text := range texts {
		frame, err := json.Marshal(wire.Frame{T: wire.FrameMsg, ID: uint64(id + i), Text: text})
		if err != nil {
			s.t.Fatal(err)
		}
		if err := s.channel.SendText(string(frame)); err != nil {
			s.t.Fatal(err)
		}
	}
	last := uint64(id + len(texts) - 1)
	late := time.NewTimer(patience)
	defer late.Stop()
	for {
		select {
		case f := <-s.frames:
			if f.T == wire.FrameAck && f.ID == last {
				return
			}
		case <-late.C:
			s.t.Fatalf("message %d of the stranger is not acknowledged", last)
		}
	}
}
