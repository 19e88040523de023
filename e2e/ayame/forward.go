package main

import (
	"fmt"
	"strings"

	"github.com/coder/websocket"
)

const untouched = "byte for byte, as text"

// forwards are messages that are for the other one. Each goes both ways.
func forwards() []row {
	var rows []row
	for _, c := range []struct {
		does, text string
		kind       websocket.MessageType
	}{
		{
			"offer, with white space, escapes and fields that nobody knows, the type last",
			"{ \"sdp\" : \"v=0\\r\\no=- 1 1 IN IP4 \\u0031\\u002E\\/\" ,\n\t\"z\":{\"b\":1,\"a\":[ ]}, \"type\":\"offer\" }", websocket.MessageText,
		},
		{"answer, with signs of other scripts", `{"type":"answer","sdp":"部屋 <&> \u00e9"}`, websocket.MessageText},
		{
			"candidate, as browsers write it",
			`{"type":"candidate","ice":{"candidate":"candidate:1 1 udp 2113937151 192.0.2.1 54321 typ host","sdpMid":"0","sdpMLineIndex":0,"usernameFragment":"x"}}`, websocket.MessageText,
		},
		{"candidate: null, which some clients send at the end", `{"type":"candidate","ice":null}`, websocket.MessageText},
		{"offer without a description", `{"type":"offer"}`, websocket.MessageText},
		{"offer in a binary frame", `{"type":"offer","sdp":"v=0"}`, websocket.MessageBinary},
		{"offer of 30,000 bytes", `{"type":"offer","sdp":"` + strings.Repeat("a=x\\r\\n", 4286) + `"}`, websocket.MessageText},
		{"offer with line breaks around it", "\n{\"type\":\"offer\",\"sdp\":\"\"}\n", websocket.MessageText},
	} {
		rows = append(rows, row{
			does: c.does, spec: "forwarded to the other one as it is", reference: untouched,
			run: func(v *visit) string {
				a, b := v.pair("")
				there, back := passes(b, a, c.kind, c.text), passes(a, b, c.kind, c.text)
				if there != back {
					return there + "; back: " + back
				}
				return there
			},
		})
	}
	return rows
}

// maxInOrder is how many candidates go in one burst: more than a browser has.
const maxInOrder = 40

// drops are what happens around messages that are forwarded.
func drops() []row {
	const offer = `{"type":"offer","sdp":"v=0"}`
	return []row{
		{
			does: "40 candidates in a burst", reference: "all, in order",
			run: burst,
		},
		{
			does: "register and offer in one go, before accept has come", reference: "accept second; the other one: offer",
			better: []better{{"accept second; the other one: nothing", "while the webhook is asked, nothing is kept for somebody who may not be let in; who makes the offer is known from accept only"}},
			run: func(v *visit) string {
				a, b := v.join(""), v.connect()
				b.register(v.room, "")
				b.send(offer)
				return b.next() + "; the other one: " + a.hears()
			},
		},
		{
			does: "offer with nobody there, then somebody comes and is sent a candidate", spec: "to the other connected client", reference: "only the candidate arrives",
			run: func(v *visit) string {
				a := v.join("")
				a.send(offer)
				a.send(offer)
				b := v.join("")
				if passes(a, b, websocket.MessageText, candidate(1)) == untouched {
					return "only the candidate arrives"
				}
				return "something else"
			},
		},
		{
			does: "offer: what the sender hears of it", spec: "to the others", reference: "nothing before the answer",
			run: func(v *visit) string {
				a, b := v.pair("")
				b.send(offer)
				a.next()
				if passes(a, b, websocket.MessageText, `{"type":"answer","sdp":""}`) == untouched {
					return "nothing before the answer"
				}
				return "something else"
			},
		},
		{
			does: "pong before register, and pong when nobody has asked", spec: "ping, pong: an extension", reference: "ignored",
			run: func(v *visit) string {
				a := v.connect()
				a.send(`{"type":"pong"}`)
				a.register(v.room, "")
				a.next()
				a.send(`{"type":"pong"}`)
				b := v.join("")
				return ignored(passes(a, b, websocket.MessageText, offer), passes(b, a, websocket.MessageText, offer))
			},
		},
	}
}

// burst sends many candidates at once.
func burst(v *visit) string {
	a, b := v.pair("")
	for i := range maxInOrder {
		b.send(candidate(i))
	}
	for i := range maxInOrder {
		if f, none := a.receive(); f.text != candidate(i) {
			return fmt.Sprintf("candidate %d: %s%.60s", i, none, f.text)
		}
	}
	return "all, in order"
}

func candidate(i int) string { return fmt.Sprintf(`{"type":"candidate","ice":{"candidate":"%d"}}`, i) }

// ignored says so if the messages that came after went through.
func ignored(passed ...string) string {
	for _, p := range passed {
		if p != untouched {
			return p
		}
	}
	return "ignored"
}
