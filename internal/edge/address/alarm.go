package address

import "log/slog"

// calmRounds is for how many rounds something must be over before it is said to
// be over, so that what comes and goes is not a line in the log each time.
const calmRounds = 3

// alarm tells once that something began, and once that it ended.
type alarm struct {
	on   bool
	calm int // rounds since it was last so
}

// edge is what an alarm has to tell.
type edge int

const (
	nothing edge = iota
	began
	ended
)

// ring takes whether it is so in this round.
func (a *alarm) ring(now bool) edge {
	switch {
	case now && !a.on:
		*a = alarm{on: true}
		return began
	case now:
		a.calm = 0
	case a.on:
		if a.calm++; a.calm >= calmRounds {
			*a = alarm{}
			return ended
		}
	}
	return nothing
}

// topic is what an alarm is about.
type topic struct {
	about  string
	family Family
}

// alarms are those of the decision; there are few topics.
type alarms map[topic]*alarm

func (a alarms) of(t topic) *alarm {
	if a[t] == nil {
		a[t] = new(alarm)
	}
	return a[t]
}

// private warns when nobody outside reaches the relay, or nobody over IPv4.
func (a alarms) private(log *slog.Logger, told Addresses) {
	hint := "set " + setting + "PUBLIC_IPS to the address that clients reach, or a STUN server as stun:host:port in " + setting + "ADDRESS_SOURCES"
	switch a.of(topic{about: "private"}).ring(told.isPrivate()) {
	case began:
		log.Warn("no public address found: chats that need the relay work inside this network only", "addresses", told.List(), "hint", hint)
	case ended:
		log.Info("there is a public address again", "addresses", told.List())
	}
}

// contradictions logs each topic when it appears and when it is over.
func (a alarms) contradictions(log *slog.Logger, list []Contradiction) {
	now := map[topic]string{}
	for _, c := range list {
		now[topic{c.About, c.Family}] = c.Text
		a.of(topic{c.About, c.Family})
	}
	for t, alarm := range a {
		if t.about == "private" {
			continue
		}
		text, is := now[t]
		switch alarm.ring(is) {
		case began:
			log.Warn("addresses contradict each other", "what", text)
		case ended:
			log.Info("addresses no longer contradict each other", "about", t.about, "family", t.family)
		}
	}
}
