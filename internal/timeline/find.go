package timeline

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// Timeline is what happened in one room, in words: the answer of
// GET /api/rooms/{id}/timeline.
type Timeline struct {
	Room     string       `json:"room"` // its name, which admits to nothing
	Code     string       `json:"code"` // the beginning of it, which its visitors were shown
	Began    time.Time    `json:"began"`
	Ended    time.Time    `json:"ended,omitzero"` // zero: it goes on
	Verdict  wire.Verdict `json:"verdict"`
	Sentence string       `json:"sentence"`          // the verdict in English
	Dropped  int          `json:"dropped,omitempty"` // events that were one too many to be kept
	Events   []Entry      `json:"events"`
}

// Entry is an event, or several that are alike.
type Entry struct {
	At    time.Time `json:"at"`
	After int       `json:"after_ms"` // since the room began
	Side  wire.Side `json:"side,omitempty"`
	Event string    `json:"event"`          // one of a fixed list
	What  string    `json:"what,omitempty"` // about it; words and numbers from lists
	From  string    `json:"from,omitempty"` // the network that he came from, /24 or /48
	Count int       `json:"count,omitempty"`
}

// Find is the timeline of a room: by its id, the name at the beginning of that, or
// the code that its visitors were shown; false: it is not known, or no longer. Of
// several with one code it is the one that began last.
func (s *Store) Find(id string) (Timeline, bool) {
	if id == "" || len(id) > wire.MaxRoomIDBytes {
		return Timeline{}, false
	}
	var found *room // a copy
	for i := range s.shards {
		if rm := s.shards[i].find(id); rm != nil && (found == nil || rm.began > found.began) {
			found = rm
		}
	}
	if found == nil {
		return Timeline{}, false
	}
	return found.timeline(), true
}

// find copies the newest room that an id names. Of codes there is no index: it is
// an operator who asks, and there are no more than Limits.Rooms.
func (sh *shard) find(id string) *room {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	var found *room
	for name, rm := range sh.rooms {
		named := strings.HasPrefix(id, name) || len(id) == wire.RoomCodeLength && strings.HasPrefix(name, id)
		if named && (found == nil || rm.began > found.began) {
			found = rm
		}
	}
	if found == nil {
		return nil
	}
	kept := *found
	kept.records = append([]record(nil), found.records...)
	return &kept
}

// timeline puts a room into words.
func (rm *room) timeline() Timeline {
	t := Timeline{
		Room: rm.name, Code: wire.RoomCode(rm.name), Began: rm.at(0), Dropped: int(rm.dropped), Events: make([]Entry, len(rm.records)),
		Verdict: judge(rm.records, rm.state == over),
	}
	if rm.state == over {
		t.Ended = rm.at(rm.end)
	}
	if rm.counted { // what has come since then changes nothing
		t.Verdict = wire.Verdicts()[rm.verdict]
	}
	t.Sentence = sentence(t.Verdict)
	for i := range rm.records {
		t.Events[i] = rm.entry(&rm.records[i])
	}
	return t
}

func (rm *room) at(after uint32) time.Time { return time.UnixMilli(rm.began + int64(after)).UTC() }

func (rm *room) entry(r *record) Entry {
	e := Entry{At: rm.at(r.after), After: int(r.after), Event: nameOf(r.kind), What: what(r)}
	switch r.who() {
	case 1:
		e.Side = wire.SideA
	case 2:
		e.Side = wire.SideB
	}
	if from := r.from(); from.IsValid() {
		e.From = from.String()
	}
	if r.count > 1 {
		e.Count = int(r.count)
	}
	return e
}

// nameOf is an event in a word.
func nameOf(k Kind) string {
	names := [...]string{
		Matched: "matched", Reoffered: "offered again", Registered: "registered", Resumed: "resumed", Rebuilt: "rebuilt",
		Offered: "offer", Answered: "answer", Candidate: "candidate", Hidden: "candidate hidden", SocketLost: "socket lost", GaveUp: "gave up",
		Left: "left", NobodyCame: "partner absent", Over: "over", Allocated: "allocated", Refused: "allocation refused", Forbidden: "peer refused",
		Deallocated: "allocation ended", Connected: "connected", Failed: "failed", Lost: "lost", Gathered: "gathered", Fault: "server not used",
	}
	if int(k) < len(names) && names[k] != "" {
		return names[k]
	}
	return "event " + strconv.Itoa(int(k))
}

// what says more of an event.
func what(r *record) string {
	switch r.kind {
	case Matched:
		words := "anybody"
		if r.detail == 1 {
			words = "shared tag"
		}
		return words + ", waited " + strconv.Itoa(r.took()) + " ms"
	case Registered:
		return flags(r.detail, "reports", "resumes", "hides", "standalone")
	case Candidate:
		return candidate(r.detail)
	case Gathered:
		return typeName(CandidateType(r.detail))
	case Allocated:
		family := "IPv4"
		if r.detail&AllocationIPv6 != 0 {
			family = "IPv6"
		}
		return [...]string{"udp", "tcp", "tls", "dtls"}[r.detail&transports] + " " + family
	case Refused:
		return [...]string{"401 expired", "401 wrong", "486 quota", "508 ports", "508 budget"}[min(Refusal(r.detail), RefusedBudget)]
	case Forbidden:
		return [...]string{"403 out of bounds", "403 not the partner's"}[min(r.detail, 1)]
	case Connected:
		return string(wire.OutcomePaths()[r.detail&3]) + ", round trip " + rttClass(r.rtt()) + ", after " + strconv.Itoa(r.took()) + " ms"
	case Failed, Lost:
		ice, gathering, dtls := states(r.detail)
		return fmt.Sprintf("ice %s, gathering %s, dtls %s, after %d ms", said(ice), said(gathering), said(dtls), r.took())
	case Fault:
		via, port := r.fault()
		return fmt.Sprintf("%s port %d: %d", via, port, r.detail)
	default:
		return ""
	}
}

func said(state string) string {
	if state == "" {
		return "unknown"
	}
	return state
}

// rttClass is a round-trip time as coarse as it is of use.
func rttClass(ms int) string {
	if ms == 0 {
		return "unknown"
	}
	class := 10
	for class < ms {
		class *= 2
	}
	return "<= " + strconv.Itoa(class) + " ms"
}

func typeName(t CandidateType) string {
	return [...]string{"host", "srflx", "prflx", "relay"}[t&candidateTypes]
}

func candidate(detail uint16) string {
	words := typeName(CandidateType(detail & candidateTypes))
	switch {
	case detail&CandidateName != 0:
		words += " mDNS"
	case detail&CandidateIPv6 != 0:
		words += " IPv6"
	default:
		words += " IPv4"
	}
	if detail&CandidateOverTCP != 0 {
		words += " tcp"
	}
	return words
}

// flags names the bits that are set.
func flags(bits uint16, names ...string) string {
	var set []string
	for i, name := range names {
		if bits>>i&1 != 0 {
			set = append(set, name)
		}
	}
	return strings.Join(set, ", ")
}

func underscored(s string) string { return strings.ReplaceAll(s, "-", "_") }

// WriteText writes the timeline for people: one line for the verdict, one for
// each event.
func (t Timeline) WriteText(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "room %s  %s\n%s: %s\n", t.Code, t.Began.Format(time.RFC3339), t.Verdict, t.Sentence)
	for _, e := range t.Events {
		times := ""
		if e.Count > 1 {
			times = "×" + strconv.Itoa(e.Count)
		}
		line := fmt.Sprintf("%10s  %-1s  %-16s %-4s %s  %s", "+"+strconv.Itoa(e.After)+" ms", e.Side, e.Event, times, e.What, e.From)
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	if t.Dropped > 0 {
		fmt.Fprintf(&b, "%d more events were not kept\n", t.Dropped)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
