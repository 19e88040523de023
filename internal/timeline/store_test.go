package timeline_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/timeline"
	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

func TestMain(m *testing.M) {
	flag.Bool("update", false, "write the golden file anew")
	m.Run()
}

// open is a Store that is kept for the length of a test on the fake clock.
func open(t *testing.T, limits timeline.Limits, log *slog.Logger) *timeline.Store {
	t.Helper()
	s := timeline.New(limits, log)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { // waited for below
		defer close(done)
		_ = s.Serve(ctx)
	}()
	t.Cleanup(func() {
		stop()
		<-done
	})
	return s
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// pause lets time pass on the fake clock.
func pause(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// noRelay is a room in which two could not be connected, because one reaches no
// relay.
func noRelay(s *timeline.Store, room string) {
	from := netip.MustParseAddr("198.51.100.77")
	add := func(events ...timeline.Event) {
		for _, e := range events {
			s.Add(room, e)
			pause(20 * time.Millisecond)
		}
	}
	add(
		timeline.Event{Kind: timeline.Matched, Side: wire.SideA, User: "user-1", From: from, Took: 1200, Detail: 1},
		timeline.Event{Kind: timeline.Matched, Side: wire.SideB, User: "user-2", From: netip.MustParseAddr("2001:db8:1:2::7")},
		timeline.Event{Kind: timeline.Registered, Side: wire.SideA, Seat: true, User: "user-2", From: netip.MustParseAddr("2001:db8:1:2::7"), Detail: timeline.ClientReports | timeline.ClientResumes},
		timeline.Event{Kind: timeline.Registered, Side: wire.SideB, Seat: true, User: "user-1", From: from, Detail: timeline.ClientReports | timeline.ClientHides},
		timeline.Event{Kind: timeline.Allocated, Side: wire.SideA, From: from, Detail: timeline.OverTLS},
		timeline.Event{Kind: timeline.Offered, Side: wire.SideB, Seat: true},
		timeline.Event{Kind: timeline.Candidate, Side: wire.SideB, Seat: true, Detail: uint16(timeline.Relay)},
		timeline.Event{Kind: timeline.Candidate, Side: wire.SideA, Seat: true, Detail: uint16(timeline.Host) | timeline.CandidateName},
		timeline.Event{Kind: timeline.Candidate, Side: wire.SideA, Seat: true, Detail: uint16(timeline.Host) | timeline.CandidateName},
		timeline.Event{Kind: timeline.Answered, Side: wire.SideA, Seat: true},
		timeline.Event{Kind: timeline.Forbidden, Side: wire.SideA},
		timeline.Event{Kind: timeline.Fault, Side: wire.SideA, Seat: true, Detail: 701, Via: "udp", Port: 3478},
		timeline.Event{Kind: timeline.Gathered, Side: wire.SideA, Seat: true, Detail: uint16(timeline.Host), Count: 2},
		timeline.Event{Kind: timeline.Failed, Side: wire.SideA, Seat: true, Detail: timeline.StateDetail("failed", "complete", "new"), Took: 18211},
		timeline.Event{Kind: timeline.Left, Side: wire.SideA, Seat: true},
		timeline.Event{Kind: timeline.Over},
	)
}

const roomName = "kJ3sVbQ1XyZ0aBcDeFgHiA"

// TestTimelineOfARoom holds the JSON of a timeline and its text, by all names of the
// room.
func TestTimelineOfARoom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := open(t, timeline.Limits{}, quiet())
		noRelay(s, roomName)
		pause(5 * time.Second)
		var got timeline.Timeline
		for _, id := range []string{roomName, roomName[:8], roomName + "AAAAAGk1Zm9vYmFyYmF6cXV4MTIzNDU2"} {
			found, ok := s.Find(id)
			answer, err := json.Marshal(found)
			if !ok || err != nil {
				t.Fatalf("Find(%q) = %v, %v", id, ok, err)
			}
			got = timeline.Timeline{}
			if err := json.Unmarshal(answer, &got); err != nil {
				t.Fatalf("the timeline %s cannot be read: %v", answer, err)
			}
			if got.Room != roomName || got.Verdict != wire.VerdictNoRelay || got.Ended.IsZero() {
				t.Errorf("Find(%q) = %+v, want the room, over, with no-relay", id, got)
			}
		}
		for _, id := range []string{"kJ3sVbQ", "kJ3sVbQ2", "x" + roomName[1:], strings.Repeat("k", 200)} {
			if found, ok := s.Find(id); ok {
				t.Errorf("Find(%q) = %+v, want nothing", id, found)
			}
		}
		var text bytes.Buffer
		if err := got.WriteText(&text); err != nil {
			t.Fatal(err)
		}
		for _, whole := range []string{"198.51.100.77", "2001:db8:1:2", "user-1", "user-2"} {
			if strings.Contains(text.String(), whole) {
				t.Errorf("the timeline says %q", whole)
			}
		}
		golden(t, "testdata/norelay.txt", text.Bytes())
	})
}

func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if flag.Lookup("update").Value.String() == "true" {
		if err := os.WriteFile(path, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is\n%s, want\n%s", path, got, want)
	}
}

// TestVerdictsAreCounted holds that each room counts once, a while after its end,
// and that the log says so no more than once a minute.
func TestVerdictsAreCounted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		s := open(t, timeline.Limits{}, slog.New(slog.NewTextHandler(&log, nil)))
		count := func() uint64 { return s.Stats().Verdicts["no-relay"] }
		for i := range 3 {
			noRelay(s, fmt.Sprintf("room %d, and no other one", i))
		}
		if got := count(); got != 0 {
			t.Errorf("%d rooms are counted as soon as they end", got)
		}
		pause(5 * time.Second)
		if got := count(); got != 3 {
			t.Errorf("%d rooms are counted, want 3", got)
		}
		pause(3 * time.Second)
		noRelay(s, "the last room of them all")
		pause(20 * time.Second)
		if got := count(); got != 4 {
			t.Errorf("%d rooms are counted, want 4", got)
		}
		if got := s.Stats().Outcomes["failed"]; got != 4 {
			t.Errorf("%d outcomes are counted, want 4", got)
		}
		if lines := strings.Count(log.String(), "\n"); lines != 1 {
			t.Errorf("the log has %d lines within a minute, want 1:\n%s", lines, log.String())
		}
	})
}

// TestRoomsEnd holds what becomes of rooms that nobody ends.
func TestRoomsEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := open(t, timeline.Limits{Keep: 10 * time.Minute}, quiet())
		s.Add("matched", timeline.Event{Kind: timeline.Matched, Side: wire.SideA})
		s.Add("waits", timeline.Event{Kind: timeline.Allocated, Side: wire.SideA})
		s.Add("talks", timeline.Event{Kind: timeline.Registered, Side: wire.SideA, Seat: true})
		known := func(name string) bool {
			_, known := s.Find(name)
			return known
		}
		pause(2 * time.Minute)
		if got := s.Judge("matched"); got != wire.VerdictPartnerAbsent || s.Stats().Verdicts["partner-absent"] != 1 {
			t.Errorf("a room to which nobody came: %q, %v", got, s.Stats().Verdicts)
		}
		pause(11 * time.Minute)
		if known("matched") || !known("waits") || !known("talks") {
			t.Errorf("known: matched %v, waits %v, talks %v; want the last two", known("matched"), known("waits"), known("talks"))
		}
		pause(5 * time.Hour)
		if known("waits") || !known("talks") {
			t.Errorf("known: waits %v, talks %v; want the second", known("waits"), known("talks"))
		}
		s.Add("nobody's", timeline.Event{Kind: timeline.Refused, Side: wire.SideA, Detail: uint16(timeline.RefusedWrong)})
		if known("nobody's") {
			t.Error("a wrong password has begun a room")
		}
	})
}

// TestJoin makes what was done while waiting a part of the room of the two.
func TestJoin(t *testing.T) {
	t.Parallel()
	s := timeline.New(timeline.Limits{}, quiet())
	s.Add("hers", timeline.Event{Kind: timeline.Allocated, Side: wire.SideA, Detail: timeline.OverUDP})
	s.Add("his", timeline.Event{Kind: timeline.Allocated, Side: wire.SideA, Detail: timeline.OverTCP})
	s.Add("hers", timeline.Event{Kind: timeline.Matched, Side: wire.SideA})
	s.Join("his", "hers")
	s.Join("nobody's", "hers")
	s.Join("hers", "his") // is taken
	s.Drop("hers")        // as well
	got, _ := s.Find("hers")
	var sides []wire.Side
	for _, e := range got.Events {
		sides = append(sides, e.Side)
	}
	if _, known := s.Find("his"); known || !reflect.DeepEqual(sides, []wire.Side{wire.SideA, wire.SideA, wire.SideB}) {
		t.Errorf("sides = %v, want a, a, b; his room is known: %v", sides, known)
	}
}

// TestLimits holds a Store to them, whoever adds, and however much.
func TestLimits(t *testing.T) {
	t.Parallel()
	s := timeline.New(timeline.Limits{Rooms: 64, Events: 8, Bytes: 64 << 10}, quiet())
	var crowd sync.WaitGroup
	for worker := range 8 {
		crowd.Go(func() {
			for i := range 200 {
				name := fmt.Sprintf("room %d of %d", i, worker)
				s.Add(name, timeline.Event{Kind: timeline.Registered, Side: wire.SideA, Seat: true})
				for n := range 20 {
					s.Add(name, timeline.Event{Kind: timeline.Resumed, Side: wire.SideA, From: netip.AddrFrom4([4]byte{192, 0, byte(n), 1})})
				}
				if i%2 == 0 {
					s.Add(name, timeline.Event{Kind: timeline.Over})
				}
				s.Find(name)
				s.Judge(name)
			}
		})
	}
	crowd.Wait()
	if stats := s.Stats(); stats.Rooms > 64 || stats.Bytes > 64<<10 || stats.Rooms == 0 || stats.Bytes < 0 {
		t.Errorf("%d rooms of %d bytes, want at most 64 of 65536", stats.Rooms, stats.Bytes)
	}
	s.Add("the last", timeline.Event{Kind: timeline.Registered, Side: wire.SideA})
	for n := range 20 {
		s.Add("the last", timeline.Event{Kind: timeline.Resumed, From: netip.AddrFrom4([4]byte{192, 0, byte(n), 1})})
	}
	if got, _ := s.Find("the last"); len(got.Events) != 8 || got.Dropped != 13 {
		t.Errorf("%d events and %d dropped, want 8 and 13", len(got.Events), got.Dropped)
	}
}

// TestAddAllocatesNothing holds what a message costs beside being passed on.
func TestAddAllocatesNothing(t *testing.T) {
	s := timeline.New(timeline.Limits{}, quiet())
	s.Add("room", timeline.Event{Kind: timeline.Registered, Side: wire.SideA, User: "user-1"})
	e := timeline.Event{Kind: timeline.Candidate, Side: wire.SideA, Seat: true}
	if n := testing.AllocsPerRun(100, func() { s.Add("room", e) }); n != 0 {
		t.Errorf("Add() allocates %v times, want 0", n)
	}
}
