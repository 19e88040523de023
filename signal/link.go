package signal

import (
	"sync"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/wsconn"
)

// The bounds of a link, each way: a burst that one client may send at once, and
// what it may say while another one is written to in vain.
const (
	maxLinkFrames = 256
	maxLinkBytes  = 384 << 10
	maxLinksBytes = 256 << 20 // of all links together

	resendAfter = 500 * time.Millisecond // without a sign that a frame has come
	ackEvery    = 16                     // frames that are done with; fewer are told by the next beat
)

// link is one socket of another node's room, or of a room of this one: two
// streams of frames that arrive once and in order. What was sent is kept until
// the other end is done with it, so that nothing is lost with a frame, and what
// can be said again is not lost with the link.
type link struct {
	trunks *trunks
	peer   string // the other end's node
	id     uint64 // of its proxy
	who    role   // ours
	end    linkEnd
	opened chan struct{} // closed when the home has taken it; nil at the home
	over   chan struct{} // closed when the link has ended

	mu       sync.Mutex // guards the fields below; held while a frame is given to the fleet, which never waits
	out      []packet   // the other end is not done with them
	outBytes int        //
	last     uint32     // that was sent
	arrived  uint32     // of those, as far as is known
	sent     time.Time  // when the oldest that has not arrived was sent
	in       []delivery // not handled yet
	inBytes  int        //
	received uint32     // the last that came
	handled  uint32     // the last that is done with
	told     uint32     // handled, as the other end knows
	news     bool       // to be told by the next beat
	heard    time.Time  // when the other end named the link
	working  bool       // somebody handles in
	stuck    bool       // what came cannot be handled any more
	unheard  time.Time  // when nobody was there for an open; zero: somebody was
	parting  bool       // a close was sent: nothing follows it
	ending   bool       // a cut has come: it is the last to be handled
	taken    bool       // opened is closed
	closed   bool       // the link has ended
	why      cutReason  // then
}

// linkEnd is what a link is for. Both are called by one goroutine at a time.
type linkEnd interface {
	// handle is done with a frame, or says that it cannot be: then no more is
	// handled.
	handle(kind frameKind, payload []byte) (done bool)
	// ended is called last, with what was said and may not have arrived.
	ended(why cutReason, kept [][]byte)
}

// packet is a frame that was sent.
type packet struct {
	seq     uint32
	kind    frameKind
	said    bool // by the other member: it is worth keeping
	payload []byte
}

// delivery is a frame that came, or something to do after all that came.
type delivery struct {
	kind    frameKind
	payload []byte
	do      func() // nil: handle the frame
}

// send sends a frame, whose payload is the link's from now on. It never waits.
// Errors are those of wsconn.Conn.Send.
func (l *link) send(kind frameKind, payload []byte, said bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.closed || l.parting:
		return wsconn.ErrClosed
	case len(l.out) == maxLinkFrames || l.outBytes+len(payload) > maxLinkBytes || !l.trunks.take(len(payload)):
		l.sever(cutSlow, true)
		return wsconn.ErrSlow
	}
	if l.arrived == l.last {
		l.sent = time.Now()
	}
	l.last++
	l.parting = kind == frameClose || kind == frameGone
	l.out = append(l.out, packet{l.last, kind, said, payload})
	l.outBytes += len(payload)
	l.transmit(&l.out[len(l.out)-1])
	return nil
}

// transmit gives a frame to the fleet. l.mu is held.
func (l *link) transmit(p *packet) {
	l.told, l.news = l.handled, false
	l.trunks.send(l.peer, &frame{kind: p.kind, link: l.id, seq: p.seq, received: l.received, handled: l.handled, payload: p.payload})
}

// receive takes a frame of the link, in order and once.
func (l *link) receive(f *frame) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	l.acknowledged(f.received, f.handled)
	switch {
	case f.seq != l.received+1: // it came before, or comes again with those that did not come
		l.news = true
		return
	case len(l.in) >= maxLinkFrames || l.inBytes+len(f.payload) > maxLinkBytes:
		l.sever(cutSlow, true)
		return
	}
	l.received, l.news = f.seq, true
	l.take()
	l.deliver(delivery{kind: f.kind, payload: f.payload})
}

// state takes an entry of a beat.
func (l *link) state(s linkState) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed {
		l.acknowledged(s.received, s.handled)
	}
}

// cut takes the end that the other one has decided on, after what it has said. A
// home that does not know a link yet will be asked again.
func (l *link) cut(why cutReason) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.taken || l.who == isHome || why != cutLost {
		l.endAfter(why)
	}
}

// bereave ends the link because the other end's process has died.
func (l *link) bereave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.endAfter(cutLost)
}

// endAfter ends the link after what has come. l.mu is held.
func (l *link) endAfter(why cutReason) {
	if l.closed || l.ending {
		return
	}
	l.ending = true
	l.deliver(delivery{do: func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.sever(why, false)
	}})
}

// surrender takes back what was said and may not have arrived: somebody else will
// say it.
func (l *link) surrender() (kept [][]byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range l.out {
		if p := &l.out[i]; p.said {
			p.said = false
			kept = append(kept, p.payload)
		}
	}
	return kept
}

// missed notes that nobody was there for a frame. Only who opens a link draws a
// conclusion: one that is open waits, for Redis may be about to come back.
func (l *link) missed() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.taken || l.who == isHome || l.closed {
		return
	}
	now := time.Now()
	if l.unheard.IsZero() {
		l.unheard = now
	}
	if now.Sub(l.unheard) >= resendAfter {
		l.sever(cutLost, false)
	}
}

// acknowledged forgets what the other end is done with. l.mu is held.
func (l *link) acknowledged(received, handled uint32) {
	l.heard = time.Now()
	if received > l.last || handled > received {
		return // of nothing that we have sent
	}
	if received > l.arrived {
		l.arrived, l.sent = received, l.heard
	}
	done := 0
	for done < len(l.out) && l.out[done].seq <= handled {
		l.outBytes -= len(l.out[done].payload)
		l.trunks.give(len(l.out[done].payload))
		done++
	}
	if clear(l.out[:done]); done == len(l.out) {
		l.out = nil
	} else {
		l.out = l.out[done:]
	}
	if handled > 0 {
		l.take()
	}
}

// take notes that the home has taken the link. l.mu is held.
func (l *link) take() {
	if !l.taken && l.opened != nil {
		close(l.opened)
	}
	l.taken = true
}

// deliver has a frame handled. l.mu is held.
func (l *link) deliver(d delivery) {
	l.in = append(l.in, d)
	l.inBytes += len(d.payload)
	l.call()
}

// call has somebody work. l.mu is held.
func (l *link) call() {
	if !l.working {
		l.working = true
		l.trunks.running.Go(l.work)
	}
}

// work handles what has come until there is no more.
func (l *link) work() {
	for {
		d, some := l.next()
		if !some {
			return
		}
		if d.do != nil {
			d.do()
			continue
		}
		l.done(l.end.handle(d.kind, d.payload))
	}
}

// next is what is to be handled. If the link has ended it says so, last.
func (l *link) next() (d delivery, some bool) {
	l.mu.Lock()
	if !l.closed {
		defer l.mu.Unlock()
		for len(l.in) > 0 {
			d, l.in = l.in[0], l.in[1:]
			l.inBytes -= len(d.payload)
			if !l.stuck || d.do != nil {
				return d, true
			}
		}
		l.in, l.working = nil, false
		return d, false
	}
	why := l.why
	l.mu.Unlock() // working for ever
	l.end.ended(why, l.clear())
	return d, false
}

// clear empties a link that has ended, and returns what surrender does.
func (l *link) clear() (kept [][]byte) {
	kept = l.surrender()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.trunks.give(l.outBytes)
	l.in, l.out, l.outBytes = nil, nil, 0
	return kept
}

// done notes that one more is done with, and tells if it is time.
func (l *link) done(ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stuck = l.stuck || !ok; l.stuck || l.closed {
		return
	}
	l.handled++
	l.news = true
	if l.handled == 1 || l.handled-l.told >= ackEvery {
		l.told, l.news = l.handled, false
		l.trunks.send(l.peer, &frame{kind: frameBeat, payload: appendState(nil, l.stateNow())})
	}
}

// stateNow is what a beat says. l.mu is held.
func (l *link) stateNow() linkState {
	return linkState{who: l.who, link: l.id, received: l.received, handled: l.handled}
}

// sever ends the link. The other end is told, unless it is who has decided so.
// l.mu is held.
func (l *link) sever(why cutReason, tell bool) {
	if l.closed {
		return
	}
	l.closed, l.why = true, why
	close(l.over)
	if tell {
		l.trunks.send(l.peer, &frame{kind: frameCut, link: l.id, who: l.who, why: why})
	}
	l.trunks.forget(l)
	l.call()
}

// resend sends again what seems not to have arrived, and says what the other end
// is to be told of: not of a link that it does not know yet.
func (l *link) resend(now time.Time) (s linkState, known, news bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return s, false, false
	}
	if l.arrived < l.last && now.Sub(l.sent) >= resendAfter {
		l.sent = now
		for i := range l.out {
			if l.out[i].seq > l.arrived {
				l.transmit(&l.out[i])
				l.trunks.resent.Add(1)
			}
		}
	}
	news, l.news, l.told = l.news, false, l.handled
	return l.stateNow(), l.taken || l.who == isHome, news
}
