package main

import (
	"strings"
	"time"

	"github.com/coder/websocket"
)

const byeClose = "bye, close 1000"

// rooms are who is in a room, and what the others hear of it.
func rooms() []row {
	const says = "bye: sent when one of the two has ended"
	return []row{
		{
			does: "a third client", spec: "reject: more than two are refused", reference: "reject full, close 1000; the two talk on",
			run: func(v *visit) string {
				a, b := v.pair("")
				c := v.connect()
				c.register(v.room, "")
				did := c.nextTwo()
				if passes(a, b, websocket.MessageText, candidate(1)) == untouched && passes(b, a, websocket.MessageText, candidate(2)) == untouched {
					did += "; the two talk on"
				}
				return did
			},
		},
		{
			does: "one of two leaves with a close frame", spec: says, reference: byeClose,
			run: func(v *visit) string { a, b := v.pair(""); a.leave(); return b.nextTwo() },
		},
		{
			does: "one of two is lost: its TCP connection ends", spec: says, reference: byeClose,
			run: func(v *visit) string { a, b := v.pair(""); b.cut(); return a.nextTwo() },
		},
		{
			does: "one of two makes a fault", spec: says, reference: "close 1000; the other one: bye, close 1000",
			run: func(v *visit) string {
				a, b := v.pair("")
				a.send(`{"type":"teapot"}`)
				return a.next() + "; the other one: " + b.nextTwo()
			},
		},
		{
			does: "after bye the room is asked for anew, by three", reference: "accept first, accept second, reject full",
			run: func(v *visit) string {
				a, b := v.pair("")
				a.leave()
				b.nextTwo()
				var did [3]string
				for i := range did {
					c := v.connect()
					c.register(v.room, "")
					did[i] = c.next()
				}
				return strings.Join(did[:], ", ")
			},
		},
		{
			does: "one who was alone leaves, and another one comes", reference: "accept first",
			run: func(v *visit) string {
				v.join("").leave()
				c := v.connect()
				c.register(v.room, "")
				return c.next()
			},
		},
	}
}

// standalone are clients that need the server no longer once they are
// connected.
func standalone() []row {
	const yes = `,"standalone":true`
	stays := []better{{"nothing", "the other one may not know yet that the two are connected, and have candidates to send"}}
	return []row{
		{
			does: "connected, from one who registered as standalone", reference: "close 1000",
			run: func(v *visit) string { a := v.join(yes); a.send(`{"type":"connected"}`); return a.next() },
		},
		{
			does: "connected, from one of two who are standalone: what the other one hears", reference: "close 1000", better: stays,
			run: func(v *visit) string { a, b := v.pair(yes); a.send(`{"type":"connected"}`); a.next(); return b.hears() },
		},
		{
			does: "one of two who are standalone is lost: what the other one hears", reference: "close 1000", better: stays,
			run: func(v *visit) string { a, b := v.pair(yes); a.cut(); return b.hears() },
		},
		{
			does: "connected, from one who is standalone: what another one hears who is not", spec: "bye: sent when one of the two has ended", reference: byeClose,
			better: []better{{"nothing", "the two are connected; a client that is told bye would hang up"}},
			run: func(v *visit) string {
				a, b := v.join(yes), v.join("")
				a.send(`{"type":"connected"}`)
				a.next()
				if did := b.hears(); did != "bye" {
					return did
				}
				return "bye, " + b.next()
			},
		},
		{
			does: "connected, from one who is not standalone", reference: "ignored",
			run: func(v *visit) string {
				a, b := v.pair("")
				a.send(`{"type":"connected"}`)
				return ignored(passes(a, b, websocket.MessageText, candidate(1)), passes(b, a, websocket.MessageText, candidate(2)))
			},
		},
	}
}

// hears is the next thing that a client is told for what another one has
// done, or nothing, if a second passes.
func (c *client) hears() string {
	f, none := c.receiveWithin(time.Second)
	switch none {
	case "":
		return describe(f.text)
	case "nothing in 1s":
		return "nothing"
	default:
		return none
	}
}
