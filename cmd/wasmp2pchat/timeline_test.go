package main

import (
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/roomkey"
	"github.com/wasmp2pchat/wasmp2pchat/internal/timeline"
	"github.com/wasmp2pchat/wasmp2pchat/match"
	"github.com/wasmp2pchat/wasmp2pchat/signal"
	"github.com/wasmp2pchat/wasmp2pchat/turnsvc"
	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// TestChronicle holds what becomes of everything that the services tell: by the
// name of the room or its id, and with sides that mean the same two everywhere.
func TestChronicle(t *testing.T) {
	t.Parallel()
	c := chronicle{timeline.New(timeline.Limits{}, slog.New(slog.DiscardHandler))}
	name := roomkey.NewName()
	id := roomkey.New("a secret for tests").Mint(name)
	ann, bob := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")

	c.relayed(name, turnsvc.Event{Kind: turnsvc.EventAllocated, Side: "ma", Client: ann, Transport: turnsvc.TransportTLS, IPv6: true})
	c.matched(name, match.Event{Kind: match.EventMatched, At: time.Now(), Side: wire.SideA, User: "u1", From: ann, Shared: true, Waited: 1500 * time.Millisecond})
	c.matched(name, match.Event{Kind: match.EventMatched, At: time.Now(), Side: wire.SideB, User: "u2", From: bob})
	c.signaled(id, signal.Event{Kind: signal.EventRegistered, Side: wire.SideA, User: "u2", From: bob, Reports: true})
	c.signaled(id, signal.Event{Kind: signal.EventRegistered, Side: wire.SideB, User: "u1", From: ann, Resumes: true, Hides: true, Standalone: true})
	for _, kind := range []signal.EventKind{signal.EventOffer, signal.EventAnswer, signal.EventHidden, signal.EventAway, signal.EventResumed, signal.EventRebuilt, signal.EventGaveUp} {
		c.signaled(id, signal.Event{Kind: kind, Side: wire.SideA})
	}
	c.signaled(id, signal.Event{Kind: signal.EventCandidate, Side: wire.SideA, Candidate: signal.Candidate{Type: "srflx", IPv6: true, TCP: true}})
	c.signaled(id, signal.Event{Kind: signal.EventCandidate, Side: wire.SideB, Candidate: signal.Candidate{Type: "host", Name: true}})
	for _, kind := range []turnsvc.EventKind{
		turnsvc.EventExpired, turnsvc.EventWrong, turnsvc.EventQuota, turnsvc.EventPorts, turnsvc.EventBudget,
		turnsvc.EventBounds, turnsvc.EventStranger, turnsvc.EventDeallocated,
	} {
		c.relayed(name, turnsvc.Event{Kind: kind, Side: "sb"})
	}
	c.relayed(name, turnsvc.Event{Kind: turnsvc.EventDeallocated, Side: "ma", Joined: true})
	c.relayed(name, turnsvc.Event{Kind: turnsvc.EventDeallocated, Side: "ca"}) // a check
	c.signaled(id, signal.Event{Kind: signal.EventOutcome, Side: wire.SideB, Outcome: &wire.Outcome{
		State: wire.OutcomeFailed, Took: 9000, ICE: "failed", Gathering: "complete", DTLS: "new", Host: 2,
		Faults: []wire.ICEFault{{Via: "tls", Port: 443, Code: 701}},
	}})
	c.signaled(id, signal.Event{Kind: signal.EventOutcome, Side: wire.SideA, Outcome: &wire.Outcome{State: wire.OutcomeConnected, Path: "relay-tcp", RTT: 70, Took: 800}})
	c.signaled(id, signal.Event{Kind: signal.EventOutcome, Side: wire.SideA, Outcome: &wire.Outcome{State: wire.OutcomeLost, Path: "relay-tcp"}})
	c.matched(id, match.Event{Kind: match.EventReoffered})
	c.signaled(id, signal.Event{Kind: signal.EventAbsent})
	c.signaled(id, signal.Event{Kind: signal.EventLeft, Side: wire.SideB})
	c.signaled(id, signal.Event{Kind: signal.EventOver})

	got, found := c.Find(id)
	if !found || got.Room != name {
		t.Fatalf("Find(%s) = %+v, %v", id, got, found)
	}
	lines := make([]string, len(got.Events))
	for i, e := range got.Events {
		lines[i] = strings.TrimSpace(fmt.Sprint(e.Side, " ", e.Event, ": ", e.What, " ", e.From))
	}
	want := strings.Split(strings.TrimSpace(`
a allocated: tls IPv6 192.0.2.0/24
a matched: shared tag, waited 1500 ms
b matched: anybody, waited 0 ms
b registered: reports 2001:db8::/48
a registered: resumes, hides, standalone 192.0.2.0/24
b offer:
b answer:
b candidate hidden:
b socket lost:
b resumed:
b rebuilt:
b gave up:
b candidate: srflx IPv6 tcp
a candidate: host mDNS
a allocation refused: 401 expired
a allocation refused: 401 wrong
a allocation refused: 486 quota
a allocation refused: 508 ports
a allocation refused: 508 budget
a peer refused: 403 out of bounds
a peer refused: 403 not the partner's
a allocation ended:
b allocation ended:
a server not used: tls port 443: 701
a gathered: host
a failed: ice failed, gathering complete, dtls new, after 9000 ms
b connected: relay-tcp, round trip <= 80 ms, after 800 ms
b lost: ice unknown, gathering unknown, dtls unknown, after 0 ms
offered again:
partner absent:
a left:
over:`), "\n")
	if !slices.Equal(lines, want) {
		t.Errorf("the timeline is\n%s\nwant\n%s", strings.Join(lines, "\n"), strings.Join(want, "\n"))
	}
}
