package main

import (
	"strconv"
	"strings"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/peer"
)

// view is a model in words: what each part of the page shows and lets do. An
// empty text is not shown.
type view struct {
	state       state
	interrupted bool   // data-line
	title       string // of the window
	status      string
	online      string
	note        string
	wish        phrase // what is looked for
	fault, more string // an error, and what to do about it
	start       string // what the START button says
	path        badge
	typing      string
	delivered   string // under the message arrived
	arrived     uint64
	room        string // left in a message
	told        string // to those who listen only
	tags        tags
	remove      string // what a chip does: "Remove {tag}"
	notice      bool   // for first-time visitors
	update      bool   // there is a new version
	focus       string // the id of what has the keyboard when this state begins

	canStart, canNext, canStop, canWrite, canHide, canReport bool
}

// phrase is a text with interests in it, where it says {tags}.
type phrase struct {
	text   string
	tags   tags
	either bool // one of them, not all
}

// badge says which way the messages take: "direct · no server in between · 23 ms".
type badge struct {
	kind  peer.PathKind
	name  string
	more  string // left out on small screens
	rtt   string
	about about
}

// about is what the badge means, for who asks.
type about struct{ means, why, roundTrip string }

// view puts the model into words.
func (m *model) view() view {
	v := view{
		state: m.state, title: "WasmP2PChat", start: m.words.of("start"), told: m.told.text(m.words),
		tags: m.tags, remove: m.words.of("remove"), notice: !m.met,
	}
	if m.unread > 0 {
		v.title = "(" + strconv.Itoa(m.unread) + ") " + v.title
	}
	switch m.state {
	case idle:
		v.status = m.words.of("ready")
		if m.online > 0 {
			v.online = m.words.with("online", "n", m.online)
		}
		v.canStart, v.canHide, v.update, v.focus = true, true, m.update, "start"
	case waiting:
		v.status = m.words.of("waiting")
		v.note, v.wish = m.crowd(), m.wish()
		v.canStop, v.focus = true, "status" // Tab goes on to Stop from there
	case connecting:
		v.status = m.words.of("connecting")
		v.note = m.trying()
		v.canNext, v.canStop, v.focus = true, true, "status"
	case chatting:
		m.viewChat(&v)
		v.canWrite = true
	case left:
		m.viewChat(&v)
		v.status, v.typing, v.room = m.words.of(m.why), "", ""
		v.canHide, v.focus = true, "next"
	case failed:
		v.status = m.words.of("failed")
		v.fault, v.more = m.fault()
		v.start = m.words.of("again")
		v.canStart, v.canHide, v.update, v.focus = true, true, m.update, "start"
	}
	return v
}

// viewChat is what a chat shows, and also its log when it is over.
func (m *model) viewChat(v *view) {
	v.status, v.focus = m.words.of("stranger"), "message"
	if m.interrupted {
		v.status, v.interrupted = m.words.of("lost"), true
	} else {
		v.path = m.badge()
	}
	if m.typing {
		v.typing = m.words.of("typing")
	}
	if m.size.near() {
		v.room = m.words.with("room", "n", m.size.room())
	}
	v.arrived, v.delivered = m.arrived, m.words.of("delivered")
	v.canNext, v.canStop, v.canReport = true, true, m.report == unreported
	if m.report == reported {
		v.focus = "next"
	}
}

// crowd says who else is there, once the server has told.
func (m *model) crowd() string {
	if m.pause > 0 {
		return m.words.with("pause", "n", ceil(m.pause, time.Second))
	}
	if m.online == 0 {
		return ""
	}
	if m.queue < 2 {
		return m.words.with("alone", "m", m.online)
	}
	return fill(m.words.with("crowd", "n", m.queue), "m", strconv.Itoa(m.online))
}

// wish says who is preferred, and until when, once the server has told.
func (m *model) wish() phrase {
	switch {
	case m.tags == tags{} || m.pause > 0 || !m.heard:
		return phrase{}
	case m.relax > 0:
		return phrase{m.words.with("relax", "s", ceil(m.relax, time.Second)), m.tags, true}
	default:
		return phrase{m.words.of("relaxed"), m.tags, true}
	}
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

// fault says why there is no chat, and what to do about it, if there is more
// than to try again.
func (m *model) fault() (fault, more string) {
	fault = fill(m.words.of(m.why), "time", m.words.span(m.refusal.wait))
	if advice := adviceOf(m.why); advice != "" {
		more = m.words.of(advice)
	}
	if m.why == "banned" && m.refusal.ban != "" {
		more = fill(m.words.of("banned_more"), "ban", m.refusal.ban)
	}
	if m.refusal.code != "" {
		more = strings.TrimSpace(more + " " + fill(m.words.of("code"), "code", m.refusal.code))
	}
	return fault, more
}

// badge names the path and its round-trip time, as far as they are known.
func (m *model) badge() badge {
	b := badge{kind: m.path.Kind}
	b.about.means = m.words.of("means_relay")
	switch m.path.Kind {
	case peer.PathDirect:
		b.name = m.words.of("direct")
		b.more = m.words.of("direct_more")
		b.about.means = m.words.of("means_direct")
	case peer.PathRelayUDP:
		b.name = m.words.of("relay_udp")
	case peer.PathRelayTCP:
		b.name = m.words.of("relay_tcp")
	case peer.PathRelayTLS:
		b.name = m.words.of("relay_tls")
	default:
		return badge{}
	}
	switch m.path.Why {
	case peer.WhyHidden:
		b.about.why = m.words.of("why_hidden")
	case peer.WhyUDPBlocked:
		b.about.why = m.words.of("why_udp_blocked")
	case peer.WhyNAT:
		b.about.why = m.words.of("why_nat")
	}
	if m.path.RTT > 0 {
		n := milliseconds(m.path.RTT)
		b.rtt = m.words.with("ms", "n", n)
		b.about.roundTrip = m.words.with("round_trip", "n", n)
	}
	return b
}

// milliseconds rounds d, but never to nothing.
func milliseconds(d time.Duration) int {
	return max(1, int(d.Round(time.Millisecond)/time.Millisecond))
}
