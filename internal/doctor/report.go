package doctor

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"
)

// Status is how a check ended.
type Status string

// The ends of a check.
const (
	OK   Status = "ok"
	Warn Status = "warn" // it works, and ought to be mended
	Fail Status = "fail"
	Skip Status = "skip" // it could not be looked at, or there is no need
)

// worst orders them; what was skipped counts as good.
func (s Status) rank() int { return slices.Index([]Status{Skip, OK, Warn, Fail}, s) }

// Check is one thing that was looked at.
type Check struct {
	ID      string `json:"id"`
	Subject string `json:"subject"`
	Status  Status `json:"status"`
	Seen    string `json:"seen"`
	Cause   Cause  `json:"cause,omitempty"`
	Fix     string `json:"fix,omitempty"` // a command, a record, a setting or the line of a proxy
}

// Report is all of it.
type Report struct {
	Target   string  `json:"target"`
	Version  string  `json:"version"` // of the server; empty: it did not say
	Verdict  Status  `json:"verdict"` // ok, warn or fail
	Sentence string  `json:"sentence"`
	Checks   []Check `json:"checks"`
}

// order is that in which checks are printed.
func order() []string {
	return []string{
		"server", "dns", "address", "tcp", "tls", "page", "client", "clock", "websocket", "match", "signaling",
		"credentials", "probe", "port", "stun-udp", "turn-udp", "turn-tcp", "turn-tls", "relay", "relay-ports", "private-peers",
		"urls", "descriptors", "ports", "buffers", "data-plane",
	}
}

// sheet is a report while it is written; many may write.
type sheet struct {
	mu     sync.Mutex // guards checks
	checks []Check
}

func (s *sheet) add(list ...Check) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range list {
		c.Subject, c.Seen, c.Fix = printable(c.Subject), printable(c.Seen), printable(c.Fix)
		s.checks = append(s.checks, c)
	}
}

// explain takes what follows from a cause, if that is one of those that were found:
// it goes when the cause goes, and nobody shall look for another one.
func (s *sheet) explain(cause Cause, consequences ...Cause) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.ContainsFunc(s.checks, func(c Check) bool { return c.Cause == cause && c.Status == Fail }) {
		return
	}
	for i := range s.checks {
		c := &s.checks[i]
		if c.Status == Fail && slices.Contains(consequences, c.Cause) {
			c.Status, c.Cause, c.Fix = Skip, "", ""
			c.Seen += " (no wonder: " + cause.Sentence() + ")"
		}
	}
}

// report puts the checks in order and comes to a verdict.
func (s *sheet) report(target, version string) *Report {
	s.mu.Lock()
	defer s.mu.Unlock()
	places := order()
	slices.SortStableFunc(s.checks, func(a, b Check) int {
		return slices.Index(places, a.ID) - slices.Index(places, b.ID)
	})
	r := &Report{Target: target, Version: printable(version), Verdict: OK, Checks: slices.Clone(s.checks)}
	for _, c := range r.Checks {
		if c.Status.rank() > r.Verdict.rank() {
			r.Verdict = c.Status
		}
	}
	r.Sentence = r.sentence()
	return r
}

// sentence says what to do first.
func (r *Report) sentence() string {
	if r.Verdict == OK {
		return "from here everything works: two visitors meet, and are relayed when they need it"
	}
	first, more := Check{}, map[Cause]bool{}
	for _, c := range r.Checks {
		if c.Status != r.Verdict {
			continue
		}
		more[c.Cause] = true
		if first.Status == "" || c.Cause.rank() < first.Cause.rank() {
			first = c
		}
	}
	text := first.Cause.Sentence()
	if text == "" {
		text = first.ID + ": " + first.Seen
	}
	if first.Fix != "" {
		text += ". What mends it: " + first.Fix
	}
	switch n := len(more) - 1; n {
	case 0:
	case 1:
		text += " (and one more thing, above)"
	default:
		text += " (and " + strconv.Itoa(n) + " more things, above)"
	}
	return text
}

// WriteText writes the report for people: a line for each check, and what mends it
// below.
func (r *Report) WriteText(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s", r.Target)
	if r.Version != "" {
		fmt.Fprintf(&b, " (wasmp2pchat %s)", r.Version)
	}
	b.WriteString("\n")
	ids, subjects := 0, 0
	for _, c := range r.Checks {
		ids, subjects = max(ids, len(c.ID)), max(subjects, min(utf8.RuneCountInString(c.Subject), maxColumn))
	}
	for _, c := range r.Checks {
		fmt.Fprintf(&b, "%-4s  %-*s  %-*s  %s\n", c.Status, ids, c.ID, subjects, c.Subject, c.Seen)
		if c.Fix != "" && (c.Status == Fail || c.Status == Warn) {
			fmt.Fprintf(&b, "      fix: %s\n", c.Fix)
		}
	}
	fmt.Fprintf(&b, "%s: %s\n", r.Verdict, r.Sentence)
	_, err := io.WriteString(w, b.String())
	return err
}

const (
	maxColumn = 60  // characters of a subject before it pushes the rest away
	maxText   = 400 // characters of what may come from a server
)

// printable is what a server may have chosen, as a terminal may see it: no control
// characters, and not long.
func printable(text string) string {
	text = strings.ToValidUTF8(text, "?")
	text = strings.Map(func(r rune) rune {
		if !strconv.IsPrint(r) {
			return '?'
		}
		return r
	}, text)
	if runes := []rune(text); len(runes) > maxText {
		return string(runes[:maxText]) + "…"
	}
	return text
}
