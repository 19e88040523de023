package peer

import (
	"time"

	"github.com/pion/webrtc/v4"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// What the partner may have us do; what goes beyond it is ignored.
const (
	maxCandidates = 128 // of one description, and before it

	// An offer costs us a round of gathering, and allocations at the relay.
	offerInterval = 3 * time.Second
	offerBurst    = 16
)

// spareDelay is how much later our relayed candidates are told, but for the
// first. Each of them works, for the relay has answered on each; and ICE
// checks one pair after the other (RFC 8445 §6.1.4.2), so that three of them on
// either side would take the time of the pairs that matter.
const spareDelay = 500 * time.Millisecond

// negotiation is what we know of offers and answers. Either side may offer at
// any time, and some of what is said gets lost with a socket of the seat:
//
//	each offer has a number, and an answer that of its offer: an answer to
//	another offer than our last is stale; an offer that comes a second time is
//	answered a second time, with the same words
//
//	two offers that meet: one for a new connection goes before one for new
//	paths; else that of the side that is not polite goes before the other.
//	Who gives way takes his own back, and answers
//
// (W3C WebRTC §10.7, "perfect negotiation", but for the numbers.)
type negotiation struct {
	offers  int               // how many we have made
	pending *wire.Description // our offer that waits for an answer; nil if none does
	offered *connection       // of pending
	asked   time.Time         // when it was made

	answered int               // the number of the partner's offer that we answered last
	answer   *wire.Description // with this

	early []wire.ICECandidate // the partner's candidates that no description we know is about
	sent  []wire.ICECandidate // ours, since our last description; at most maxLocal
	heard int                 // candidates of the partner since his last description

	spareAt time.Time // when to tell the spare candidates; zero if there are none
	rate    meter     // of the partner's offers
}

func newNegotiation() negotiation {
	return negotiation{rate: meter{interval: offerInterval, burst: offerBurst}}
}

// hear acts on one message of the server. Types that it does not know are for
// later versions.
func (l *link) hear(text string) error {
	switch typeOf(text) {
	case wire.SignalBye:
		return l.bye(text)
	case wire.SignalOffer, wire.SignalAnswer:
		d := new(wire.Description)
		if unmarshal(text, d) != nil {
			return l.unusable()
		}
		if d.Type == wire.SignalOffer {
			return l.onOffer(d)
		}
		return l.onAnswer(d)
	case wire.SignalCandidate:
		l.onCandidate(text)
	}
	return nil
}

// described tells whether the partner has sent a description that we took.
func (l *link) described() bool { return l.current.remote.session != "" }

// unusable is a description that makes no sense: as good as none.
func (l *link) unusable() error {
	if l.described() {
		return nil
	}
	return ErrNoPath
}

// offer makes the first offer of a connection.
func (l *link) offer(c *connection) error {
	offer, err := c.offer()
	if err != nil {
		return err
	}
	return l.propose(c, offer)
}

// propose makes an offer ours and sends it. It is told first: the candidates
// follow as soon as it is set.
func (l *link) propose(c *connection, offer webrtc.SessionDescription) error {
	l.offers++
	l.pending = &wire.Description{Type: wire.SignalOffer, SDP: offer.SDP, Offer: l.offers}
	l.offered, l.asked = c, time.Now()
	l.startTrickle(c)
	if set := c.pc.SignalingState() == webrtc.SignalingStateHaveLocalOffer; set && !l.described() {
		if full := c.pc.LocalDescription(); full != nil { // it was prepared, and has candidates by now
			l.pending.SDP = full.SDP
		}
		l.seat.tell(l.pending)
		return nil
	}
	l.seat.tell(l.pending)
	return c.pc.SetLocalDescription(offer)
}

// freshen has a connection that was prepared know the servers of this room,
// when it is about to gather again. Before it has a description, it would give up
// what it has gathered; before both are settled, fill a second pool.
func (l *link) freshen(c *connection) {
	if c.stale {
		c.stale = false
		c.setServers(l.search, l.servers)
	}
}

// onOffer answers an offer, or holds on to ours.
func (l *link) onOffer(d *wire.Description) error {
	now := time.Now()
	switch {
	case d.Offer != 0 && d.Offer == l.answered && l.answer != nil:
		l.repeat()
		return nil
	case d.Offer != 0 && d.Offer <= l.answered: // it was on its way for long
		return nil
	case l.rate.wait(now) > 0:
		return nil
	}
	l.rate.count(now)
	fresh := l.described() && sessionOf(d.SDP) != l.current.remote.session
	if l.pending != nil && !l.yield(fresh) {
		return nil
	}
	c := l.current
	if fresh {
		if c = l.replacement(false); c == nil {
			return nil
		}
	}
	if err := l.respond(c, d); err != nil {
		if fresh {
			l.dropNext()
		}
		return l.unusable()
	}
	l.underWay(now)
	return nil
}

// yield decides which of two offers counts, and takes ours back if it is not
// ours.
func (l *link) yield(fresh bool) bool {
	ours := l.offered == l.next
	if stronger := ours != fresh && ours || ours == fresh && !l.seat.polite; stronger && !l.forlorn() {
		return false
	}
	c := l.offered
	l.pending, l.offered = nil, nil
	if ours {
		l.dropNext()
		return true
	}
	if err := c.rollback(); err != nil && !fresh {
		l.replaceOnly = true
		return false
	}
	return true
}

// forlorn tells whether our offer was lost, and nothing needs it any more: the chat
// goes on as it is.
func (l *link) forlorn() bool {
	return l.carrier() != nil && l.since.IsZero() && time.Since(l.asked) >= unansweredTimeout
}

// respond answers an offer on a connection.
func (l *link) respond(c *connection, d *wire.Description) error {
	var trip time.Duration // of the partner to the server and back, and ours
	if c.remote.session != "" {
		l.freshen(c)
	} else if l.seat.matched && c == l.current {
		trip = min(time.Since(l.seat.since), offerTrip)
	}
	if err := c.describe(webrtc.SDPTypeOffer, d.SDP); err != nil {
		return err
	}
	answer, err := c.pc.CreateAnswer(nil)
	if err != nil {
		return err
	}
	if trip > 0 && ranksByCheck {
		c.aside.admitted = time.Now().Add(trip + admitDelay)
	}
	l.answered = d.Offer
	l.answer = &wire.Description{Type: wire.SignalAnswer, SDP: c.told(answer.SDP), Offer: d.Offer}
	l.startTrickle(c)
	l.seat.tell(l.answer)
	l.catchUp(c)
	return c.pc.SetLocalDescription(answer)
}

// onAnswer takes the answer to our offer.
func (l *link) onAnswer(d *wire.Description) error {
	if l.pending == nil || d.Offer != 0 && d.Offer != l.pending.Offer {
		return nil
	}
	c := l.offered
	if err := c.describe(webrtc.SDPTypeAnswer, d.SDP); err != nil {
		return l.unusable()
	}
	l.pending, l.offered = nil, nil
	l.catchUp(c)
	l.underWay(time.Now())
	return nil
}

// onCandidate takes one candidate of the partner.
func (l *link) onCandidate(text string) {
	var m wire.Candidate
	if l.heard++; l.heard > maxCandidates || unmarshal(text, &m) != nil {
		return
	}
	if c := l.subject(m.ICE.UsernameFragment); c != nil {
		now := time.Now()
		c.give(m.ICE, now)
		c.giveAside(now)
		return
	}
	l.early = append(l.early, m.ICE)
}

// subject is the connection that a candidate is for: the one whose description
// by the partner has its user name fragment. A program that sends none means
// what it described last.
func (l *link) subject(ufrag string) *connection {
	for _, c := range []*connection{l.next, l.current} {
		if c != nil && c.remote.session != "" && (ufrag == "" || ufrag == c.remote.ufrag) {
			return c
		}
	}
	return nil
}

// catchUp gives a connection, which the partner has just described, the
// candidates that came too early; the others are of descriptions that are no
// more.
func (l *link) catchUp(c *connection) {
	now := time.Now()
	for _, candidate := range l.early {
		if candidate.UsernameFragment == "" || candidate.UsernameFragment == c.remote.ufrag {
			c.give(candidate, now)
		}
	}
	c.giveAside(now)
	l.early, l.heard = nil, 0
}

// startTrickle begins to tell the candidates of a description.
func (l *link) startTrickle(c *connection) {
	l.sent = nil
	c.relayTold, c.spare, l.spareAt = 0, nil, time.Time{}
}

// trickle tells the partner which candidates a connection has found.
func (l *link) trickle(c *connection) {
	for {
		select {
		case candidate := <-c.local:
			l.sort(c, candidate)
		default:
			return
		}
	}
}

// sort tells a candidate, or keeps it for later: a relayed one that is no better
// than what was told. UDP is better than TCP, whichever is found first.
func (l *link) sort(c *connection, candidate wire.ICECandidate) {
	rank := relayRank(candidate.Candidate)
	if rank > 0 && rank <= c.relayTold {
		if len(c.spare) < maxLocal {
			c.spare = append(c.spare, candidate)
		}
		if l.spareAt.IsZero() {
			l.spareAt = time.Now().Add(spareDelay)
		}
		return
	}
	c.relayTold = max(c.relayTold, rank)
	l.tellCandidate(candidate)
}

// tellSpare tells what was kept, where it may still be needed.
func (l *link) tellSpare() {
	l.spareAt = time.Time{}
	for _, c := range []*connection{l.current, l.next} {
		if c == nil {
			continue
		}
		if !c.connected() || !l.since.IsZero() {
			for _, candidate := range c.spare {
				l.tellCandidate(candidate)
			}
		}
		c.spare = nil
	}
}

func (l *link) tellCandidate(candidate wire.ICECandidate) {
	candidate.Candidate = biased(candidate.Candidate, l.seat.role)
	if len(l.sent) < maxLocal {
		l.sent = append(l.sent, candidate)
	}
	l.seat.tell(&wire.Candidate{Type: wire.SignalCandidate, ICE: candidate})
}

// repeat says our last answer again, and what belongs to it.
func (l *link) repeat() {
	l.seat.tell(l.answer)
	l.retrickle()
}

func (l *link) retrickle() {
	for _, candidate := range l.sent {
		l.seat.tell(&wire.Candidate{Type: wire.SignalCandidate, ICE: candidate})
	}
}
