package signal

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/oklog/ulid/v2"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// TestNullIsAllowedForEverythingOptional holds that clients which write what
// they do not have as null are let in.
func TestNullIsAllowedForEverythingOptional(t *testing.T) {
	t.Parallel()
	w := onLoopback(t)
	c := w.connect(t, false)
	c.send(`{"type":"register","roomId":"room1","clientId":null,"signalingKey":null,"key":null,"authnMetadata":null,
		"ayameClient":null,"libwebrtc":null,"environment":null,"standalone":null,"ext":null,"resumeToken":null}`)
	accept := c.accept()
	if id, err := ulid.ParseStrict(accept.ConnectionID); err != nil || id.Time() == 0 {
		t.Errorf("connection id %q (%v), want a ULID", accept.ConnectionID, err)
	}
	w.stop()
}

// TestAcceptAsAyameWritesIt holds the bytes of accept for a client that has
// announced nothing.
func TestAcceptAsAyameWritesIt(t *testing.T) {
	t.Parallel()
	w := onLoopback(t, func(c *Config) { c.ICEServers = nil })
	c := w.connect(t, false)
	c.send(`{"type":"register","roomId":"room1"}`)
	text := <-c.got
	var id wire.Accept
	if err := json.Unmarshal([]byte(text), &id); err != nil {
		t.Fatal(err)
	}
	if want := `{"type":"accept","connectionId":"` + id.ConnectionID + `","isExistClient":false,"isExistUser":false}` + "\n"; text != want {
		t.Errorf("accept is %s, want %s", text, want)
	}
	w.stop()
}

// FuzzParseRegister holds that what is read is within its limits, and is read
// the same when it is written again.
func FuzzParseRegister(f *testing.F) {
	f.Add([]byte(`{"type":"register","roomId":"room","clientId":"8a4b6bfc","authnMetadata":{"a":[1,2.50]},"key":"k","standalone":false}`))
	f.Add([]byte(`{"type":"register","roomId":"room","key":"old","signalingKey":"new","ext":["resume"],"resumeToken":"T"}`))
	f.Add([]byte(`{"type":"register","roomId":"room","clientId":null,"authnMetadata":null,"signalingKey":null,"environment":"js wasm"}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		reg, err := parseRegister(in)
		if err != nil {
			return
		}
		if n := len(reg.RoomID); n == 0 || n > wire.MaxRoomIDBytes || !utf8.ValidString(reg.RoomID) || len(reg.ClientID) > wire.MaxClientIDBytes {
			t.Fatalf("parseRegister(%q) lets %+v pass", in, reg)
		}
		if c := reg.claim(); c.ClientID == "" || len(c.ConnectionID) != 26 || c.said != reg.ClientID {
			t.Fatalf("claim() = %+v of %+v", c, reg)
		}
		out, err := json.Marshal(reg)
		if err != nil {
			t.Fatal(err)
		}
		again, err := parseRegister(out)
		if len(reg.Ext) == 0 {
			reg.Ext, again.Ext = nil, nil
		}
		reg.AuthnMetadata = compact(t, reg.AuthnMetadata)
		if err != nil || !reflect.DeepEqual(again, reg) {
			t.Fatalf("parseRegister(%s) = %+v, %v; want %+v", out, again, err, reg)
		}
	})
}

func compact(t *testing.T, raw json.RawMessage) json.RawMessage {
	t.Helper()
	if raw == nil {
		return nil
	}
	out, err := json.Marshal(raw)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestFieldsThatAreTooLong(t *testing.T) {
	t.Parallel()
	w := onLoopback(t)
	long := strings.Repeat("x", 129)
	for _, fields := range []string{`"clientId":"` + long + `"`, `"resumeToken":"` + long + `"`, `"clientId":7`, `"standalone":"yes"`, `"ext":"resume"`, `"key":{}`} {
		c := w.connect(t, false)
		c.send(`{"type":"register","roomId":"room1",` + fields + `}`)
		c.mustClose(wire.CloseNormal, wire.ReasonBadJSON)
	}
	w.stop()
}
