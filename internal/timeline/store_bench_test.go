package timeline_test

import (
	"log/slog"
	"net/netip"
	"strconv"
	"testing"

	"github.com/wasmp2pchat/wasmp2pchat/internal/timeline"
	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// BenchmarkMatch is what a pair costs of whom nothing but the match is known, as
// in a rush of visitors: of 33 µs that the server takes for them in all.
func BenchmarkMatch(b *testing.B) {
	s := timeline.New(timeline.Limits{}, slog.New(slog.DiscardHandler))
	names := make([]string, 1<<16)
	for i := range names {
		names[i] = "room-" + strconv.Itoa(1_000_000+i) + "-of-22-chr"
	}
	from := netip.MustParseAddr("192.0.2.1")
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		name := names[i%len(names)]
		s.Add(name, timeline.Event{Kind: timeline.Matched, Side: wire.SideA, User: "somebody", From: from, Took: 20})
		s.Add(name, timeline.Event{Kind: timeline.Matched, Side: wire.SideB, User: "somebody else", From: from, Took: 10})
	}
}

// BenchmarkCandidate is what a message costs beside what passing it on does.
func BenchmarkCandidate(b *testing.B) {
	s := timeline.New(timeline.Limits{}, slog.New(slog.DiscardHandler))
	s.Add("room", timeline.Event{Kind: timeline.Registered, Side: wire.SideA, Seat: true, User: "somebody"})
	for i := range 12 {
		s.Add("room", timeline.Event{Kind: timeline.Candidate, Side: wire.SideA, Seat: true, Detail: uint16(i)})
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		s.Add("room", timeline.Event{Kind: timeline.Candidate, Side: wire.SideA, Seat: true, Detail: uint16(i % 12)})
	}
}
