package peer

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/webrtc/v4"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

const (
	// absentTimeout is how long the partner may take to send a description:
	// both were told of the match at the same moment. Then the partner's
	// program died on the way, and another match is better than to wait on.
	absentTimeout = 15 * time.Second

	// pathInterval is how often the path is looked at.
	pathInterval = 2 * time.Second

	// firstPathTimeout bounds the first look, for which the chat waits.
	firstPathTimeout = time.Second

	// flushTimeout is how long the last frames may take to reach the partner.
	flushTimeout = time.Second
)

// What the callbacks may make us keep. An honest partner stays far below.
const (
	maxChannels = 8   // DataChannels that we did not ask for; then the partner is cut
	maxLocal    = 128 // our own candidates that wait to be sent
	maxFrames   = 4 * window
)

// errHostile ends a link whose partner tries to exhaust us.
var errHostile = errors.New("the partner misbehaves")

// link is the connection to the partner: a PeerConnection, its DataChannel and
// the seat through which they are negotiated. One goroutine, run, makes every
// call on them but send; the callbacks of pion only hand over and never wait.
//
//	offerer                       answerer
//	  offer ───────────────────────▶
//	  ◀─────────────────────── answer
//	  ◀── candidates, both ways, ──▶      as they are found (trickle, RFC 8838)
//	  ◀════ DataChannel "chat" ════▶
type link struct {
	seat   *seat
	pc     *webrtc.PeerConnection
	events listeners // callbacks that go past pion

	// From the callbacks to run. When one is full, the callback drops.
	local    chan wire.ICECandidate
	channels chan *webrtc.DataChannel
	changed  chan struct{} // look at the states again

	// From the link to its chat.
	frames chan string    // what the partner sent; full only if he ignores the window
	doubts chan struct{}  // the server says that the partner's seat is empty
	paths  chan Path      // the newest one
	over   chan EventKind // how the link ended, if not by close

	opened chan struct{} // closed when the DataChannel is open and path is known
	path   Path          // settled before opened is closed
	leave  context.CancelFunc
	done   chan struct{} // closed when run has ended
	err    error         // why; settled before done is closed

	// Owned by run; channel does not change once opened is closed.
	channel   *webrtc.DataChannel
	described bool                // the partner's description is set
	early     []wire.ICECandidate // candidates that came before it
	heard     int                 // candidates that came
	watched   chan struct{}       // closed when watch has ended; nil before it began

	uninvited atomic.Int32    // channels that were refused
	mu        sync.Mutex      // guards relays
	relays    map[string]bool // where the partner's relay candidates are
}

// connect links us to whoever sits in the other seat: the third step of
// Connect. From now on the link owns the seat.
func connect(ctx context.Context, cfg Config, search Search, seat *seat, warm *prepared) (*link, error) {
	if warm != nil {
		defer warm.close()
	}
	pc, err := newPeerConnection(cfg, search, seat.iceServers)
	if err != nil {
		seat.close()
		return nil, err
	}
	life, leave := context.WithCancel(context.WithoutCancel(ctx))
	l := &link{
		seat: seat, pc: pc,
		local:    make(chan wire.ICECandidate, maxLocal),
		channels: make(chan *webrtc.DataChannel, 1),
		changed:  make(chan struct{}, 1),
		frames:   make(chan string, maxFrames),
		doubts:   make(chan struct{}, 1),
		paths:    make(chan Path, 1),
		over:     make(chan EventKind, 1),
		opened:   make(chan struct{}),
		leave:    leave,
		done:     make(chan struct{}),
		relays:   map[string]bool{},
	}
	go l.run(life) // close waits for it
	select {
	case <-l.opened:
		return l, nil
	case <-l.done:
		return nil, l.err
	case <-ctx.Done():
		l.close()
		return nil, context.Cause(ctx)
	}
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

// line is the link as its chat sees it.
func (l *link) line() line {
	return line{transport: l, path: l.path, frames: l.frames, doubts: l.doubts, paths: l.paths, over: l.over}
}

// send hands a frame to the DataChannel, which queues it.
func (l *link) send(frame string) error { return l.channel.SendText(frame) }

// buffered is how much the DataChannel has queued.
func (l *link) buffered() int { return int(l.channel.BufferedAmount()) }

// close ends the link and returns when nothing of it is left.
func (l *link) close() {
	l.leave()
	<-l.done
}

// run is the life of the link.
func (l *link) run(ctx context.Context) {
	defer close(l.done)
	l.err = l.negotiate(ctx)
	switch {
	case l.err == nil: // we leave
	case errors.Is(l.err, ErrPartnerGone):
		l.over <- EventLeft
	default:
		l.over <- EventLost
	}
	l.leave()
	l.hangUp()
}

// negotiate does everything that happens on the link, until it ends: with nil
// if ctx has ended.
func (l *link) negotiate(ctx context.Context) error {
	l.listen()
	if l.seat.role == roleOffer {
		if err := l.offer(); err != nil {
			return err
		}
	}
	absent := time.NewTimer(absentTimeout)
	defer absent.Stop()
	messages := l.seat.inbox
	for {
		var err error
		select {
		case <-ctx.Done():
			return nil
		case <-absent.C:
			if !l.described {
				err = ErrPartnerGone
			}
		case text, ok := <-messages:
			if ok {
				err = l.hear(text)
				break
			}
			messages = nil // whatever it was, it needs no server from now on
			if !l.described {
				err = l.seat.fault()
			}
		case candidate := <-l.local:
			l.seat.tell(&wire.Candidate{Type: wire.SignalCandidate, ICE: candidate})
		case channel := <-l.channels:
			l.adopt(channel)
		case <-l.changed:
			err = l.look(ctx)
		}
		if err != nil {
			return err
		}
	}
}

// listen hands over what pion tells its callbacks.
func (l *link) listen() {
	l.listenCandidates()
	l.pc.OnConnectionStateChange(func(webrtc.PeerConnectionState) { poke(l.changed) })
	l.pc.OnDataChannel(func(channel *webrtc.DataChannel) {
		if l.seat.role == roleOffer || channel.Label() != wire.ChatLabel || channel.Protocol() != wire.ChatSubprotocol {
			l.refuse(channel)
			return
		}
		l.listenTo(channel) // before this callback returns, lest a frame be lost
		select {
		case l.channels <- channel:
		default:
			l.refuse(channel)
		}
	})
}

// listenTo hands over what happens on a DataChannel.
func (l *link) listenTo(channel *webrtc.DataChannel) {
	l.listenFrames(channel)
	channel.OnOpen(func() { poke(l.changed) })
	channel.OnClose(func() { poke(l.changed) })
}

// take queues a frame for the chat. It runs in a callback.
func (l *link) take(frame string) {
	select {
	case l.frames <- frame:
	default:
	}
}

// refuse closes a DataChannel that is not the one of the chat.
func (l *link) refuse(channel *webrtc.DataChannel) {
	l.uninvited.Add(1)
	_ = channel.Close()
	poke(l.changed)
}

// adopt makes the first fitting DataChannel that the partner opened ours.
func (l *link) adopt(channel *webrtc.DataChannel) {
	if l.channel != nil {
		l.refuse(channel)
		return
	}
	l.channel = channel
	poke(l.changed) // it may be open already
}

// look acts on the states of the connection and its channel.
func (l *link) look(ctx context.Context) error {
	if l.uninvited.Load() > maxChannels {
		return errHostile
	}
	switch l.pc.ConnectionState() {
	case webrtc.PeerConnectionStateFailed:
		return ErrNoPath
	case webrtc.PeerConnectionStateClosed:
		return ErrPartnerGone
	default:
	}
	if l.channel == nil {
		return nil
	}
	switch l.channel.ReadyState() {
	case webrtc.DataChannelStateOpen:
		if l.watched == nil {
			l.watched = make(chan struct{})
			go l.watch(ctx) // hangUp waits for it
		}
	case webrtc.DataChannelStateClosed:
		return ErrPartnerGone
	default:
	}
	return nil
}

// watch looks at the path, first before the chat begins and then every
// pathInterval, and tells the chat what changed.
func (l *link) watch(ctx context.Context) {
	defer close(l.watched)
	first, cancel := context.WithTimeout(ctx, firstPathTimeout)
	l.path = l.lookAtPath(first)
	cancel()
	close(l.opened)

	last := l.path
	tick := time.NewTicker(pathInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		path := l.lookAtPath(ctx)
		if path == last || path.Kind == PathUnknown {
			continue
		}
		last = path
		select {
		case <-l.paths: // nobody wants the old one
		default:
		}
		l.paths <- path // has room: nobody else writes
	}
}

// lookAtPath asks ICE which way the frames go.
func (l *link) lookAtPath(ctx context.Context) Path {
	pair, ok := l.measure(ctx)
	if !ok {
		return Path{}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return pair.path(l.relays)
}

// hangUp ends what the link is made of, after the last frames have left.
func (l *link) hangUp() {
	if l.watched != nil {
		<-l.watched
	}
	if l.channel != nil && l.channel.ReadyState() == webrtc.DataChannelStateOpen &&
		l.pc.ConnectionState() == webrtc.PeerConnectionStateConnected {
		l.flush()
	}
	l.events.release()
	l.closeConnection()
	l.seat.close()
}

// flush closes the DataChannel and waits until the partner has agreed, which
// he does after all frames.
func (l *link) flush() {
	l.closeChannel()
	late := time.NewTimer(flushTimeout)
	defer late.Stop()
	for l.channel.ReadyState() != webrtc.DataChannelStateClosed {
		select {
		case <-l.changed:
		case <-late.C:
			return
		}
	}
}

// poke leaves word that there is something to look at.
func poke(changed chan<- struct{}) {
	select {
	case changed <- struct{}{}:
	default:
	}
}
