package wire_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// message gives an empty message of the type that a golden frame's file name
// begins with.
func message(kind string) any {
	switch kind {
	case "matchrequest":
		return new(wire.MatchRequest)
	case "matchmessage":
		return new(wire.MatchMessage)
	case "report":
		return new(wire.Report)
	case "standby":
		return new(wire.Standby)
	case "bye":
		return new(wire.Bye)
	case "refresh":
		return new(wire.Refresh)
	case "signaltype":
		return new(wire.SignalType)
	case "register":
		return new(wire.Register)
	case "accept":
		return new(wire.Accept)
	case "reject":
		return new(wire.Reject)
	case "description":
		return new(wire.Description)
	case "candidate":
		return new(wire.Candidate)
	case "frame":
		return new(wire.Frame)
	case "outcome":
		return new(wire.Outcome)
	case "judgment":
		return new(wire.Judgment)
	}
	return nil
}

// kinds are the file name prefixes that message knows.
func kinds() []string {
	return []string{
		"matchrequest", "matchmessage", "signaltype", "register", "accept",
		"reject", "description", "candidate", "frame", "report", "bye", "refresh", "standby",
		"outcome", "judgment",
	}
}

// TestGoldenFrames holds the frames that travel: what we write is written so
// to the byte, what others write (*.in.json) is understood.
func TestGoldenFrames(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for name, frame := range goldenFrames(t) {
		kind, _, _ := strings.Cut(name, "-")
		seen[kind] = true
		msg := message(kind)
		if msg == nil {
			t.Errorf("%s: no such message type", name)
			continue
		}
		if err := json.Unmarshal(frame, msg); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := marshal(t, msg); !strings.HasSuffix(name, ".in.json") && !bytes.Equal(got, frame) {
			t.Errorf("%s: marshalled again\n got %s\nwant %s", name, got, frame)
		}
	}
	for _, kind := range kinds() {
		if !seen[kind] {
			t.Errorf("no golden frame of %s", kind)
		}
	}
}

// FuzzMessages holds that parsing what we wrote gives what we wrote, for
// whatever bytes came first.
func FuzzMessages(f *testing.F) {
	for name, frame := range goldenFrames(f) {
		kind, _, _ := strings.Cut(name, "-")
		f.Add(kind, frame)
	}
	f.Fuzz(func(t *testing.T, kind string, in []byte) {
		first, again := message(kind), message(kind)
		if first == nil || json.Unmarshal(in, first) != nil {
			return
		}
		written, err := json.Marshal(first)
		if err != nil {
			t.Fatalf("Marshal(%+v) = %v, though it was parsed from %q", first, err, in)
		}
		if err := json.Unmarshal(written, again); err != nil {
			t.Fatalf("Unmarshal(%s) = %v", written, err)
		}
		if twice := marshal(t, again); !bytes.Equal(twice, marshal(t, first)) {
			t.Fatalf("marshal(unmarshal(m)) = %s, want m = %s", twice, marshal(t, first))
		}
	})
}

func TestMatchRequestCheck(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 200)
	for name, c := range map[string]struct {
		req wire.MatchRequest
		ok  bool
	}{
		"what the seed sends":       {wire.MatchRequest{UserID: "a1b2c3d"}, true},
		"four tags":                 {wire.MatchRequest{UserID: "a", Tags: []string{"a", "b", "c", "d"}}, true},
		"no user id":                {wire.MatchRequest{}, false},
		"a user id of 200 bytes":    {wire.MatchRequest{UserID: long}, false},
		"a user id that is no text": {wire.MatchRequest{UserID: "\xff"}, false},
		"a device":                  {wire.MatchRequest{UserID: "a", Device: "b"}, true},
		"a device of 200 bytes":     {wire.MatchRequest{UserID: "a", Device: long}, false},
		"five tags":                 {wire.MatchRequest{UserID: "a", Tags: []string{"a", "b", "c", "d", "e"}}, false},
		"an empty tag":              {wire.MatchRequest{UserID: "a", Tags: []string{""}}, false},
		"a tag of 200 bytes":        {wire.MatchRequest{UserID: "a", Tags: []string{long}}, false},
		"nine extensions":           {wire.MatchRequest{UserID: "a", Ext: make([]string, 9)}, false},
		"an extension of 200 bytes": {wire.MatchRequest{UserID: "a", Ext: []string{long}}, false},
	} {
		if err := c.req.Check(); (err == nil) != c.ok {
			t.Errorf("%s: Check() = %v, want ok %v", name, err, c.ok)
		}
	}
}

func TestReportCheck(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		report wire.Report
		ok     bool
	}{
		"a report":              {wire.Report{Type: "REPORT", RoomID: "r", UserID: "a", Reason: "spam"}, true},
		"another reason":        {wire.Report{Type: "REPORT", RoomID: "r", UserID: "a", Reason: "boring"}, false},
		"no room":               {wire.Report{Type: "REPORT", UserID: "a", Reason: "spam"}, false},
		"nobody":                {wire.Report{Type: "REPORT", RoomID: "r", Reason: "spam"}, false},
		"another type":          {wire.Report{Type: "MATCH", RoomID: "r", UserID: "a", Reason: "spam"}, false},
		"a room id that is big": {wire.Report{Type: "REPORT", RoomID: strings.Repeat("r", 200), UserID: "a", Reason: "spam"}, false},
	} {
		if err := c.report.Check(); (err == nil) != c.ok {
			t.Errorf("%s: Check() = %v, want ok %v", name, err, c.ok)
		}
	}
}

func TestWantsWaiting(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		req  wire.MatchRequest
		want bool
	}{
		"the seed's client":       {wire.MatchRequest{UserID: "a"}, false},
		"a client that says so":   {wire.MatchRequest{Ext: []string{"other", wire.ExtWaiting}}, true},
		"a client that sent tags": {wire.MatchRequest{Tags: []string{"go"}}, true},
		"another extension":       {wire.MatchRequest{Ext: []string{"other"}}, false},
	} {
		if got := c.req.WantsWaiting(); got != c.want {
			t.Errorf("%s: WantsWaiting() = %v, want %v", name, got, c.want)
		}
	}
}

func goldenFrames(t testing.TB) map[string][]byte {
	t.Helper()
	paths, err := filepath.Glob("testdata/*.json")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no golden frames: %v", err)
	}
	frames := map[string][]byte{}
	for _, path := range paths {
		frame, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		frames[filepath.Base(path)] = bytes.TrimSuffix(frame, []byte("\n"))
	}
	return frames
}

// marshal writes as the server does: JSON without HTML escapes.
func marshal(t testing.TB, v any) []byte {
	t.Helper()
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		t.Fatal(err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

func TestOutcomeCheck(t *testing.T) {
	t.Parallel()
	failed := wire.Outcome{Type: "outcome", State: "failed"}
	connected := wire.Outcome{Type: "outcome", State: "connected", Path: "direct"}
	with := func(o wire.Outcome, change func(*wire.Outcome)) wire.Outcome {
		change(&o)
		return o
	}
	for name, c := range map[string]struct {
		outcome wire.Outcome
		ok      bool
	}{
		"a failure":                     {failed, true},
		"a connection":                  {connected, true},
		"one of the other states":       {with(failed, func(o *wire.Outcome) { o.State = "left" }), false},
		"another type":                  {with(failed, func(o *wire.Outcome) { o.Type = "bye" }), false},
		"a failure with a path":         {with(failed, func(o *wire.Outcome) { o.Path = "direct" }), false},
		"a connection without one":      {with(connected, func(o *wire.Outcome) { o.Path = "" }), false},
		"a path that is no path":        {with(connected, func(o *wire.Outcome) { o.Path = "no-relay" }), false},
		"all that there is to say":      {with(failed, func(o *wire.Outcome) { o.ICE, o.Gathering, o.DTLS = "failed", "complete", "new" }), true},
		"a state of ICE with a text":    {with(failed, func(o *wire.Outcome) { o.ICE = "192.0.2.1" }), false},
		"a state of gathering":          {with(failed, func(o *wire.Outcome) { o.Gathering = "failed" }), false},
		"a state of DTLS":               {with(failed, func(o *wire.Outcome) { o.DTLS = "checking" }), false},
		"less than no time":             {with(failed, func(o *wire.Outcome) { o.Took = -1 }), false},
		"an hour":                       {with(failed, func(o *wire.Outcome) { o.Took = 3_600_000 }), false},
		"256 candidates":                {with(failed, func(o *wire.Outcome) { o.Relay = 256 }), false},
		"a fault":                       {with(failed, func(o *wire.Outcome) { o.Faults = []wire.ICEFault{{Via: "udp", Port: 3478, Code: 701}} }), true},
		"a fault on a way of its own":   {with(failed, func(o *wire.Outcome) { o.Faults = []wire.ICEFault{{Via: "quic"}} }), false},
		"a fault with a port too large": {with(failed, func(o *wire.Outcome) { o.Faults = []wire.ICEFault{{Via: "udp", Port: 1 << 16}} }), false},
		"a fault with no code of STUN":  {with(failed, func(o *wire.Outcome) { o.Faults = []wire.ICEFault{{Via: "udp", Code: 1000}} }), false},
		"nine faults":                   {with(failed, func(o *wire.Outcome) { o.Faults = make([]wire.ICEFault, 9) }), false},
	} {
		if err := c.outcome.Check(); (err == nil) != c.ok {
			t.Errorf("%s: Check() = %v, want ok %v", name, err, c.ok)
		}
	}
}

func TestFailedVerdicts(t *testing.T) {
	t.Parallel()
	failed := map[wire.Verdict]bool{
		"no-relay": true, "credential": true, "quota": true, "budget": true, "forbidden": true, "no-data": true, "no-path": true,
	}
	for _, v := range wire.Verdicts() {
		if v.Failed() != failed[v] {
			t.Errorf("Verdict(%q).Failed() = %v, want %v", v, v.Failed(), failed[v])
		}
	}
}

func TestRoomCode(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]string{"": "", "abc": "abc", "abcdefgh": "abcdefgh", "abcdefghijkl": "abcdefgh"} {
		if got := wire.RoomCode(id); got != want {
			t.Errorf("RoomCode(%q) = %q, want %q", id, got, want)
		}
	}
}
