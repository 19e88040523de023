package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"time"
)

// authnRequests are what the webhook is asked.
func (s *suite) authnRequests() []row {
	const optional = "roomId, clientId; authnMetadata, signalingKey, ayameClient, environment, libwebrtc optional"
	var rows []row
	for _, c := range []struct{ does, more, reference, spec string }{
		{
			"every field", `,"clientId":"c","signalingKey":"s","authnMetadata":{"a":1},"ayameClient":"x","libwebrtc":"y","environment":"z"`,
			`{"roomId":"R","clientId":"c","connectionId":"C1","signalingKey":"s","authnMetadata":{"a":1},"ayameClient":"x","libwebrtc":"y","environment":"z"}`, optional,
		},
		{"only what must be", `,"clientId":"c"`, `{"roomId":"R","clientId":"c","connectionId":"C1"}`, optional},
		{"no clientId: it is the connectionId", ``, `{"roomId":"R","clientId":"C1","connectionId":"C1"}`, ""},
		{
			"null for every optional field", `,"clientId":null,"signalingKey":null,"key":null,"authnMetadata":null,"ayameClient":null,"libwebrtc":null,"environment":null`,
			`{"roomId":"R","clientId":"C1","connectionId":"C1"}`, optional,
		},
		{"key: it arrives as signalingKey", `,"clientId":"c","key":"k"`, `{"roomId":"R","clientId":"c","connectionId":"C1","signalingKey":"k"}`, "key is allowed, too (until 2020.2)"},
		{"key and signalingKey", `,"clientId":"c","signalingKey":"s","key":"k"`, `{"roomId":"R","clientId":"c","connectionId":"C1","signalingKey":"s"}`, "signalingKey wins"},
		{"keys that are empty", `,"clientId":"c","signalingKey":"","ayameClient":""`, `{"roomId":"R","clientId":"c","connectionId":"C1","signalingKey":"","ayameClient":""}`, ""},
	} {
		rows = append(rows, row{
			does: "body: " + c.does, spec: c.spec, reference: c.reference, needs: authnHook,
			run: func(v *visit) string {
				_, accept := v.connect().accepted(v.room, c.more)
				return v.bodies(v.called(v.authn, v.room, 1), accept.ConnectionID)
			},
		})
	}
	return append(rows,
		row{
			does: "method and content type", reference: "POST application/json", needs: authnHook,
			run: func(v *visit) string {
				v.join("")
				calls := v.called(v.authn, v.room, 1)
				if len(calls) == 0 {
					return "no call"
				}
				return calls[0].method + " " + calls[0].contentType
			},
		},
		row{
			does: "metadata of any kind", spec: "authnMetadata: any", reference: "the same value", needs: authnHook,
			run: func(v *visit) string { return v.metadataArrives() },
		})
}

// metadataArrives compares values, not bytes: white space and the order of
// fields are nobody's.
func (v *visit) metadataArrives() string {
	const metadata = `{"b":[1,2.5,null,true,"<&>部屋"],"a":{"z":{},"y":[]}}`
	v.join(`,"authnMetadata":` + metadata)
	var sent any
	var got struct{ AuthnMetadata any }
	_ = json.Unmarshal([]byte(metadata), &sent) // then it differs
	for _, call := range v.called(v.authn, v.room, 1) {
		_ = json.Unmarshal([]byte(call.body), &got) // the same
	}
	if !reflect.DeepEqual(sent, got.AuthnMetadata) {
		return fmt.Sprint("not the same: ", got.AuthnMetadata)
	}
	return "the same value"
}

// authnAnswers are what the webhook may say, and what the client hears of it.
func (s *suite) authnAnswers() []row {
	const ice = `[{"urls":["stun:192.0.2.1:3478"]},{"urls":["turn:192.0.2.1:3478"],"username":"u","credential":"p"}]`
	given := func(does, spec, answer, reference string) row {
		return row{
			does: does, spec: spec, reference: reference, needs: authnHook,
			run: func(v *visit) string {
				v.authn.answer(v.room, says(http.StatusOK, answer))
				_, accept := v.connect().accepted(v.room, "")
				return fmt.Sprintf("iceServers: %s, authzMetadata: %s", origin(accept.ICEServers, ice), orNone(accept.AuthzMetadata))
			},
		}
	}
	refused := func(does, answer, reference string) row {
		return row{
			does: does, spec: "reason: required if not allowed", reference: reference, needs: authnHook,
			run: func(v *visit) string {
				v.authn.answer(v.room, says(http.StatusOK, answer))
				c := v.connect()
				c.register(v.room, "")
				return c.nextTwo()
			},
		}
	}
	empty := given("allowed, with an empty list of ICE servers", "", `{"allowed":true,"iceServers":[]}`, "iceServers: [], authzMetadata: none")
	empty.better = []better{
		{"iceServers: its own, authzMetadata: none", "an empty list adds nothing to the relay that comes with the server"},
		{"iceServers: none, authzMetadata: none", "to the SDK an empty list is no list"},
	}
	return []row{
		empty,
		given("allowed, with ICE servers", "iceServers, to the client", `{"allowed":true,"iceServers":`+ice+`}`, "iceServers: the webhook's, authzMetadata: none"),
		given("allowed, with metadata", "authzMetadata: any, to the client", `{"allowed":true,"iceServers":`+ice+`,"authzMetadata":{"a":["b",1]}}`, `iceServers: the webhook's, authzMetadata: {"a":["b",1]}`),
		given("allowed, with null as metadata", "", `{"allowed":true,"iceServers":`+ice+`,"authzMetadata":null}`, "iceServers: the webhook's, authzMetadata: none"),
		given("allowed, with a reason and fields that nobody knows", "", `{"allowed":true,"reason":"r","x":1,"iceServers":`+ice+`}`, "iceServers: the webhook's, authzMetadata: none"),
		refused("not allowed, with a reason", `{"allowed":false,"reason":"somebody else's room"}`, "reject somebody else's room, close 1000"),
		refused("not allowed, without a reason", `{"allowed":false}`, "reject InternalServerError, close 1000"),
		{
			does: "a third client: the webhook is asked before it is refused", reference: "reject full, close 1000; 3 calls", needs: authnHook,
			run: func(v *visit) string {
				v.pair("")
				c := v.connect()
				c.register(v.room, "")
				return c.nextTwo() + fmt.Sprintf("; %d calls", len(v.called(v.authn, v.room, 3)))
			},
		},
	}
}

// origin says where the ICE servers of an accept are from.
func origin(servers json.RawMessage, webhook string) string {
	var got, given any
	_ = json.Unmarshal(servers, &got)           // then they differ
	_ = json.Unmarshal([]byte(webhook), &given) // the same
	switch list, _ := got.([]any); {
	case len(list) == 0:
		return orNone(servers)
	case reflect.DeepEqual(got, given):
		return "the webhook's"
	default:
		return "its own"
	}
}

func orNone(value json.RawMessage) string {
	if value == nil {
		return "none"
	}
	return string(value)
}

// authnFaults are answers that are none.
func (s *suite) authnFaults() []row {
	const internal = "reject InternalServerError, close 1000"
	fault := func(does string, a answer, spec, reference string) row {
		return row{
			does: does, spec: spec, reference: reference, needs: authnHook,
			run: func(v *visit) string {
				v.authn.answer(v.room, a)
				c := v.connect()
				c.register(v.room, "")
				f, none := c.receiveWithin(8 * time.Second) // the server gives up after 5 s
				did := none + describeIf(f.text) + ", " + c.next()
				other := v.connect()
				other.register(v.room+"-other", "")
				return did + "; then " + other.next()
			},
		}
	}
	rows := []row{
		fault("an answer with status 500", says(http.StatusInternalServerError, `{"allowed":true}`), "", internal+"; then accept first"),
		fault("an answer with status 201", says(http.StatusCreated, `{"allowed":true}`), "", internal+"; then accept first"),
		fault("an answer that is no JSON", says(http.StatusOK, `yes`), "", internal+"; then accept first"),
		fault("a connection that is cut", hangsUp, "", internal+"; then accept first"),
		fault("no answer", hangs, "", internal+"; then accept first"),
		fault("an answer without allowed", says(http.StatusOK, `{}`), "allowed: required", "cut, cut; then refused"),
	}
	rows[4].slow = true
	deadly := &rows[5]
	deadly.last, deadly.against = true, true
	deadly.better = []better{{internal + "; then accept first", "a bad answer of the webhook ends one registration, not the server"}}
	return rows
}
