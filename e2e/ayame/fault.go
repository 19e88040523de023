package main

// faults are messages that end a connection, before register or after.
func faults() []row {
	const asIs = "what a client sends is forwarded as it is"
	var rows []row
	for _, c := range []struct {
		does, text string
		before     bool // register
		spec       string
	}{
		{does: "text that is no JSON", text: `hello`, before: true, spec: "messages are JSON"},
		{does: "half of an object", text: `{"type":"register","roomId":"`, before: true, spec: "messages are JSON"},
		{does: "two objects in a message", text: `{"type":"pong"}{"type":"pong"}`, before: true},
		{does: "an empty message", text: ``, before: true, spec: "messages are JSON"},
		{does: "null", text: `null`, before: true, spec: "every message has a type"},
		{does: "a number", text: `7`, before: true, spec: "every message has a type"},
		{does: "an array", text: `[{"type":"register"}]`, before: true, spec: "every message has a type"},
		{does: "an object without a type", text: `{}`, before: true, spec: "every message has a type"},
		{does: "a type that is a number", text: `{"type":1}`, before: true, spec: "every message has a type"},
		{does: "offer before register", text: `{"type":"offer","sdp":""}`, before: true},
		{does: "candidate before register", text: `{"type":"candidate","ice":{}}`, before: true},
		{does: "connected before register", text: `{"type":"connected"}`, before: true},
		{does: "half of an offer", text: `{"type":"offer","sdp":"`, spec: "messages are JSON"},
		{does: "a type that nobody knows", text: `{"type":"teapot"}`, spec: asIs},
		{does: "bye, from a client", text: `{"type":"bye"}`, spec: asIs},
		{does: "ping, from a client", text: `{"type":"ping"}`, spec: asIs},
		{does: "accept, from a client", text: `{"type":"accept"}`, spec: asIs},
	} {
		rows = append(rows, row{
			does: c.does, spec: c.spec, against: c.spec == asIs, reference: "close 1000",
			run: func(v *visit) string {
				m := v.connect()
				if !c.before {
					m.register(v.room, "")
					m.next()
				}
				m.send(c.text)
				return m.next()
			},
		})
	}
	return append(rows,
		row{
			does: "a second register", reference: "close 1000",
			run: func(v *visit) string { a := v.join(""); a.register(v.room, ""); return a.next() },
		},
		row{
			does: "what the close frame of a fault says", reference: "nothing",
			better: []better{{"a reason", "whoever looks for the fault in a client finds it"}},
			run:    closeReason,
		})
}

// closeReason is what the close frame of a fault says.
func closeReason(v *visit) string {
	c := v.connect()
	c.send(`hello`)
	switch c.next() {
	case "close 1000":
		if c.reason != "" {
			return "a reason"
		}
		return "nothing"
	default:
		return "no close frame"
	}
}
