package main

import (
	"fmt"
	"time"
)

// times are the rows that wait: each is slow.
func times() []row {
	const pings = "ping every 5 s, cut after 60 s without pong"
	rows := []row{
		{
			does: "the time from ping to ping", spec: pings, reference: "5s",
			run: func(v *visit) string { return v.pingInterval() },
		},
		{
			does: "a client that has not registered: the first it hears", reference: "ping",
			run: func(v *visit) string {
				f, none := v.connectMute().receiveWithin(8 * time.Second)
				return none + describeIf(f.text)
			},
		},
		{
			does: "a client that answers no ping", spec: pings, reference: "close 1000 after 60s",
			better: []better{{"close 1000 after 40s to 47s", "the partner of a dead one waits less; nobody alive is 8 pings late"}},
			run: func(v *visit) string {
				c := v.connectMute()
				c.register(v.room, "")
				return c.endsAfter()
			},
		},
		{
			does: "a client that says nothing at all, not even pong", spec: pings, reference: "close 1000 after 60s",
			better: []better{{"close 1000 after 5s", "who has not registered after 5 s costs nothing more"}},
			run:    func(v *visit) string { return v.connectMute().endsAfter() },
		},
		{
			does: "a standalone client: pings in 12 s", reference: "none",
			run: func(v *visit) string {
				c := v.connectMute()
				c.register(v.room, `,"standalone":true`)
				c.next()
				f, none := c.receiveWithin(12 * time.Second)
				if none == "nothing in 12s" {
					return "none"
				}
				return none + describeIf(f.text)
			},
		},
	}
	for i := range rows {
		rows[i].slow = true
	}
	return rows
}

func describeIf(text string) string {
	if text == "" {
		return ""
	}
	return describe(text)
}

// pingInterval is how much time is between two pings, in whole seconds.
func (v *visit) pingInterval() string {
	c := v.connectMute()
	c.register(v.room, "")
	c.next()
	var at [2]time.Time
	for i := range at {
		f, none := c.receiveWithin(15 * time.Second)
		if none != "" || typeOf(f.text) != "ping" {
			return none + describeIf(f.text)
		}
		at[i] = f.at
	}
	return at[1].Sub(at[0]).Round(time.Second).String()
}

// endsAfter waits until the connection ends, and says when that was: in whole
// seconds, or as one of the spans that servers have which look from time to
// time.
func (c *client) endsAfter() string {
	for {
		_, none := c.receiveWithin(longestWait)
		if none == "" {
			continue
		}
		took := time.Since(c.opened)
		if took > 40*time.Second-time.Second/2 && took < 47*time.Second {
			return none + " after 40s to 47s"
		}
		return fmt.Sprintf("%s after %.0fs", none, took.Seconds())
	}
}
