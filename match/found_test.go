package match

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/wsconn"
	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// found is a MATCH with everything in it.
func found() wire.MatchMessage {
	return wire.MatchMessage{
		Type: wire.MatchFound, RoomID: "Zm9v-_room", UserID: "ann", CreatedAt: time.Date(2026, 11, 22, 10, 0, 0, 123456000, time.UTC),
		Tags: []string{"go", "日本"}, SignalingURL: "wss://chat.example.org/signaling",
		Role: wire.RoleOffer, ExpiresAt: time.Date(2026, 11, 22, 10, 10, 0, 0, time.UTC),
		ICEServers: []wire.ICEServer{
			{URLs: []string{"stun:203.0.113.9:3478"}},
			{URLs: []string{"turn:203.0.113.9:3478?transport=udp", "turns:chat.example.org:443?transport=tcp"}, Username: "1:room.ma", Credential: "c2VjcmV0"},
		},
	}
}

// FuzzAppendFound holds that a MATCH is what encoding/json makes of it, whatever
// is in its strings.
func FuzzAppendFound(f *testing.F) {
	f.Add("room", "ann", "go", "turn:203.0.113.9:3478", int64(1795341600123456789), 1, true)
	f.Add("\"", "\\\n<&>", "\xff\u2028", "\x7f", int64(-1), 2, false)
	f.Add("", "", "", "", int64(0), 0, true)
	f.Fuzz(func(t *testing.T, room, user, tag, url string, at int64, servers int, whole bool) {
		m := wire.MatchMessage{Type: wire.MatchFound, RoomID: room, UserID: user, Tags: []string{tag, user}, SignalingURL: url}
		if whole {
			m = found()
			m.RoomID, m.UserID, m.Tags[0] = room, user, tag
		}
		if at != 0 {
			m.CreatedAt = time.Unix(0, at).UTC()
		}
		for range servers % 4 {
			m.ICEServers = append(m.ICEServers, wire.ICEServer{URLs: []string{url}, Username: user, Credential: room}, wire.ICEServer{})
		}
		if got, want := string(appendFound(nil, &m)), string(wsconn.JSON(m)); got != want {
			t.Fatalf("appendFound:\n%swant:\n%s", got, want)
		}
	})
}

// TestAppendFoundKnowsEveryField holds that a field that is added to a MATCH is
// not forgotten: only those of other messages are left out.
func TestAppendFoundKnowsEveryField(t *testing.T) {
	t.Parallel()
	m := found()
	others := map[string]bool{"Online": true, "Waiting": true, "Reason": true, "Wait": true, "Relax": true, "Ban": true}
	v := reflect.ValueOf(m)
	for i := range v.NumField() {
		if name := v.Type().Field(i).Name; v.Field(i).IsZero() != others[name] {
			t.Errorf("is %s part of a MATCH? then appendFound and this test have to know", name)
		}
	}
	if got, want := string(appendFound(nil, &m)), string(wsconn.JSON(m)); got != want {
		t.Errorf("appendFound:\n%swant:\n%s", got, want)
	}
}

// TestRequestsAreReadTheFastWay holds that what clients send needs no encoding/json.
func TestRequestsAreReadTheFastWay(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		string(wsconn.JSON(wire.MatchRequest{UserID: "ann", Device: "d", CreatedAt: time.Now(), Tags: []string{"go", "chess"}, Ext: []string{"waiting"}})),
		`{"user_id":"ann","created_at":"2026-11-22T10:00:00.123Z"}`, // the seed's
		`{"user_id":"ann","created_at":"2026-11-22T10:00:00Z","tags":[]}` + "\n",
	} {
		if _, ok := readRequest([]byte(text)); !ok {
			t.Errorf("%s is left to encoding/json", text)
		}
	}
}

// FuzzReadRequest holds that what is read the fast way is read as encoding/json
// reads it.
func FuzzReadRequest(f *testing.F) {
	for _, text := range []string{
		`{"user_id":"ann","device":"d","created_at":"2026-11-22T10:00:00.123Z","tags":["go","chess"],"ext":["waiting"]}`,
		`{"user_id":"ann","user_id":"bob"}`, `{"user_id":"a\"b","tags":null}`, `{"USER_ID":"ann"}`, `{"tags":[],"ext":["",""]}`,
		`{"type":"REPORT","user_id":"ann"}`, `{"created_at":"10:00"}`, `{}`, `{"user_id":"ann"}}`, `{"user_id":"ann",}`, `}`, `{"","user_id":""}`, `{"tags":["a",]}`, "",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		got, ok := readRequest(text)
		if !ok {
			return
		}
		var want wire.MatchRequest
		if err := json.Unmarshal(text, &want); err != nil {
			t.Fatalf("readRequest(%q) = %+v; encoding/json says %v", text, got, err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("readRequest(%q) = %+v, want %+v", text, got, want)
		}
	})
}

func BenchmarkAppendFound(b *testing.B) {
	m := found()
	space := make([]byte, 0, 2<<10)
	b.ReportAllocs()
	for b.Loop() {
		appendFound(space, &m)
	}
}

func BenchmarkReadRequest(b *testing.B) {
	text := wsconn.JSON(wire.MatchRequest{UserID: "ann", CreatedAt: time.Now()})
	b.ReportAllocs()
	for b.Loop() {
		readRequest(text)
	}
}
