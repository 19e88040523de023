package signal

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

// TestAMessageHasOneType holds that what is passed on is, to whoever reads it
// again, what it was to us: nobody can speak to the other one in the name of
// the server.
func TestAMessageHasOneType(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{"type":"offer","sdp":"v=0"}`:                                   "offer",
		"\n {\t\"sdp\" : \"{\\\"type\\\":1\" , \"type\" : \"answer\" } ": "answer",
		`{"\u0073dp":"\\","ice":{"type":"bye"},"type":"candidate"}`:      "candidate",
		`{"a":["type",{"type":7}],"type":"te\u0061pot"}`:                 "teapot",
		`{"type":"offer","type":"iceServers"}`:                           "",
		`{"type":"iceServers","type":"offer"}`:                           "",
		`{"type":"iceServers","Type":"offer"}`:                           "",
		`{"type":"offer","TYPE":"bye"}`:                                  "",
		`{"type":"offer","\u0074ype":"bye"}`:                             "",
		`{"Type":"offer"}`:                                               "",
		`{"\u0074ype":"offer"}`:                                          "",
		`{"type":{"type":"offer"}}`:                                      "",
		`{"type":""}`:                                                    "",
		`["type","offer"]`:                                               "",
		`"type"`:                                                         "",
		"{\"type\":\"offer\",\"sdp\":\"\xff\"}":                          "",
		``:                                                               "",
	} {
		if typ, ok := typeOf([]byte(text)); typ != want || ok != (want != "") {
			t.Errorf("typeOf(%q) = %q, %v; want %q", text, typ, ok, want)
		}
	}
}

// FuzzTypeOf holds typeOf to what encoding/json reads, which takes names
// without regard to case and the last one of several.
func FuzzTypeOf(f *testing.F) {
	f.Add([]byte(`{"type":"offer","sdp":"v=0"}`))
	f.Add([]byte(`{"type":"offerx"}`))
	f.Add([]byte(` { "type" : "pong" } `))
	f.Add([]byte(`{"a":{"type":"x"},"type":"offer","Type":"bye"}`))
	f.Add([]byte(`{"\\":"\"","type":"\\"}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		typ, ok := typeOf(in)
		var exact map[string]json.RawMessage
		isObject := json.Unmarshal(in, &exact) == nil && exact != nil && utf8.Valid(in)
		names := 0
		for name := range exact {
			if strings.EqualFold(name, "type") {
				names++
			}
		}
		var want struct {
			Type string `json:"type"`
		}
		readable := isObject && names == 1 && exact["type"] != nil && json.Unmarshal(in, &want) == nil && want.Type != ""
		switch {
		case ok && (!readable || typ != want.Type):
			t.Fatalf("typeOf(%q) = %q, encoding/json reads %q", in, typ, want.Type)
		case !ok && readable && strings.Count(strings.ToLower(string(in)), "type") == 1:
			t.Fatalf("typeOf(%q) finds nothing, encoding/json reads %q", in, want.Type)
		}
	})
}
