package peer

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

const (
	// joinTimeout is how long the server may take to give us a seat, dialling
	// included; if it can not be dialled, that is tried for so long.
	joinTimeout = 10 * time.Second

	// maxUntaken is how many messages of the server may wait for link, which
	// takes them at once; then nothing more is read from the server.
	maxUntaken = 64
)

// What is kept for the partner while our socket is away: as much as the server
// keeps in the other direction.
const (
	maxKept      = 64
	maxKeptBytes = 128 << 10
)

// role is who makes the first offer.
type role string

// The roles.
const (
	roleOffer  role = wire.RoleOffer
	roleAnswer role = wire.RoleAnswer
)

// returned says that the seat is ours again. What was told before may not have
// arrived, and the last offer or answer should be repeated.
type returned struct {
	rebuilt bool             // the server, and its relay, started anew
	servers []wire.ICEServer // the newest ones; none if it did not say
}

// seat is one of the two places in a room, over as many sockets as it takes:
// it carries the signaling messages (wire: Description, Candidate, Bye) for the
// life of the chat. One goroutine, run, makes every call on its sockets.
//
//	we ── register ─▶ server
//	   ◀── accept ────             or reject, then a close
//	   ◀── … ────────▶             until the socket is lost
//	   ── register, resumeToken ─▶
//	   ◀── accept, resumed ────    or reject: the seat is gone
type seat struct {
	inbox    <-chan string           // from the partner and the server: offer, answer, candidate, bye; closed when the seat is gone for good: fault says why
	servers  <-chan []wire.ICEServer // the newest ones, whenever they are renewed on the same socket
	returned <-chan returned         // the seat is ours again, on another socket

	// Settled before join returns.
	role       role
	matched    bool             // the match said so: both are programs that know wire.ExtWarm
	since      time.Time        // when we heard of the match
	polite     bool             // of the two, the one that gives way when offers collide
	iceServers []wire.ICEServer // STUN and TURN for this room

	dial      dialer
	url       string
	elsewhere string        // where the seat can be had as well if not there; empty: nowhere
	register  wire.Register // for the next socket: run sets its ResumeToken and Attempt

	in     chan string
	fresh  chan []wire.ICEServer
	back   chan returned
	wake   chan struct{}      // tell has left something for run
	haste  chan struct{}      // hurry was called
	joined chan struct{}      // closed when the first accept was not needed, or has come
	leave  context.CancelFunc // ends run
	done   chan struct{}      // closed when run has ended
	err    error              // why; settled before inbox is closed

	reports atomic.Bool // the server wants to know what becomes of ICE

	mu        sync.Mutex // guards the fields below; never held while sending
	kept      []string   // what run has not written yet
	keptBytes int
	overflow  bool // more than that
	lost      bool // there is no socket on which the seat is ours, or will be at once

	// Owned by run.
	asked   bool           // register was sent, at least once
	seated  bool           // accepted, at least once
	pace    backOff        // of dialling again
	parked  []*socket      // silent ones that the server may still take for ours
	closing sync.WaitGroup // sockets that are being closed
}

// join takes a seat in the room of the match: the second step of Connect. If
// the match says who makes the offer, it does not wait for the server: what is
// told to the seat follows register in the same flight.
func (q *quest) join(ctx context.Context, match *wire.MatchMessage) (*seat, error) {
	cfg := q.client.cfg
	s := &seat{
		dial: q.client.dial,
		url:  q.rooms,
		register: wire.Register{
			Type: wire.SignalRegister, RoomID: match.RoomID, ClientID: cfg.UserID,
			Ext: []string{wire.ExtRefresh, wire.ExtResume, wire.ExtEarly, wire.ExtOutcome},
		},
		iceServers: match.ICEServers,
		since:      time.Now(),
	}
	if q.search.RelayOnly {
		s.register.Ext = append(s.register.Ext, wire.ExtRelayOnly)
	}
	ready := q.atRooms
	if match.SignalingURL != "" && match.SignalingURL != q.rooms {
		s.url, s.elsewhere, ready = match.SignalingURL, q.rooms, nil
	}
	if len(match.ICEServers) > 0 {
		s.assign(role(match.Role))
	}
	s.start(ctx, ready)
	if s.matched {
		return s, nil
	}
	q.found(match)
	select {
	case <-s.joined:
		return s, nil
	case <-s.done:
		return nil, s.fault()
	case <-ctx.Done():
		s.close()
		return nil, context.Cause(ctx)
	}
}

// found tells the application that there is a match, and waits for it: that may
// paint, so it comes after what the partner waits for.
func (q *quest) found(match *wire.MatchMessage) {
	q.search.OnProgress(Progress{Phase: PhaseConnecting, Shared: match.Tags})
}

// assign settles who makes the first offer, if role says so.
func (s *seat) assign(role role) {
	switch role {
	case roleOffer, roleAnswer:
		s.role, s.polite = role, role == roleAnswer
	}
}

// start begins the life of the seat, which close ends, or its loss. ready may
// be nil.
func (s *seat) start(ctx context.Context, ready *standby) {
	s.in, s.fresh, s.back = make(chan string, maxUntaken), make(chan []wire.ICEServer, 1), make(chan returned, 1)
	s.inbox, s.servers, s.returned = s.in, s.fresh, s.back
	s.wake, s.haste = make(chan struct{}, 1), make(chan struct{}, 1)
	s.joined, s.done = make(chan struct{}), make(chan struct{})
	if s.role != "" {
		s.matched = true
		close(s.joined)
	}
	ctx, s.leave = context.WithCancel(context.WithoutCancel(ctx))
	go s.run(ctx, ready) // close waits for it
}

// tell sends one of the messages of wire to the partner, through the server.
// It never waits: while there is no socket, the message is kept.
func (s *seat) tell(message any) {
	text, err := marshal(message)
	if err != nil {
		return // a string that is no UTF-8: not from us
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.kept) == maxKept || s.keptBytes+len(text) > maxKeptBytes {
		s.overflow = true
	} else {
		s.kept = append(s.kept, text)
		s.keptBytes += len(text)
	}
	poke(s.wake)
}

// away tells whether what is told must wait until the seat is ours again.
func (s *seat) away() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lost
}

// note keeps whether the socket is lost.
func (s *seat) note(lost bool) {
	s.mu.Lock()
	s.lost = lost
	s.mu.Unlock()
}

// take empties what was kept, if it may; false means that it was too much.
func (s *seat) take(may bool) (texts []string, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if may {
		texts, s.kept, s.keptBytes = s.kept, nil, 0
	}
	return texts, !s.overflow
}

// hurry has the seat try another socket now: the network has changed, and the
// one that it has may be dead.
func (s *seat) hurry() { poke(s.haste) }

// fault is why inbox was closed.
func (s *seat) fault() error { return s.err }

// close leaves the room for good, and returns when nothing of the seat is left.
func (s *seat) close() {
	s.leave()
	<-s.done
}
