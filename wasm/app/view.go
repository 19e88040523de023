package main

import (
	"strconv"
	"strings"
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
	online  int           // people on the server; 0 if unknown, or too long ago
	queue   int           // people who wait, oneself included
	pause   time.Duration // how long one is offered to nobody
	hideIP  bool          // the switch: no direct connections
	slow    bool          // connecting takes long
	typing  bool          // the partner is
	path    peer.Path
	arrived uint64 // the last own message that the partner has; 0 for none
	hidden  bool   // the page is in the background
	unread  int    // what came meanwhile
}

// view is a model in words: what each part of the page shows and lets do. An
// empty text is not shown.
type view struct {
	state     state
	title     string // of the window
	status    string
	online    string
	note      string
	fault     string
	start     string // what the START button says
	path      badge
	typing    string
	delivered string // under the message arrived
	arrived   uint64
	focus     string // the id of what has the keyboard when this state begins

	canStart, canNext, canStop, canWrite, canHide bool
}

// badge says which way the messages take: "direct · no server in between · 23 ms".
type badge struct {
	kind peer.PathKind
	name string
	more string // left out on small screens
	rtt  string
}

// view puts the model into words.
func (m *model) view() view {
	v := view{state: m.state, title: "WasmP2PChat", start: m.words.of("start")}
	if m.unread > 0 {
		v.title = "(" + strconv.Itoa(m.unread) + ") " + v.title
	}
	switch m.state {
	case idle:
		v.status = m.words.of("ready")
		if m.online > 0 {
			v.online = m.words.with("online", "n", m.online)
		}
		v.canStart, v.canHide, v.focus = true, true, "start"
	case waiting:
		v.status = m.words.of("waiting")
		v.note = m.crowd()
		v.canStop, v.focus = true, "status" // Tab goes on to Stop from there
	case connecting:
		v.status = m.words.of("connecting")
		v.note = m.trying()
		v.canNext, v.canStop, v.focus = true, true, "status"
	case chatting:
		v.status = m.words.of("stranger")
		v.path = m.badge()
		v.arrived, v.delivered = m.arrived, m.words.of("delivered")
		if m.typing {
			v.typing = m.words.of("typing")
		}
		v.canNext, v.canStop, v.canWrite, v.focus = true, true, true, "message"
	case left:
		v.status = m.words.of(m.why)
		v.arrived, v.delivered = m.arrived, m.words.of("delivered")
		v.canNext, v.canStop, v.canHide, v.focus = true, true, true, "next"
	case failed:
		v.status = m.words.of("failed")
		v.fault = m.words.of(m.why)
		v.start = m.words.of("again")
		v.canStart, v.canHide, v.focus = true, true, "start"
	}
	return v
}

// crowd says who else is there, once the server has told.
func (m *model) crowd() string {
	if m.pause > 0 {
		return m.words.with("pause", "n", int(m.pause/time.Second))
	}
	if m.online == 0 {
		return ""
	}
	if m.queue < 2 {
		return m.words.with("alone", "m", m.online)
	}
	return fill(m.words.with("crowd", "n", m.queue), "m", strconv.Itoa(m.online))
}

// trying says what a connection that takes long is trying.
func (m *model) trying() string {
	switch {
	case !m.slow:
		return ""
	case m.hideIP:
		return m.words.of("trying_hidden")
	default:
		return m.words.of("trying")
	}
}

// badge names the path and its round-trip time, as far as they are known.
func (m *model) badge() badge {
	b := badge{kind: m.path.Kind}
	switch m.path.Kind {
	case peer.PathDirect:
		b.name = m.words.of("direct")
		b.more = m.words.of("direct_more")
	case peer.PathRelayUDP:
		b.name = m.words.of("relay_udp")
	case peer.PathRelayTCP:
		b.name = m.words.of("relay_tcp")
	case peer.PathRelayTLS:
		b.name = m.words.of("relay_tls")
	default:
		return badge{}
	}
	if m.path.RTT > 0 {
		b.rtt = m.words.with("ms", "n", milliseconds(m.path.RTT))
	}
	return b
}

// milliseconds rounds d, but never to nothing.
func milliseconds(d time.Duration) int {
	return max(1, int(d.Round(time.Millisecond)/time.Millisecond))
}

// greeting is the first line of a chat: what both like, if anything.
func (w words) greeting(shared []string) string {
	if len(shared) == 0 {
		return w.of("hello")
	}
	return fill(w.of("shared"), "tags", strings.Join(shared, ", "))
}
