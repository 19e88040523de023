package peer

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// messages are the types that the codecs know, by the first part of the name
// of their golden frames.
func messages() map[string]func() any {
	return map[string]func() any{
		"matchrequest": func() any { return new(wire.MatchRequest) },
		"matchmessage": func() any { return new(wire.MatchMessage) },
		"signaltype":   func() any { return new(wire.SignalType) },
		"register":     func() any { return new(wire.Register) },
		"accept":       func() any { return new(wire.Accept) },
		"reject":       func() any { return new(wire.Reject) },
		"description":  func() any { return new(wire.Description) },
		"candidate":    func() any { return new(wire.Candidate) },
		"frame":        func() any { return new(wire.Frame) },
		"report":       func() any { return new(wire.Report) },
		"standby":      func() any { return new(wire.Standby) },
		"bye":          func() any { return new(wire.Bye) },
		"refresh":      func() any { return new(wire.Refresh) },
		"judgment":     func() any { return new(wire.Bye) }, // as which it is read
	}
}

// TestOutcomesAreWritten holds the twins to the golden frames of what clients
// write only.
func TestOutcomesAreWritten(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]*wire.Outcome{
		"connected": {Type: "outcome", State: "connected", Path: "relay-tls", RTT: 48, Took: 1830, Host: 2, Srflx: 1, Relay: 3},
		"lost": {
			Type: "outcome", State: "lost", Path: "direct", RTT: 12, Took: 640,
			ICE: "failed", Gathering: "complete", DTLS: "connected", Host: 1, Srflx: 1, Relay: 2,
		},
		"failed": {
			Type: "outcome", State: "failed", Took: 18211, ICE: "failed", Gathering: "complete", DTLS: "new", Host: 1,
			Faults: []wire.ICEFault{{Via: "stun", Port: 3478, Code: 701}, {Via: "udp", Port: 3478, Code: 701}, {Via: "tls", Port: 443, Code: 401}},
		},
	} {
		want, err := os.ReadFile("../wire/testdata/outcome-" + name + ".json")
		if err != nil {
			t.Fatal(err)
		}
		if got, err := marshal(o); err != nil || got+"\n" != string(want) {
			t.Errorf("marshal(%s) = %s, %v, want %s", name, got, err, want)
		}
	}
}

// TestGoldenFrames reads and writes every golden frame: what we write
// ourselves comes back as the same bytes, what others write is understood.
// The same test runs natively and under node, and so holds the twins equal.
func TestGoldenFrames(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../wire/testdata/*.json")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Skip("wire/testdata has no golden frames")
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			kind, _, _ := strings.Cut(name, "-")
			blank, known := messages()[kind]
			if !known {
				t.Skipf("no client reads or writes a %s", kind)
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			out := roundTrip(t, blank, string(text))
			if want := strings.TrimSuffix(string(text), "\n"); !strings.HasSuffix(name, ".in") && out != want {
				t.Errorf("marshal(unmarshal(%s)):\n got %s\nwant %s", name, out, want)
			}
		})
	}
}

// roundTrip unmarshals text and returns what marshal makes of it, which must
// say the same.
func roundTrip(t *testing.T, blank func() any, text string) string {
	t.Helper()
	first, second := blank(), blank()
	if err := unmarshal(text, first); err != nil {
		t.Fatalf("unmarshal(%s): %v", text, err)
	}
	out, err := marshal(first)
	if err != nil {
		t.Fatalf("marshal(%+v): %v", first, err)
	}
	if err := unmarshal(out, second); err != nil {
		t.Fatalf("unmarshal(%s): %v", out, err)
	}
	again, err := marshal(second)
	if err != nil || again != out {
		t.Fatalf("marshal(unmarshal(%s)) = %s, %v", out, again, err)
	}
	return out
}

// TestMarshal holds both twins to the same bytes.
func TestMarshal(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 2, 3, 4, 5, 678000000, time.UTC)
	servers := []wire.ICEServer{{URLs: []string{"stun:a"}}, {URLs: []string{"turn:a", "turns:b"}, Username: "u", Credential: "c"}, {}}
	for _, c := range []struct {
		name string
		v    any
		want string
	}{
		{"the zero request still has its time", &wire.MatchRequest{}, `{"user_id":"","created_at":"0001-01-01T00:00:00Z"}`},
		{
			"a request with everything",
			&wire.MatchRequest{UserID: "u", CreatedAt: at, Tags: []string{"go", "日本"}, Ext: []string{"waiting"}},
			`{"user_id":"u","created_at":"2026-01-02T03:04:05.678Z","tags":["go","日本"],"ext":["waiting"]}`,
		},
		{"zero members are left out", &wire.MatchMessage{Type: "TIMEOUT"}, `{"type":"TIMEOUT"}`},
		{"empty lists are left out", &wire.MatchMessage{Type: "MATCH", Tags: []string{}, ICEServers: []wire.ICEServer{}}, `{"type":"MATCH"}`},
		{
			"a match with everything",
			&wire.MatchMessage{
				Type: "MATCH", Online: 2, Waiting: 1, RoomID: "r", UserID: "u", CreatedAt: at, Tags: []string{"go"},
				ICEServers: servers, ExpiresAt: at.Add(time.Hour), SignalingURL: "wss://s/signaling", Reason: "x",
			},
			`{"type":"MATCH","online":2,"waiting":1,"room_id":"r","user_id":"u","created_at":"2026-01-02T03:04:05.678Z","tags":["go"],` +
				`"iceServers":[{"urls":["stun:a"]},{"urls":["turn:a","turns:b"],"username":"u","credential":"c"},{"urls":null}],` +
				`"expires_at":"2026-01-02T04:04:05.678Z","signaling_url":"wss://s/signaling","reason":"x"}`,
		},
		{"a register", &wire.Register{Type: "register", RoomID: "r", ClientID: "c", Ext: []string{"a", "b"}}, `{"type":"register","roomId":"r","clientId":"c","ext":["a","b"]}`},
		{
			"an accept",
			&wire.Accept{Type: "accept", ConnectionID: "i", ICEServers: servers[:1], IsExistUser: true},
			`{"type":"accept","connectionId":"i","iceServers":[{"urls":["stun:a"]}],"isExistClient":false,"isExistUser":true}`,
		},
		{"a reject", &wire.Reject{Type: "reject", Reason: "full"}, `{"type":"reject","reason":"full"}`},
		{"a description keeps its line ends", &wire.Description{Type: "offer", SDP: "v=0\r\n"}, `{"type":"offer","sdp":"v=0\r\n"}`},
		{"the zero candidate", &wire.Candidate{}, `{"type":"","ice":{"candidate":"","sdpMid":"","sdpMLineIndex":0}}`},
		{
			"a candidate",
			&wire.Candidate{Type: "candidate", ICE: wire.ICECandidate{Candidate: "candidate:1", SDPMid: "0", SDPMLineIndex: 65535, UsernameFragment: "f"}},
			`{"type":"candidate","ice":{"candidate":"candidate:1","sdpMid":"0","sdpMLineIndex":65535,"usernameFragment":"f"}}`,
		},
		{"a negative version", &wire.Frame{T: "hello", V: -1}, `{"t":"hello","v":-1}`},
		{"the largest id", &wire.Frame{T: "ack", ID: maxInteger}, `{"t":"ack","id":9007199254740991}`},
		{"HTML is not escaped", &wire.Frame{T: "msg", ID: 1, Text: "<a&b>"}, `{"t":"msg","id":1,"text":"<a&b>"}`},
		{
			"control characters",
			&wire.Frame{T: "msg", ID: 1, Text: "\x00\b\t\n\v\f\r\x1b\x1f\x7f\"\\/"},
			`{"t":"msg","id":1,"text":"\u0000\b\t\n\u000b\f\r\u001b\u001f` + "\x7f" + `\"\\/"}`,
		},
		{
			"beyond ASCII",
			&wire.Frame{T: "msg", ID: 1, Text: "é\u2028\u2029\ufeff\ufffd😀"},
			`{"t":"msg","id":1,"text":"é\u2028\u2029` + "\ufeff\ufffd😀" + `"}`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := marshal(c.v)
			if err != nil || got != c.want {
				t.Errorf("marshal(%+v):\n got %s, %v\nwant %s", c.v, got, err, c.want)
			}
			blank := func() any { return reflect.New(reflect.TypeOf(c.v).Elem()).Interface() }
			roundTrip(t, blank, got)
		})
	}
}

// TestUnmarshal holds both twins to the same understanding of odd input.
func TestUnmarshal(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		in   string
		want any // nil: an error
		zero any
	}{
		{"null is the zero value", `null`, &wire.Frame{}, &wire.Frame{}},
		{"white space around", " \n\t{\"t\" : \"ack\" , \"id\":7}\r\n", &wire.Frame{T: "ack", ID: 7}, &wire.Frame{}},
		{"null members are zero values", `{"t":null,"v":null,"id":null,"text":null}`, &wire.Frame{}, &wire.Frame{}},
		{"unknown members are skipped", `{"t":"x","more":[{"a":1}],"toString":5}`, &wire.Frame{T: "x"}, &wire.Frame{}},
		{"the last of two equal names counts", `{"t":"a","t":"b"}`, &wire.Frame{T: "b"}, &wire.Frame{}},
		{"escapes", `{"t":"\u0068\ud83d\ude00\/"}`, &wire.Frame{T: "h😀/"}, &wire.Frame{}},
		{"half a surrogate pair", `{"t":"\ud83d"}`, &wire.Frame{T: "\ufffd"}, &wire.Frame{}},
		{"the largest id", `{"id":9007199254740991}`, &wire.Frame{ID: maxInteger}, &wire.Frame{}},
		{"an id that no browser can hold", `{"id":9007199254740992}`, nil, &wire.Frame{}},
		{"a huge id", `{"id":18446744073709551615}`, nil, &wire.Frame{}},
		{"a negative id", `{"id":-1}`, nil, &wire.Frame{}},
		{"a fraction", `{"id":1.5}`, nil, &wire.Frame{}},
		{"a string where a number is", `{"id":"1"}`, nil, &wire.Frame{}},
		{"a number where a string is", `{"t":1}`, nil, &wire.Frame{}},
		{"an object where a string is", `{"t":{}}`, nil, &wire.Frame{}},
		{"a boolean where a number is", `{"v":true}`, nil, &wire.Frame{}},
		{"a list", `[]`, nil, &wire.Frame{}},
		{"a string", `"hello"`, nil, &wire.Frame{}},
		{"a number", `1`, nil, &wire.Frame{}},
		{"true", `true`, nil, &wire.Frame{}},
		{"nothing", ``, nil, &wire.Frame{}},
		{"half an object", `{"t":"msg"`, nil, &wire.Frame{}},
		{"two objects", `{}{}`, nil, &wire.Frame{}},
		{"a comma too many", `{"t":"a",}`, nil, &wire.Frame{}},
		{"a raw line end in a string", "{\"t\":\"a\nb\"}", nil, &wire.Frame{}},
		{"garbage", "\x00\xff\xfe", nil, &wire.Frame{}},
		{"tags with a null", `{"tags":["a",null]}`, &wire.MatchMessage{Tags: []string{"a", ""}}, &wire.MatchMessage{}},
		{"tags with a number", `{"tags":["a",1]}`, nil, &wire.MatchMessage{}},
		{"tags that are a string", `{"tags":"a"}`, nil, &wire.MatchMessage{}},
		{"tags that are an object", `{"tags":{"length":1}}`, nil, &wire.MatchMessage{}},
		{"empty tags", `{"tags":[]}`, &wire.MatchMessage{Tags: []string{}}, &wire.MatchMessage{}},
		{"an ICE server that is null", `{"iceServers":[null]}`, &wire.MatchMessage{ICEServers: []wire.ICEServer{{}}}, &wire.MatchMessage{}},
		{"an ICE server that is a list", `{"iceServers":[[]]}`, nil, &wire.MatchMessage{}},
		{"an ICE server that is a string", `{"iceServers":["stun:a"]}`, nil, &wire.MatchMessage{}},
		{"urls that are a string", `{"iceServers":[{"urls":"stun:a"}]}`, nil, &wire.MatchMessage{}},
		{"no time", `{"created_at":""}`, nil, &wire.MatchMessage{}},
		{"a time that is a number", `{"created_at":5}`, nil, &wire.MatchMessage{}},
		{"a time without its T", `{"created_at":"2026-01-02 03:04:05Z"}`, nil, &wire.MatchMessage{}},
		{"an online that is a string", `{"online":"3"}`, nil, &wire.MatchMessage{}},
		{"a flag that is a number", `{"isExistUser":1}`, nil, &wire.Accept{}},
		{"a candidate without one", `{"type":"candidate"}`, &wire.Candidate{Type: "candidate"}, &wire.Candidate{}},
		{"a candidate of null", `{"type":"candidate","ice":null}`, &wire.Candidate{Type: "candidate"}, &wire.Candidate{}},
		{"a candidate that is a list", `{"ice":[]}`, nil, &wire.Candidate{}},
		{"a candidate that is a string", `{"ice":"candidate:1"}`, nil, &wire.Candidate{}},
		{"a line index out of range", `{"ice":{"sdpMLineIndex":65536}}`, nil, &wire.Candidate{}},
		{"a candidate of nulls", `{"ice":{"sdpMid":null,"sdpMLineIndex":null,"usernameFragment":null}}`, &wire.Candidate{}, &wire.Candidate{}},
		{"an Ayame register", `{"type":"register","roomId":"r","clientId":null,"key":null,"authnMetadata":{"a":[1]}}`, &wire.Register{Type: "register", RoomID: "r"}, &wire.Register{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := reflect.New(reflect.TypeOf(c.zero).Elem()).Interface()
			err := unmarshal(c.in, got)
			switch {
			case c.want == nil && err == nil:
				t.Errorf("unmarshal(%q) = %+v, want an error", c.in, got)
			case c.want != nil && (err != nil || !reflect.DeepEqual(got, c.want)):
				t.Errorf("unmarshal(%q) = %+v, %v, want %+v", c.in, got, err, c.want)
			}
		})
	}
}

// FuzzCodec holds that whatever unmarshal accepts, marshal writes in a form
// that says the same.
func FuzzCodec(f *testing.F) {
	for _, seed := range []string{
		`{"t":"msg","id":1,"text":"hi"}`, `{"type":"offer","sdp":"v=0\r\n"}`, `null`, `{"created_at":"2026-01-02T03:04:05.6+09:00"}`,
		`{"type":"MATCH","iceServers":[{"urls":["stun:a"]}]}`, `{"ice":{"candidate":"candidate:1","sdpMLineIndex":1}}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, in string) {
		for _, blank := range messages() {
			if unmarshal(in, blank()) == nil {
				roundTrip(t, blank, in)
			}
		}
	})
}
