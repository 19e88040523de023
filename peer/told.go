package peer

import (
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// This file is what the link is told by others than its connections: by the seat,
// the network and the page.

// moved acts on a change of our network.
func (l *link) moved() {
	l.seat.hurry()
	l.awoke()
}

// awoke asks the partner for a sign of life: the page was asleep, or something
// has changed.
func (l *link) awoke() {
	if l.carrier() != nil {
		l.tell(news{probe: true})
	}
}

// reseated acts on the return of the seat: what was said last may have got
// lost, and the network may be another one.
func (l *link) reseated(back returned) {
	if len(back.servers) > 0 { // before anything is gathered
		l.equip(back.servers)
	}
	switch {
	case l.carrier() == nil || l.since.IsZero() && l.pending != nil:
		l.sayAgain()
	case !l.since.IsZero():
		if l.pending != nil && l.attempts > 0 {
			l.attempts-- // the partner has not heard of it
		}
		l.again = time.Now()
		if l.seat.polite {
			l.again = l.again.Add(politeDelay)
		}
	case back.rebuilt && l.relayed():
		l.worry(0) // the relay has forgotten us
	default:
		l.awoke()
	}
}

// sayAgain repeats our last description, and what belongs to it.
func (l *link) sayAgain() {
	switch {
	case l.pending != nil:
		if full := l.offered.pc.LocalDescription(); full != nil { // which has our candidates by now
			l.pending.SDP = full.SDP
		}
		l.seat.tell(l.pending)
	case l.answer != nil:
		l.repeat()
	default:
		l.retrickle()
	}
}

// refreshed acts on newer ICE servers: they may be what the connection lacks.
func (l *link) refreshed(servers []wire.ICEServer) {
	l.equip(servers)
	if !l.since.IsZero() && l.pending == nil && !l.current.connected() {
		l.again = time.Now()
	}
}

// equip has the connections know these ICE servers when they gather again.
func (l *link) equip(servers []wire.ICEServer) {
	l.servers = servers
	if l.current.stale = !l.described(); !l.current.stale {
		l.current.setServers(l.search, servers)
	}
}

// bye acts on the server's word that the partner has left. It says so also
// when it is the server that ends: then only he knows. A room that was ended by
// who runs the server ends the chat, whatever still carries it.
func (l *link) bye(text string) error {
	var said wire.Bye
	ended := unmarshal(text, &said) == nil && said.Reason == wire.ByeEnded
	if ended || l.carrier() == nil || l.current.dead() {
		if l.carrier() == nil && !ended {
			l.learn(text)
		}
		if l.verdict != "" {
			return ErrNoPath // the partner has noticed it first
		}
		return ErrPartnerGone
	}
	l.gone = true
	poke(l.doubts)
	return nil
}

// unseated acts on the loss of the seat for good. What works, works on.
func (l *link) unseated() error {
	l.seatless = true
	if !l.described() {
		return l.seat.fault()
	}
	if l.current.dead() {
		return ErrPartnerGone
	}
	return nil
}

// relayed tells whether the chat goes over our relay or the partner's.
func (l *link) relayed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.path.Kind != PathDirect && l.path.Kind != PathUnknown
}
