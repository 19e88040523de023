package main

import (
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/peer"
)

// state is what the page is doing. body[data-state] shows it to the style
// sheet and to tests. "loading" is not here: it ends when this program starts.
//
//	       START              found              hello
//	 idle ───────▶ waiting ───────▶ connecting ───────▶ chatting
//	  ▲             ▲ │ ▲             │   │              │   │
//	  │  Try again  │ ▼ │    fault    │   │     Next     │   │ the other one leaves
//	  │            error ◀────────────┘   │              │   ▼
//	STOP              ╰─────────◀─────────┴──────◀───────┴─ left
type state string

// The states of a running client.
const (
	idle       state = "idle"
	waiting    state = "waiting"
	connecting state = "connecting"
	chatting   state = "chatting"
	left       state = "left"  // the chat is over, its log still there
	failed     state = "error" // the search is over
)

// model is everything that the page shows, apart from the log.
type model struct {
	words   words
	state   state
	why     string        // left, failed: the key of what happened
	refusal refusal       // failed: what the server said
	online  int           // people on the server; 0 if unknown, or too long ago
	queue   int           // people who wait, oneself included
	pause   time.Duration // how long one is offered to nobody
	heard   bool          // the server has said how the search goes
	relax   time.Duration // how long only who shares an interest is
	tags    tags          // interests
	hideIP  bool          // the switch: no direct connections
	met     bool          // knows the notice for first-time visitors
	slow    bool          // connecting takes long
	typing  bool          // the partner is
	path    peer.Path
	arrived uint64 // the last own message that the partner has; 0 for none
	size    size   // of the message that is being written
	report  reporting
	told    told
	hidden  bool // the page is in the background
	unread  int  // what came meanwhile
	update  bool // there is a new version of the page

	interrupted bool // the connection is lost; peer tries to get it back
}

// told is what only those are told who do not see the page: the key of it, and
// what it is about.
type told struct {
	word, tag string
	n         int
}

// text puts t into words.
func (t told) text(w words) string {
	if t.word == "" {
		return ""
	}
	return fill(w.with(t.word, "n", t.n), "tag", t.tag)
}

// forget leaves nothing of the last search or chat.
func (m *model) forget() {
	m.pause, m.relax, m.heard = 0, 0, false
	m.arrived, m.unread = 0, 0
	m.size = size{}
	m.report = unreported
	m.told = told{}
}

// tagged tells that an interest was added or removed.
func (m *model) tagged(in input) {
	if in.kind == addTag {
		m.told = told{word: "added", tag: m.tags[m.tags.count()-1]}
	} else {
		m.told = told{word: "removed", tag: in.text}
	}
}

// written notes how long the message is by now. It tells once that little room
// is left, and each time that there is none for what was written: full.
func (m *model) written(now size, full bool) {
	switch was := m.size; {
	case full:
		m.told = told{word: "no_room"}
	case now.near() && !was.near():
		m.told = told{word: "little_room", n: now.room()}
	case !now.near():
		m.told = told{}
	}
	m.size = now
}
