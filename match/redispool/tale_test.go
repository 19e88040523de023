package redispool

import (
	"fmt"
	"strings"
)

// The steps of a search in words. Ann and Bob are the visitors of the first node, Cat
// is that of the second.

func who(v int8) string { return [...]string{"Ann", "Bob", "Cat"}[v] }

// String names a ticket: whose it is, and which of his offers, under which lease of
// his node, if it is not the first.
func (a alias) String() string {
	name := who(a.visitor)
	if a.generation > 1 {
		name += fmt.Sprintf(" (offer %d)", a.generation)
	}
	if a.epoch > 0 {
		name += fmt.Sprintf(" (lease %d)", a.epoch+1)
	}
	return name
}

// String is the step in words.
func (s step) String() string {
	switch {
	case s.m.kind != none && s.what == "there arrives":
		return s.m.tale()
	case s.m.kind != none:
		return s.what + " " + s.m.tale()
	case s.node || s.what == "the dead are swept":
		return fmt.Sprintf("%s %d", s.what, s.who+1)
	case strings.HasPrefix(s.what, "fail-over"):
		return fmt.Sprintf("%s, which was about %s", s.what, who(s.who))
	}
	return who(s.who) + " " + s.what
}

// tale is what happens when a message arrives.
func (m message) tale() string {
	node := who(max(0, m.to.visitor)) + "'s node"
	switch m.kind {
	case callOffer:
		return fmt.Sprintf("Redis has the offer of %v", m.to)
	case callLook:
		return fmt.Sprintf("Redis has the look around of %v", m.to)
	case callCancel:
		return fmt.Sprintf("Redis has the cancelling of %v", m.to)
	case isEnqueued:
		return fmt.Sprintf("%s hears of Redis that %v waits there", node, m.to)
	case isPaired:
		return fmt.Sprintf("%s hears of Redis that %v is paired with %v", node, m.to, m.from)
	}
	says := map[kind]string{
		isAsk: "M, %v has come for %v", isYes: "Y, %v promises to meet %v", isNo: "N, %v does not meet %v",
		isCommit: "C, %v was told of the match with %v", isRefuse: "R, %v was not told of the match with %v",
	}
	return node + " hears " + fmt.Sprintf(says[m.kind], m.from, m.to)
}
