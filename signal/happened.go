package signal

import (
	"bytes"
	"net/netip"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// EventKind is what happened to a room.
type EventKind uint8

// The kinds of events. Those of a member have its Side: A is who took a seat
// first.
const (
	EventRegistered EventKind = iota + 1 // with User, From and the flags
	EventResumed                         // it came back to its seat; with From
	EventRebuilt                         // the same, to a seat of an earlier process
	EventOffer                           //
	EventAnswer                          //
	EventCandidate                       // with Candidate
	EventHidden                          // with Count: candidates that were not passed on
	EventAway                            // its socket was lost, and its seat is held
	EventGaveUp                          // it has not come back
	EventLeft                            // it said so, or was sent away
	EventAbsent                          // the second one did not come
	EventOver                            // nobody is there any more
	EventOutcome                         // with Outcome
)

// Event is told to Config.Happened.
type Event struct {
	Kind EventKind
	Side wire.Side // empty: it is about nobody in particular

	User                                string     // whom, as he calls himself
	From                                netip.Addr // where he came from
	Reports, Resumes, Hides, Standalone bool       // what he has announced

	Candidate Candidate
	Count     int
	Outcome   *wire.Outcome
}

// Candidate is what kind of ICE candidate somebody told. Where it is, is nobody's
// business.
type Candidate struct {
	Type string // host, srflx, prflx or relay (RFC 8839 §5.1)
	IPv6 bool   // of its address
	Name bool   // it has a name of mDNS instead
	TCP  bool   // RFC 6544
}

// happened tells Config.Happened of a seat, if somebody listens.
func (r *Rooms) happened(s *seat, e Event) {
	if r.cfg.Happened != nil && s != nil {
		e.Side = s.side
		r.cfg.Happened(s.room.alias, e)
	}
}

// arrived tells that a member has taken its seat, or come back to it.
func (m *member) arrived(s *seat, kind EventKind) {
	e := Event{Kind: kind, From: m.conn.Addr()}
	if kind == EventRegistered {
		e.User, e.Reports, e.Resumes, e.Hides, e.Standalone = s.ClientID, s.reports, s.resume, s.hidden, s.standalone
	}
	m.rooms.happened(s, e)
}

// spoke tells what kind of message a member has for the other one. Of the
// message it is looked at no further than to find the candidates in it: it was
// found to be valid, and is passed on as it came.
func (m *member) spoke(typ string, text []byte) {
	s := m.seat.Load()
	if m.rooms.cfg.Happened == nil || s == nil {
		return
	}
	switch typ {
	case wire.SignalOffer:
		m.rooms.happened(s, Event{Kind: EventOffer})
	case wire.SignalAnswer:
		m.rooms.happened(s, Event{Kind: EventAnswer})
	}
	for range maxSeenCandidates {
		c, rest, ok := nextCandidate(text)
		if !ok {
			return
		}
		text = rest
		m.rooms.happened(s, Event{Kind: EventCandidate, Candidate: c})
	}
}

// maxSeenCandidates bounds how many candidates of one message are looked at.
const maxSeenCandidates = 64

// nextCandidate finds the first candidate in a message, and what follows it. It
// takes nothing apart that need not be: what is no candidate after all costs only
// a line in the timeline of who wrote it.
//
//	candidate:FOUNDATION COMPONENT TRANSPORT PRIORITY ADDRESS PORT typ TYPE
func nextCandidate(text []byte) (c Candidate, rest []byte, ok bool) {
	for {
		_, after, found := bytes.Cut(text, []byte("candidate:"))
		if !found {
			return c, nil, false
		}
		if c, ok = kindOf(after); ok {
			return c, after, true
		}
		text = after
	}
}

// kindOf reads what follows "candidate:".
func kindOf(value []byte) (c Candidate, ok bool) {
	const parts, longest = 8, 512
	var f [parts][]byte
	rest := value[:min(len(value), longest)]
	for i := range f {
		end := bytes.IndexAny(rest, " \\\"")
		if end < 0 {
			return c, false
		}
		if f[i] = rest[:end]; i < parts-1 && rest[end] != ' ' {
			return c, false
		}
		rest = rest[end+1:]
	}
	if string(f[6]) != "typ" {
		return c, false
	}
	for _, known := range [...]string{"host", "srflx", "prflx", "relay"} {
		if string(f[7]) == known {
			c.Type = known
		}
	}
	c.IPv6 = bytes.IndexByte(f[4], ':') >= 0
	c.Name = bytes.HasSuffix(f[4], []byte(".local"))
	c.TCP = bytes.EqualFold(f[2], []byte("tcp"))
	return c, c.Type != ""
}
