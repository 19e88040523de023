package peer

import (
	"context"
	"time"

	"github.com/pion/webrtc/v4"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

const (
	// disconnectedPatience is how long ICE may be disconnected before we help:
	// most often it comes back by itself.
	disconnectedPatience = time.Second

	// failedGrace is how long ICE may have failed before there was a chat: where
	// the candidates come one by one, it has failed whenever the first were of no
	// use and the next are not there yet.
	failedGrace = 3 * time.Second

	// politeDelay is how much later the polite side helps, so that the two
	// rarely do so at once.
	politeDelay = 700 * time.Millisecond

	// interruptedAfter is how long nothing may get through before the user is
	// told.
	interruptedAfter = 2 * time.Second

	// An attempt to find another way is given attemptTimeout at first, then
	// more, up to maxAttemptTimeout; a quarter of it more or less, by chance. A
	// path that is there again is found 15 s later at the latest.
	attemptTimeout    = 5 * time.Second
	maxAttemptTimeout = 10 * time.Second

	// unansweredTimeout is how long an offer may go unanswered before the seat
	// is asked whether its socket still lives. The next one is given twice that:
	// the way through the server may be slow, and with the socket the answer to
	// the one before was given up.
	unansweredTimeout = 2 * time.Second

	// abandonAfter is how long we try. Without a seat, nothing can be tried but
	// to wait: seatlessAfter.
	abandonAfter  = 2 * time.Minute
	seatlessAfter = 30 * time.Second

	// farOff is when nothing is due.
	farOff = time.Hour
)

// trouble is what we know of a time in which nothing gets through. The ladder:
//
//	       ICE disconnected or failed, the chat hears no answer,
//	       the relay is gone, the channel has died
//	well ─────────────────────────────────────────────▶ trouble
//	 ▲                                                    │
//	 │                       1  new paths for the same connection (ICE restart),
//	 │                          if ICE knows that it needs some: mendable
//	 │ the partner answers   2… another connection and another channel:
//	 └────────────────────────  SCTP has backed off by now, or is dead
//
// One hello is on its way all the time (news.probe), so that the answer tells.
type trouble struct {
	since    time.Time // when it began; zero if all is well
	told     bool      // the user knows
	attempts int       // that were made
	again    time.Time // when to make another one
	hurryAt  time.Time // when to doubt the seat; zero if its time has passed
	unheard  int       // how often it was doubted
	settled  time.Time // until when what the partner and we agree on may take; zero if it has failed

	failedAt    time.Time                  // when ICE failed, and there was no chat yet; zero if it did not
	state       webrtc.PeerConnectionState // of current, when it was last looked at
	replaceOnly bool                       // current cannot be mended
}

// lookAtCurrent acts on the state of the connection that carries the chat, or
// will be the first to do so.
func (l *link) lookAtCurrent(ctx context.Context) error {
	c, was := l.current, l.state
	l.state = c.pc.ConnectionState()
	if l.carrier() == nil {
		switch {
		case l.state != webrtc.PeerConnectionStateFailed:
			l.failedAt = time.Time{}
		case l.failedAt.IsZero():
			l.failedAt = time.Now()
			l.tellSpare()
		}
		switch {
		case c.dead():
			return ErrPartnerGone
		case c.isOpen():
			l.carry(c)
			l.took = time.Since(l.seat.since)
			if measuresAtOnce {
				l.lookAtPath(ctx)
			}
			l.watched = make(chan struct{})
			go l.watch(ctx) // hangUp waits for it
			close(l.opened)
		}
		return nil
	}
	if c.dead() {
		if l.gone || l.seatless {
			return ErrPartnerGone
		}
		if !l.replaceOnly {
			l.replaceOnly = true
			l.failed()
		}
		return nil
	}
	if l.state == was {
		return nil
	}
	switch l.state {
	case webrtc.PeerConnectionStateConnected:
		if !l.since.IsZero() {
			l.tell(news{probe: true})
		}
	case webrtc.PeerConnectionStateDisconnected:
		l.worry(disconnectedPatience)
	case webrtc.PeerConnectionStateFailed:
		l.failed()
	default:
	}
	return nil
}

// lookAtNext lets the connection that shall replace the other one do so, once
// it is open.
func (l *link) lookAtNext() {
	switch c := l.next; {
	case c.isOpen():
		old := l.current
		old.hush()
		l.current, l.next = c, nil
		l.state, l.replaceOnly = c.pc.ConnectionState(), false
		if l.offered == old {
			l.pending, l.offered = nil, nil
		}
		l.closing.Go(old.close)
		l.carry(c)
		l.tell(news{renewed: true})
	case c.dead(), c.pc.ConnectionState() == webrtc.PeerConnectionStateFailed:
		l.dropNext()
	}
}

// dropNext gives up the connection that was to replace the other one.
func (l *link) dropNext() {
	if l.next == nil {
		return
	}
	if l.offered == l.next {
		l.pending, l.offered = nil, nil
	}
	l.closing.Go(l.next.close)
	l.next = nil
	l.settled = time.Time{}
}

// replacement makes the connection that shall replace the other one; nil if
// that fails.
func (l *link) replacement(offers bool) *connection {
	l.dropNext()
	c, err := l.newConnection(offers)
	if err != nil {
		return nil
	}
	l.next = c
	return c
}

// failed notes that the connection which carries the chat does not any more: if
// new paths for it were under way, they are not waited for.
func (l *link) failed() {
	if l.next == nil {
		l.settled = time.Time{}
	}
	l.worry(0)
}

// worry notes that nothing seems to get through, and when to help: not before
// what is under way has had its time.
func (l *link) worry(delay time.Duration) {
	if l.carrier() == nil {
		return // connect gives up by itself
	}
	now := time.Now()
	if l.seat.polite {
		delay += politeDelay
	}
	at := now.Add(delay)
	if at.Before(l.settled) {
		at = l.settled
	}
	if l.since.IsZero() {
		l.since, l.again = now, at
		l.tell(news{probe: true})
		if !l.seat.away() { // else it would be kept, and what is kept is limited
			// A NAT that has forgotten the way from the server to us learns it anew.
			l.seat.tell(&wire.SignalType{Type: wire.SignalPong})
		}
		return
	}
	if l.attempts == 0 || l.pending == nil && l.next == nil && l.current.connected() {
		l.again = earlier(l.again, at)
	}
}

// calm notes that the partner has answered. A connection that was offered to no
// avail is not needed any more, nor are its allocations at the relay.
func (l *link) calm() {
	if l.pending != nil && l.offered == l.next {
		l.dropNext()
	}
	told := l.told
	l.trouble = trouble{state: l.state, replaceOnly: l.replaceOnly}
	if told {
		l.tell(news{})
	}
}

// due is when tick must be called next.
func (l *link) due() time.Time {
	now := time.Now()
	at := now.Add(farOff)
	if !l.described() {
		at = earlier(at, l.absent)
	}
	if !l.spareAt.IsZero() {
		at = earlier(at, l.spareAt)
	}
	if !l.failedAt.IsZero() {
		at = earlier(at, l.failedAt.Add(failedGrace))
	}
	for _, c := range []*connection{l.current, l.next} {
		if until := c.asideUntil(); !until.IsZero() {
			at = earlier(at, until)
		}
	}
	if l.since.IsZero() {
		return at
	}
	at = earlier(at, earlier(l.again, l.since.Add(l.abandonAfter())))
	if !l.told {
		at = earlier(at, l.since.Add(interruptedAfter))
	}
	if l.pending != nil && !l.hurryAt.IsZero() {
		at = earlier(at, l.hurryAt)
	}
	return at
}

func (l *link) abandonAfter() time.Duration {
	if l.seatless {
		return seatlessAfter
	}
	return abandonAfter
}

// tick does what is due.
func (l *link) tick(now time.Time) error {
	if !l.described() && !now.Before(l.absent) {
		return ErrPartnerGone
	}
	if !l.spareAt.IsZero() && !now.Before(l.spareAt) {
		l.tellSpare()
	}
	for _, c := range []*connection{l.current, l.next} {
		c.giveAside(now)
	}
	if !l.failedAt.IsZero() && !now.Before(l.failedAt.Add(failedGrace)) {
		return ErrNoPath
	}
	if l.since.IsZero() {
		return nil
	}
	if !l.told && !now.Before(l.since.Add(interruptedAfter)) {
		l.told = true
		l.tell(news{})
	}
	if !now.Before(l.since.Add(l.abandonAfter())) {
		return ErrNoPath
	}
	if l.pending != nil && !l.hurryAt.IsZero() && !now.Before(l.hurryAt) {
		l.hurryAt = time.Time{}
		l.unheard++
		l.seat.hurry()
	}
	if !now.Before(l.again) {
		l.attempt(now)
	}
	return nil
}

// attempt looks for another way to the partner.
func (l *link) attempt(now time.Time) {
	l.again = now.Add(pauseAfter(l.attempts))
	if l.seatless || l.seat.away() {
		return // reseated comes back to it
	}
	l.attempts++
	l.hurryAt = now.Add(unansweredTimeout << min(l.unheard, 1))
	if l.attempts == 1 && l.mendable() && l.restart() == nil {
		return
	}
	l.replace()
}

// mendable tells whether new paths may help the connection that we have. They do
// not where ICE still takes the old one for good: Chromium stays on a pair until
// that has been silent for 5 s, whichever others work by then, and Firefox
// notices nothing for 30. Another connection has nothing to stay on.
func (l *link) mendable() bool { return !l.replaceOnly && !l.current.connected() }

// restart offers new paths for the connection that we have.
func (l *link) restart() error {
	l.current.setServers(l.search, l.servers)
	offer, err := l.current.restart()
	if err != nil {
		return err
	}
	return l.propose(l.current, offer)
}

// replace offers another connection.
func (l *link) replace() {
	if l.offered == l.current && l.pending != nil {
		_ = l.current.rollback() // so that it can still be mended by the partner
		l.pending, l.offered = nil, nil
	}
	c := l.replacement(true)
	if c == nil {
		return
	}
	if l.offer(c) != nil {
		l.dropNext()
	}
}

// pauseAfter is how long an attempt is given that comes after n others.
func pauseAfter(n int) time.Duration {
	pause := min(attemptTimeout<<min(n, 8), maxAttemptTimeout)
	return pause*3/4 + jitter(pause/2)
}

// underWay notes that the partner and we agree on what to try: that takes time,
// also where only he knows yet that it is needed.
func (l *link) underWay(now time.Time) {
	l.settled = now.Add(attemptTimeout)
	if !l.since.IsZero() && l.again.Before(l.settled) {
		l.again = l.settled
	}
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
