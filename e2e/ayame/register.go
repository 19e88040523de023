package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// registers are the shapes in which clients ask for a seat.
func registers() []row {
	const optional = "clientId, authnMetadata, signalingKey: optional"
	nulls := `,"clientId":null,"signalingKey":null,"key":null,"authnMetadata":null,"ayameClient":null,"libwebrtc":null,"environment":null,"standalone":null`
	rows := []row{
		{does: "the room id alone", spec: "roomId: a string, required; " + optional},
		{does: "null for every optional field", spec: optional},
		{does: "as the SDK for the web writes it: key, and undefined left out", spec: "key is allowed, too (until 2020.2)"},
		{does: "as go-ayame writes it: nulls and ayameClient"},
		{does: "a clientId that is empty", spec: "clientId: optional"},
		{does: "everything that the specification knows", spec: optional},
		{does: "fields that nobody knows"},
		{does: "metadata of any kind: an array of arrays", spec: "authnMetadata: any"},
	}
	for i, more := range []string{
		"", nulls,
		`,"clientId":"8a4b6bfc-76a0-4a0e-9ad5-1c3f5d2c9a11","key":"k","standalone":false`,
		`,"clientId":"c","authnMetadata":null,"signalingKey":null,"ayameClient":"go-ayame v0.1.0","environment":"js wasm"`,
		`,"clientId":""`,
		`,"clientId":"c","signalingKey":"s","key":"k","authnMetadata":{"a":[1]},"ayameClient":"x","libwebrtc":"y","environment":"z","standalone":true`,
		`,"color":"red","nested":{"a":[null]}`,
		`,"authnMetadata":[[],[1,"2",{"3":4}]]`,
	} {
		rows[i].reference = "accept first"
		rows[i].run = func(v *visit) string { c := v.connect(); c.register(v.room, more); return c.next() }
	}
	return append(rows,
		row{
			does: "a room id of other scripts and signs", reference: "accept first",
			run: func(v *visit) string { c := v.connect(); c.register("部屋 🎉/?&<"+v.room, ""); return c.next() },
		},
		row{
			does: "white space wherever JSON allows it, the type last", reference: "accept first",
			run: func(v *visit) string {
				c := v.connect()
				c.send("\r\n\t { \"roomId\" :\n\"" + v.room + "\" , \"type\" : \"register\" } \n")
				return c.next()
			},
		})
}

// refusedRegisters are those that no server takes.
func refusedRegisters() []row {
	long := row{
		does: "a room id of 1000 characters", reference: "accept first",
		better: []better{{"close 1000", "ids have a bound: 128 bytes"}, {"reject not-found, close 1000", "ids have a bound: 128 bytes"}},
		run: func(v *visit) string {
			c := v.connect()
			c.register(v.room+strings.Repeat("x", 1000-len(v.room)), "")
			if did := c.next(); !strings.HasPrefix(did, "reject") {
				return did
			} else {
				return did + ", " + c.next()
			}
		},
	}
	rows := []row{long}
	for _, c := range [][2]string{
		{"no roomId", `{"type":"register"}`},
		{"an empty roomId", `{"type":"register","roomId":""}`},
		{"null as roomId", `{"type":"register","roomId":null}`},
		{"a number as roomId", `{"type":"register","roomId":7}`},
		{"an object as clientId", `{"type":"register","roomId":"x","clientId":{}}`},
	} {
		rows = append(rows, row{
			does: c[0], spec: "roomId: a string, required; clientId: a string", reference: "close 1000",
			run: func(v *visit) string { m := v.connect(); m.send(c[1]); return m.next() },
		})
	}
	return rows
}

// acceptMessage is what a client reads of an accept.
type acceptMessage struct {
	ConnectionID  string
	ICEServers    json.RawMessage
	AuthzMetadata json.RawMessage
}

// accepted takes a seat and returns what came with it, the text and its parts.
func (c *client) accepted(room, more string) (text string, m acceptMessage) {
	c.register(room, more)
	f, _ := c.receive()
	_ = json.Unmarshal([]byte(f.text), &m) // then it is empty, and the row differs
	return f.text, m
}

// accepts are what a client is told.
func accepts() []row {
	const both = "isExistClient, and isExistUser until 2020.2; true: send an offer, false: wait"
	return []row{
		{
			does: "two clients come, one after the other", spec: both, reference: "accept first, accept second",
			run: func(v *visit) string {
				a, b := v.connect(), v.connect()
				a.register(v.room, "")
				first := a.next()
				b.register(v.room, "")
				return first + ", " + b.next()
			},
		},
		{
			does: "the fields of an accept, with no webhook or one that adds none", spec: "iceServers, authzMetadata: extensions",
			reference: "connectionId isExistClient isExistUser type",
			better:    []better{{"connectionId iceServers isExistClient isExistUser type", "the relay comes with the server; the SDK has no STUN of its own"}},
			run: func(v *visit) string {
				text, _ := v.connect().accepted(v.room, "")
				var fields map[string]json.RawMessage
				_ = json.Unmarshal([]byte(text), &fields) // then there are none
				return strings.Join(slices.Sorted(maps.Keys(fields)), " ")
			},
		},
		{
			does: "the connectionIds of the two", reference: "26 characters, 26 characters, unlike",
			run: func(v *visit) string {
				_, a := v.connect().accepted(v.room, "")
				_, b := v.connect().accepted(v.room, "")
				unlike := map[bool]string{true: "unlike", false: "alike"}[a.ConnectionID != b.ConnectionID]
				return fmt.Sprintf("%d characters, %d characters, %s", len(a.ConnectionID), len(b.ConnectionID), unlike)
			},
		},
		{
			does: "the same clientId twice in a room", reference: "accept second",
			run: func(v *visit) string {
				v.join(`,"clientId":"c"`)
				c := v.connect()
				c.register(v.room, `,"clientId":"c"`)
				return c.next()
			},
		},
	}
}
