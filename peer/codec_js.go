package peer

import (
	"errors"
	"strconv"
	"strings"
	"syscall/js"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// maxInteger is the largest integer that JavaScript can count to:
// Number.MAX_SAFE_INTEGER.
const maxInteger = 1<<53 - 1

var (
	errNotObject = errors.New("not a JSON object")
	errWrongType = errors.New("a member of the wrong JSON type")
)

// marshal is the JSON of v, a pointer to one of the messages of wire. The
// strings of v must be valid UTF-8. It writes the bytes that its twin in
// codec_notjs.go writes; the golden frames of wire/testdata hold them equal.
func marshal(v any) (string, error) {
	m := new(members)
	switch v := v.(type) {
	case *wire.MatchRequest:
		m.text("user_id", v.UserID).someText("device", v.Device).time("created_at", v.CreatedAt).someTexts("tags", v.Tags).someTexts("ext", v.Ext)
	case *wire.MatchMessage:
		m.text("type", v.Type).someInteger("online", v.Online).someInteger("waiting", v.Waiting).
			someText("room_id", v.RoomID).someText("user_id", v.UserID).someTime("created_at", v.CreatedAt).
			someTexts("tags", v.Tags).someServers("iceServers", v.ICEServers).someTime("expires_at", v.ExpiresAt).
			someText("signaling_url", v.SignalingURL).someText("role", v.Role).someInteger("relax", v.Relax).someText("reason", v.Reason).
			someInteger("wait", v.Wait).someText("ban", v.Ban)
	case *wire.Standby:
		m.text("type", v.Type)
	case *wire.Report:
		m.text("type", v.Type).text("room_id", v.RoomID).text("user_id", v.UserID).text("reason", v.Reason)
	case *wire.SignalType:
		m.text("type", v.Type)
	case *wire.Register:
		m.text("type", v.Type).text("roomId", v.RoomID).someText("clientId", v.ClientID).someTexts("ext", v.Ext).
			someText("resumeToken", v.ResumeToken).someInteger("attempt", v.Attempt)
	case *wire.Accept:
		m.text("type", v.Type).text("connectionId", v.ConnectionID).someServers("iceServers", v.ICEServers).
			flag("isExistClient", v.IsExistClient).flag("isExistUser", v.IsExistUser).
			someText("resumeToken", v.ResumeToken).someFlag("resumed", v.Resumed).someFlag("rebuilt", v.Rebuilt).someTexts("ext", v.Ext)
	case *wire.Bye:
		m.text("type", v.Type).someText("reason", v.Reason).someText("verdict", string(v.Verdict))
	case *wire.Outcome:
		m.text("type", v.Type).text("state", v.State).someText("path", string(v.Path)).someInteger("rtt", v.RTT).someInteger("took", v.Took).
			someText("ice", v.ICE).someText("gathering", v.Gathering).someText("dtls", v.DTLS).
			someInteger("host", v.Host).someInteger("srflx", v.Srflx).someInteger("relay", v.Relay).someFaults("faults", v.Faults)
	case *wire.Refresh:
		m.text("type", v.Type).servers("iceServers", v.ICEServers).time("expiresAt", v.ExpiresAt)
	case *wire.Reject:
		m.text("type", v.Type).text("reason", v.Reason)
	case *wire.Description:
		m.text("type", v.Type).text("sdp", v.SDP).someInteger("offer", v.Offer)
	case *wire.Candidate:
		ice := new(members).text("candidate", v.ICE.Candidate).text("sdpMid", v.ICE.SDPMid).
			raw("sdpMLineIndex", strconv.Itoa(int(v.ICE.SDPMLineIndex))).
			someText("usernameFragment", v.ICE.UsernameFragment)
		m.text("type", v.Type).raw("ice", ice.object())
	case *wire.Frame:
		m.text("t", v.T).someInteger("v", v.V)
		if v.ID != 0 {
			m.raw("id", strconv.FormatUint(v.ID, 10))
		}
		m.someText("text", v.Text)
	default:
		panic("peer: marshal of a type that is not a message of wire")
	}
	return m.object(), m.fault
}

// unmarshal fills v, a pointer to the zero value of one of the messages of
// wire that are for clients, as its twin in codec_notjs.go does.
func unmarshal(data string, v any) error {
	o, err := parse(data)
	if err != nil {
		return err
	}
	switch v := v.(type) {
	case *wire.MatchRequest:
		*v = wire.MatchRequest{
			UserID: o.text("user_id"), Device: o.text("device"), CreatedAt: o.time("created_at"), Tags: o.texts("tags"), Ext: o.texts("ext"),
		}
	case *wire.MatchMessage:
		*v = wire.MatchMessage{
			Type: o.text("type"), Online: o.integer("online"), Waiting: o.integer("waiting"),
			RoomID: o.text("room_id"), UserID: o.text("user_id"), CreatedAt: o.time("created_at"),
			Tags: o.texts("tags"), ICEServers: o.servers("iceServers"), ExpiresAt: o.time("expires_at"),
			SignalingURL: o.text("signaling_url"), Role: o.text("role"), Relax: o.integer("relax"), Reason: o.text("reason"),
			Wait: o.integer("wait"), Ban: o.text("ban"),
		}
	case *wire.Standby:
		*v = wire.Standby{Type: o.text("type")}
	case *wire.Report:
		*v = wire.Report{
			Type: o.text("type"), RoomID: o.text("room_id"), UserID: o.text("user_id"), Reason: o.text("reason"),
		}
	case *wire.SignalType:
		*v = wire.SignalType{Type: o.text("type")}
	case *wire.Register:
		*v = wire.Register{
			Type: o.text("type"), RoomID: o.text("roomId"), ClientID: o.text("clientId"), Ext: o.texts("ext"),
			ResumeToken: o.text("resumeToken"), Attempt: o.integer("attempt"),
		}
	case *wire.Accept:
		*v = wire.Accept{
			Type: o.text("type"), ConnectionID: o.text("connectionId"), ICEServers: o.servers("iceServers"),
			IsExistClient: o.flag("isExistClient"), IsExistUser: o.flag("isExistUser"),
			ResumeToken: o.text("resumeToken"), Resumed: o.flag("resumed"), Rebuilt: o.flag("rebuilt"),
			Ext: o.texts("ext"),
		}
	case *wire.Bye:
		*v = wire.Bye{Type: o.text("type"), Reason: o.text("reason"), Verdict: wire.Verdict(o.text("verdict"))}
	case *wire.Refresh:
		*v = wire.Refresh{Type: o.text("type"), ICEServers: o.servers("iceServers"), ExpiresAt: o.time("expiresAt")}
	case *wire.Reject:
		*v = wire.Reject{Type: o.text("type"), Reason: o.text("reason")}
	case *wire.Description:
		*v = wire.Description{Type: o.text("type"), SDP: o.text("sdp"), Offer: o.integer("offer")}
	case *wire.Candidate:
		*v = wire.Candidate{Type: o.text("type"), ICE: o.object("ice").iceCandidate()}
	case *wire.Frame:
		*v = wire.Frame{
			T: o.text("t"), V: o.integer("v"), ID: uint64(o.whole("id", 0, maxInteger)), Text: o.text("text"),
		}
	default:
		panic("peer: unmarshal of a type that is not a message of wire")
	}
	return *o.fault
}

// members is a JSON object in the making. The methods that begin with "some"
// leave a zero value out, as omitempty and omitzero do.
type members struct {
	json  string // the members so far, each with a comma before it
	fault error
}

func (m *members) object() string { return "{" + strings.TrimPrefix(m.json, ",") + "}" }

func (m *members) raw(key, json string) *members {
	m.json += `,"` + key + `":` + json
	return m
}

func (m *members) text(key, s string) *members { return m.raw(key, quote(s)) }

func (m *members) flag(key string, b bool) *members { return m.raw(key, strconv.FormatBool(b)) }

func (m *members) time(key string, t time.Time) *members {
	text, err := t.MarshalText() // RFC 3339 with nanoseconds, as MarshalJSON
	if err != nil {
		m.fault = err
	}
	return m.text(key, string(text))
}

func (m *members) someText(key, s string) *members {
	if s == "" {
		return m
	}
	return m.text(key, s)
}

func (m *members) someInteger(key string, n int) *members {
	if n == 0 {
		return m
	}
	return m.raw(key, strconv.Itoa(n))
}

func (m *members) someTime(key string, t time.Time) *members {
	if t.IsZero() {
		return m
	}
	return m.time(key, t)
}

func (m *members) someTexts(key string, list []string) *members {
	if len(list) == 0 {
		return m
	}
	return m.raw(key, quoteAll(list))
}

func (m *members) someFlag(key string, b bool) *members {
	if !b {
		return m
	}
	return m.flag(key, b)
}

func (m *members) someServers(key string, servers []wire.ICEServer) *members {
	if len(servers) == 0 {
		return m
	}
	return m.servers(key, servers)
}

func (m *members) servers(key string, servers []wire.ICEServer) *members {
	if servers == nil {
		return m.raw(key, "null")
	}
	list := make([]string, len(servers))
	for i, server := range servers {
		list[i] = new(members).raw("urls", quoteAll(server.URLs)).
			someText("username", server.Username).someText("credential", server.Credential).object()
	}
	return m.raw(key, "["+strings.Join(list, ",")+"]")
}

func (m *members) someFaults(key string, faults []wire.ICEFault) *members {
	if len(faults) == 0 {
		return m
	}
	list := make([]string, len(faults))
	for i, f := range faults {
		list[i] = new(members).text("via", f.Via).someInteger("port", f.Port).raw("code", strconv.Itoa(f.Code)).object()
	}
	return m.raw(key, "["+strings.Join(list, ",")+"]")
}

func quoteAll(list []string) string {
	if list == nil {
		return "null"
	}
	quoted := make([]string, len(list))
	for i, s := range list {
		quoted[i] = quote(s)
	}
	return "[" + strings.Join(quoted, ",") + "]"
}

// quote is s as a JSON string. encoding/json escapes two characters more than
// JSON.stringify, for the sake of old JavaScript.
func quote(s string) string {
	quoted := js.Global().Get("JSON").Call("stringify", s).String()
	return strings.ReplaceAll(strings.ReplaceAll(quoted, "\u2028", `\u2028`), "\u2029", `\u2029`)
}
