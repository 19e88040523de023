package timeline

import (
	"slices"
	"testing"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// the events of a story, each a second after the one before.
func story(events ...Event) []record {
	rm := new(room)
	for i, e := range events {
		r := e.compact()
		r.after = uint32(i) * 1000
		r.side |= rm.side(&e)
		rm.add(r, 1000)
	}
	return rm.records
}

const a, b = wire.SideA, wire.SideB

// What a room begins with.
func matched() []Event { return []Event{{Kind: Matched, Side: a}, {Kind: Matched, Side: b}} }

func registered(detail uint16) []Event {
	return append(matched(), Event{Kind: Registered, Side: a, Detail: detail}, Event{Kind: Registered, Side: b, Detail: detail})
}

func negotiated(detail uint16) []Event {
	return append(registered(detail), Event{Kind: Offered, Side: a}, Event{Kind: Answered, Side: b})
}

func told(side wire.Side, types ...CandidateType) (events []Event) {
	for _, t := range types {
		events = append(events, Event{Kind: Candidate, Side: side, Detail: uint16(t)})
	}
	return events
}

func connected(side wire.Side, path wire.Verdict) Event {
	return Event{Kind: Connected, Side: side, Detail: uint16(slices.Index(wire.OutcomePaths(), path))}
}

func failed(side wire.Side) Event {
	return Event{Kind: Failed, Side: side, Detail: StateDetail("failed", "complete", "new")}
}

func refused(side wire.Side, why Refusal) Event {
	return Event{Kind: Refused, Side: side, Detail: uint16(why)}
}

func TestJudge(t *testing.T) {
	t.Parallel()
	left, over := Event{Kind: Left, Side: a}, Event{Kind: Over}
	noPath := func(more ...Event) []Event {
		return slices.Concat(negotiated(ClientReports), more, []Event{failed(a), left, over})
	}
	for _, c := range []struct {
		name   string
		events []Event
		want   wire.Verdict
	}{
		{"both say that they are connected", slices.Concat(negotiated(0), []Event{connected(a, "direct"), connected(b, "direct"), left, over}), "direct"},
		{"one says so", slices.Concat(negotiated(0), []Event{connected(b, "relay-udp"), left, over}), "relay-udp"},
		{"each knows of his own relay only", slices.Concat(negotiated(0), []Event{connected(a, "relay-tcp"), connected(b, "relay-udp"), left, over}), "relay-tcp"},
		{"TLS to the relay", slices.Concat(negotiated(0), []Event{connected(a, "relay-udp"), connected(b, "relay-tls"), left, over}), "relay-tls"},
		{"the path became another one", slices.Concat(negotiated(0), []Event{connected(a, "relay-udp"), connected(b, "relay-udp"), connected(a, "direct"), connected(b, "direct"), left, over}), "direct"},
		{"lost in the middle", slices.Concat(negotiated(0), []Event{connected(a, "direct"), {Kind: Lost, Side: a}, over}), "lost"},
		{"one never came back", slices.Concat(negotiated(0), []Event{connected(a, "direct"), {Kind: SocketLost, Side: b}, {Kind: GaveUp, Side: b}, over}), "lost"},
		{"a socket was lost, and the chat was not", slices.Concat(negotiated(0), []Event{connected(a, "direct"), {Kind: SocketLost, Side: b}, {Kind: Resumed, Side: b}, left, over}), "direct"},

		{"nobody registered", append(matched(), over), "partner-absent"},
		{"one registered", append(matched(), Event{Kind: Registered, Side: b}, Event{Kind: NobodyCame}, over), "partner-absent"},
		{"one registered and left at once", append(matched(), Event{Kind: Registered, Side: a}, left, over), "partner-left"},
		{"one left before he had an offer", slices.Concat(registered(ClientReports), []Event{left, over}), "partner-left"},
		{"one left before they were connected", slices.Concat(negotiated(ClientReports), []Event{left, over}), "partner-left"},
		{"one left while the offer was new", slices.Concat(registered(ClientReports), []Event{{Kind: Offered, Side: a}, left, over}), "partner-left"},
		{"one waited for an answer", slices.Concat(registered(ClientReports), []Event{{Kind: Offered, Side: a}}, slices.Repeat([]Event{{Kind: SocketLost}}, 9), []Event{left, over}), "no-answer"},
		{"no answer, and he says so", slices.Concat(registered(ClientReports), []Event{{Kind: Offered, Side: a}, failed(a), left, over}), "no-answer"},

		{"neither has a relayed address", noPath(append(told(a, Host, Srflx), told(b, Host, Srflx)...)...), "no-relay"},
		{"one has none", noPath(append(told(a, Host, Srflx, Relay), told(b, Host)...)...), "no-relay"},
		{"one has none, and says so himself", noPath(append(told(a, Host, Relay), Event{Kind: Gathered, Side: b, Detail: uint16(Host), Count: 2})...), "no-relay"},
		{"he gathered one that he never told", noPath(append(told(a, Relay), Event{Kind: Gathered, Side: b, Detail: uint16(Relay)})...), "no-path"},
		{"both have one", noPath(append(told(a, Host, Relay), told(b, Relay)...)...), "no-path"},
		{"the relay did not know where the other one is", noPath(slices.Concat(told(a, Relay), told(b, Srflx), []Event{{Kind: Forbidden, Side: a, Detail: 1}})...), "forbidden"},
		{"addresses that nobody may reach are refused every day", noPath(slices.Concat(told(a, Relay), told(b, Srflx), []Event{{Kind: Forbidden, Side: a}})...), "no-relay"},
		{"the credential had expired", noPath(append(told(a, Relay), refused(b, RefusedExpired))...), "credential"},
		{"a wrong password", noPath(refused(b, RefusedWrong)), "credential"},
		{"too many allocations", noPath(refused(a, RefusedQuota)), "quota"},
		{"no port", noPath(append(told(b, Relay), refused(a, RefusedPorts))...), "quota"},
		{"no budget", noPath(append(told(b, Relay), refused(a, RefusedBudget))...), "budget"},
		{"one URL was refused, and another one was not", noPath(slices.Concat(told(a, Relay), told(b, Relay), []Event{refused(a, RefusedQuota)})...), "no-path"},
		{"refused, but connected", slices.Concat(negotiated(0), []Event{refused(a, RefusedQuota), connected(a, "direct"), left, over}), "direct"},
		{"ICE is done, DTLS is not", slices.Concat(negotiated(0), []Event{{Kind: Failed, Side: a, Detail: StateDetail("connected", "complete", "connecting")}, over}), "no-data"},

		{"clients that do not report", slices.Concat(negotiated(0), []Event{left, over}), "unknown"},
		{"one of two does not", slices.Concat(matched(), []Event{{Kind: Registered, Side: a, Detail: ClientReports}, {Kind: Registered, Side: b}, {Kind: Offered}, {Kind: Answered}, left, over}), "unknown"},
	} {
		if got := judge(story(c.events...), true); got != c.want {
			t.Errorf("%s: judge() = %q, want %q", c.name, got, c.want)
		}
	}
}

// TestJudgeGoesOn holds that nothing is said of a room too early, but that it is
// lost.
func TestJudgeGoesOn(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		events []Event
		want   wire.Verdict
	}{
		"nothing yet": {nil, "open"},
		"matched":     {matched(), "open"},
		"connected":   {append(negotiated(0), connected(a, "direct")), "open"},
		"failed":      {append(negotiated(0), failed(a)), "open"},
		"lost":        {append(negotiated(0), connected(a, "direct"), Event{Kind: Lost, Side: a}), "lost"},
	} {
		if got := judge(story(c.events...), false); got != c.want {
			t.Errorf("%s: judge() = %q, want %q", name, got, c.want)
		}
	}
}

// FuzzJudge holds that whatever the events, there is a verdict from the list, a
// sentence for it, and words for each event.
func FuzzJudge(f *testing.F) {
	f.Add([]byte{1, 1, 0, 0, 1, 2, 0, 0, 3, 1, 1, 0}, true)
	f.Fuzz(func(t *testing.T, bytes []byte, ended bool) {
		rm := &room{began: time.Now().UnixMilli(), state: over}
		for ; len(bytes) >= 4; bytes = bytes[4:] {
			e := Event{Kind: Kind(bytes[0]), Side: []wire.Side{"", a, b}[bytes[1]%3], Detail: uint16(bytes[2])<<8 | uint16(bytes[3])}
			r := e.compact()
			r.side |= rm.side(&e)
			rm.add(r, 96)
		}
		v := judge(rm.records, ended)
		if !slices.Contains(wire.Verdicts(), v) || sentence(v) == "" {
			t.Fatalf("judge() = %q, %q", v, sentence(v))
		}
		if text := rm.timeline(); len(text.Events) != len(rm.records) || len(text.Events) > 96 {
			t.Fatalf("%d events in words, of %d", len(text.Events), len(rm.records))
		}
	})
}
