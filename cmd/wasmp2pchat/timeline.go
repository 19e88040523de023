package main

import (
	"log/slog"
	"net/http"
	"slices"

	"github.com/wasmp2pchat/wasmp2pchat/internal/admin"

	"github.com/wasmp2pchat/wasmp2pchat/internal/roomkey"
	"github.com/wasmp2pchat/wasmp2pchat/internal/timeline"
	"github.com/wasmp2pchat/wasmp2pchat/match"
	"github.com/wasmp2pchat/wasmp2pchat/signal"
	"github.com/wasmp2pchat/wasmp2pchat/turnsvc"
	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// chronicle tells the timelines what the services tell us, in their words.
type chronicle struct{ *timeline.Store }

func newChronicle(log *slog.Logger) chronicle { return chronicle{timeline.New(timeline.Limits{}, log)} }

// matched is what happens in the lobby.
func (c chronicle) matched(room string, e match.Event) {
	entry := timeline.Event{Kind: timeline.Reoffered}
	if e.Kind == match.EventMatched {
		entry = timeline.Event{
			Kind: timeline.Matched, Side: e.Side, User: e.User, From: e.From, Took: int(e.Waited.Milliseconds()), Detail: bit(e.Shared, 1),
		}
	}
	c.Add(roomkey.Name(room), entry)
}

// signaled is what happens in the rooms.
func (c chronicle) signaled(room string, e signal.Event) {
	name := roomkey.Name(room)
	if e.Kind == signal.EventOutcome {
		c.reported(name, e.Side, e.Outcome)
		return
	}
	entry := timeline.Event{Kind: kindOfSignal(e.Kind), Side: e.Side, Seat: true, User: e.User, From: e.From, Count: e.Count}
	switch e.Kind {
	case signal.EventRegistered:
		entry.Detail = bit(e.Reports, timeline.ClientReports) | bit(e.Resumes, timeline.ClientResumes) |
			bit(e.Hides, timeline.ClientHides) | bit(e.Standalone, timeline.ClientStandalone)
	case signal.EventCandidate:
		entry.Detail = uint16(candidateType(e.Candidate.Type)) | bit(e.Candidate.IPv6, timeline.CandidateIPv6) |
			bit(e.Candidate.Name, timeline.CandidateName) | bit(e.Candidate.TCP, timeline.CandidateOverTCP)
	default:
	}
	c.Add(name, entry)
}

// kindOfSignal is the kind of an event of the rooms.
func kindOfSignal(k signal.EventKind) timeline.Kind {
	return [...]timeline.Kind{
		signal.EventRegistered: timeline.Registered, signal.EventResumed: timeline.Resumed, signal.EventRebuilt: timeline.Rebuilt,
		signal.EventOffer: timeline.Offered, signal.EventAnswer: timeline.Answered,
		signal.EventCandidate: timeline.Candidate, signal.EventHidden: timeline.Hidden,
		signal.EventAway: timeline.SocketLost, signal.EventGaveUp: timeline.GaveUp, signal.EventLeft: timeline.Left,
		signal.EventAbsent: timeline.NobodyCame, signal.EventOver: timeline.Over,
	}[k]
}

func candidateType(name string) timeline.CandidateType {
	switch name {
	case "srflx":
		return timeline.Srflx
	case "prflx":
		return timeline.Prflx
	case "relay":
		return timeline.Relay
	default:
		return timeline.Host
	}
}

// reported is what a client says of ICE.
func (c chronicle) reported(name string, side wire.Side, o *wire.Outcome) {
	add := func(e timeline.Event) {
		e.Side, e.Seat = side, true
		c.Add(name, e)
	}
	for _, f := range o.Faults {
		add(timeline.Event{Kind: timeline.Fault, Detail: uint16(f.Code), Via: f.Via, Port: f.Port})
	}
	if o.State == wire.OutcomeConnected {
		path := max(0, slices.Index(wire.OutcomePaths(), o.Path))
		add(timeline.Event{Kind: timeline.Connected, Detail: uint16(path), Took: o.Took, RTT: o.RTT})
		return
	}
	for kind, n := range map[timeline.CandidateType]int{timeline.Host: o.Host, timeline.Srflx: o.Srflx, timeline.Relay: o.Relay} {
		if n > 0 {
			add(timeline.Event{Kind: timeline.Gathered, Detail: uint16(kind), Count: n})
		}
	}
	kind := timeline.Failed
	if o.State == wire.OutcomeLost {
		kind = timeline.Lost
	}
	add(timeline.Event{Kind: kind, Detail: timeline.StateDetail(o.ICE, o.Gathering, o.DTLS), Took: o.Took})
}

// relayed is what happens at the relay.
func (c chronicle) relayed(room string, e turnsvc.Event) {
	side, seat, known := sideOf(e)
	if !known {
		return // who checks his connection is in no room
	}
	entry := timeline.Event{Side: side, Seat: seat}
	switch e.Kind {
	case turnsvc.EventAllocated:
		entry.Kind, entry.From = timeline.Allocated, e.Client
		entry.Detail = uint16(e.Transport) | bit(e.IPv6, timeline.AllocationIPv6)
	case turnsvc.EventDeallocated:
		entry.Kind = timeline.Deallocated
	case turnsvc.EventBounds, turnsvc.EventStranger:
		entry.Kind, entry.Detail = timeline.Forbidden, bit(e.Kind == turnsvc.EventStranger, 1)
	default:
		entry.Kind, entry.Detail = timeline.Refused, uint16(refusalOf(e.Kind))
	}
	c.Add(room, entry)
}

func refusalOf(k turnsvc.EventKind) timeline.Refusal {
	switch k {
	case turnsvc.EventExpired:
		return timeline.RefusedExpired
	case turnsvc.EventQuota:
		return timeline.RefusedQuota
	case turnsvc.EventPorts:
		return timeline.RefusedPorts
	case turnsvc.EventBudget:
		return timeline.RefusedBudget
	default:
		return timeline.RefusedWrong
	}
}

// sideOf is who an event of the relay is about. Which service has minted the
// credential is part of the side that is in it; what is held in the room of
// somebody who waited, and was met in the other one's, is that of b there.
func sideOf(e turnsvc.Event) (side wire.Side, seat, known bool) {
	if e.Joined {
		return wire.SideB, false, true
	}
	for _, side := range []wire.Side{wire.SideA, wire.SideB} {
		switch e.Side {
		case lobbySide + string(side):
			return side, false, true
		case roomSide + string(side):
			return side, true, true
		}
	}
	return "", false, false
}

// bit is value if it is set.
func bit(set bool, value uint16) uint16 {
	if set {
		return value
	}
	return 0
}

// history answers GET /api/rooms/{id}/timeline.
func (c chronicle) history() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t, found := c.Find(r.PathValue("id"))
		if !found {
			admin.Fail(w, http.StatusNotFound, "no such room, or it is forgotten")
			return
		}
		admin.Reply(w, http.StatusOK, t)
	})
}
