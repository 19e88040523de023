package match

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// FuzzParse holds that what is accepted keeps the limits, holds nothing that
// is not in wire, and is accepted again as we would write it.
func FuzzParse(f *testing.F) {
	f.Add([]byte(request("a")))
	f.Add([]byte(`{"user_id":"a","device":"d","created_at":"2026-11-21T10:00:00Z","tags":["go"],"ext":["waiting"]}`))
	f.Add([]byte(reports("room", "a", wire.ReportMinor)))
	f.Add([]byte(`{"type":"STANDBY"}`))
	f.Add([]byte(`{"type":"STANDBY","user_id":"a"}`))
	f.Add([]byte(`{"type":"REPORT","room_id":"r","user_id":"a","reason":"other","text":"what he said"}`))
	f.Add([]byte(`{"type":"REPORT","room_id":"r","user_id":"a","reason":"he said this and that"}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		first, err := parse(in)
		if err != nil {
			return
		}
		var written []byte
		switch {
		case first.standby:
			written, err = json.Marshal(wire.Standby{Type: wire.MatchStandby})
		case first.report != nil:
			if first.report.Check() != nil {
				t.Fatalf("parse(%q) = %+v: over the limits", in, first.report)
			}
			written, err = json.Marshal(first.report)
		default:
			if n := len(first.request.UserID); n == 0 || n > wire.MaxUserIDBytes || first.request.Check() != nil {
				t.Fatalf("parse(%q) = %+v: over the limits", in, first.request)
			}
			written, err = json.Marshal(first.request)
		}
		if err != nil {
			t.Fatal(err)
		}
		again, err := parse(written)
		if err != nil || !same(first, again) {
			t.Fatalf("parse(%s) = %+v, %v; want %+v", written, again, err, first)
		}
	})
}

func same(a, b said) bool {
	if a.report != nil || b.report != nil {
		return a.report != nil && b.report != nil && *a.report == *b.report
	}
	return a.standby == b.standby && a.request.UserID == b.request.UserID && a.request.Device == b.request.Device && a.request.CreatedAt.Equal(b.request.CreatedAt) &&
		slices.Equal(a.request.Tags, b.request.Tags) && slices.Equal(a.request.Ext, b.request.Ext)
}

// FuzzParseBans holds that a file that is taken is written again as the same.
func FuzzParseBans(f *testing.F) {
	f.Add([]byte(`{"format":1,"records":[]}`))
	f.Add([]byte(`{"format":1,"records":[{"mark":"0123456789abcdef0123456789abcdef","at":"2026-11-21T10:00:00Z","kind":"device","times":1,` +
		`"ban":{"name":"abcdefgh","kind":"device","reasons":{"spam":5},"since":"2026-11-21T10:00:00Z","until":"2026-11-22T10:00:00Z"}}]}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		saved, err := parseBans(in)
		if err != nil {
			return
		}
		written, err := json.Marshal(saved)
		if err != nil {
			t.Fatalf("parseBans(%q) does not marshal: %v", in, err)
		}
		if again, err := parseBans(written); err != nil || len(again.Records) != len(saved.Records) {
			t.Fatalf("parseBans(%s) = %+v, %v", written, again, err)
		}
	})
}
