package main

import (
	"net/http"
	"time"
)

// disconnects are what the webhook is told when a connection ends.
func (s *suite) disconnects() []row {
	const fields = "roomId, clientId; reason optional"
	one := `{"roomId":"R","clientId":"a","connectionId":"C1"}`
	two := one + ` {"roomId":"R","clientId":"b","connectionId":"C2"}`
	return []row{
		{
			does: "both of a room, one after the other", spec: fields, reference: two, needs: disconnectHook,
			run: func(v *visit) string {
				a, b := v.connect(), v.connect()
				_, first := a.accepted(v.room, `,"clientId":"a"`)
				_, second := b.accepted(v.room, `,"clientId":"b"`)
				a.leave()
				b.nextTwo()
				return v.bodies(v.called(v.disconnect, v.room, 2), first.ConnectionID, second.ConnectionID)
			},
		},
		{
			does: "one who is lost, without a clientId", spec: fields, reference: `{"roomId":"R","clientId":"C1","connectionId":"C1"}`, needs: disconnectHook,
			run: func(v *visit) string {
				c := v.connect()
				_, accept := c.accepted(v.room, "")
				c.cut()
				return v.bodies(v.called(v.disconnect, v.room, 1), accept.ConnectionID)
			},
		},
		{
			does: "one who was standalone and is connected", spec: fields, reference: one, needs: disconnectHook,
			run: func(v *visit) string {
				c := v.connect()
				_, accept := c.accepted(v.room, `,"clientId":"a","standalone":true`)
				c.send(`{"type":"connected"}`)
				c.next()
				return v.bodies(v.called(v.disconnect, v.room, 1), accept.ConnectionID)
			},
		},
		{
			does: "one who never registered", spec: "roomId, clientId: required", against: true, reference: "a call with empty names", needs: disconnectHook,
			better: []better{{"no call", "there is nothing to say of somebody who was never there"}},
			run:    func(v *visit) string { return v.neverRegistered() },
		},
		{
			does: "one who was rejected", reference: "a call", needs: disconnectHook,
			better: []better{{"no call", "the webhook hears only of those who had a seat"}},
			run:    func(v *visit) string { return v.rejected() },
		},
		{
			does: "an answer with status 500", reference: "the room can be used again", needs: disconnectHook,
			run: func(v *visit) string { return v.afterStatus500() },
		},
	}
}

// afterStatus500 is whether a room can be used again though the webhook fails.
func (v *visit) afterStatus500() string {
	v.disconnect.answer(v.room, says(http.StatusInternalServerError, "no"))
	a, b := v.pair("")
	a.leave()
	b.nextTwo()
	v.called(v.disconnect, v.room, 2)
	c := v.connect()
	c.register(v.room, "")
	if c.next() == "accept first" {
		return "the room can be used again"
	}
	return "it cannot"
}

// unexpectedly is how long a call is waited for that need not come, after one
// has come that must.
const unexpectedly = time.Second

// settle lets somebody come and go whom the webhook hears of. It is false if
// it hears of nobody.
func (v *visit) settle() bool {
	after := v.room + "-after"
	c := v.connect()
	c.register(after, "")
	c.next()
	c.leave()
	return len(v.called(v.disconnect, after, 1)) > 0
}

// neverRegistered lets one go who has said nothing.
func (v *visit) neverRegistered() string {
	before, _ := v.disconnect.of("")
	v.connect().leave()
	if !v.settle() {
		return "no call, not even for one who had a seat"
	}
	after := v.calledWithin(v.disconnect, "", len(before)+1, unexpectedly)
	switch {
	case len(after) == len(before):
		return "no call"
	case after[len(after)-1].body == `{"roomId":"","clientId":"","connectionId":""}`:
		return "a call with empty names"
	default:
		return after[len(after)-1].body
	}
}

// rejected refuses one as the third. The two others stay.
func (v *visit) rejected() string {
	v.pair("")
	c := v.connect()
	c.register(v.room, `,"clientId":"third"`)
	c.nextTwo()
	if !v.settle() {
		return "no call, not even for one who had a seat"
	}
	calls := v.calledWithin(v.disconnect, v.room, 1, unexpectedly)
	if len(calls) == 0 {
		return "no call"
	}
	return "a call"
}
