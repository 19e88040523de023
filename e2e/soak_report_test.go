//go:build soak

package e2e

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// reports prints the figures, and fails the test if a promise was broken.
func (s *soak) reports() {
	s.t.Helper()
	unready := s.ready.judge()
	s.judgeResources()
	guests, talk := s.guests.judge(), s.ledger.judge()
	late := s.canary.sum()
	var b strings.Builder
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	row := func(what, format string, args ...any) {
		_, _ = fmt.Fprintf(table, "%s\t%s\n", what, fmt.Sprintf(format, args...))
	}
	row("seed, length", "%d, %v", s.plan.seed, s.plan.length)
	for _, f := range soakFaults() {
		row(f.name, "%d times", s.befell[f.name])
	}
	row("faults that were out of place just then", "%d", s.skipped)
	row("chats", "%d, of which %d met; friends met after %v at most", talk.Dialogues, talk.Met, round(talk.Meets))
	row("messages", "%d said, %d heard, %d of them direct", talk.Said, talk.Heard, talk.Direct)
	row("a message took at most", "%v while nothing befell its way, %v of calm after a fault", round(talk.Slowest), round(talk.Recovers))
	row("chats interrupted and restored", "%d, %v at most, faults included", talk.Interruptions, round(talk.Resumed))
	row("all seats taken again after a kill", "%v after the server was ready", rounded(s.ready.took))
	row("guests", "%v", guests)
	row("/readyz", "asked %d times, %d times not ready, %v at most while nothing befell it", s.ready.asked, len(s.ready.unsaid), round(unready))
	row("attempts that failed", "%v", counted(talk.Failures))
	s.rowsOfResources(row)
	row("the machine was late", "%d times, %v in all (excused)", len(s.canary.late), round(late))
	_ = table.Flush() // to memory
	s.t.Logf("\n%s", b.String())
	if guests.broken() > 0 {
		s.t.Errorf("%d promises to guests were broken:\n%s", guests.broken(), guests.why())
	}
	if talk.count() > 0 {
		s.t.Errorf("%d promises were broken:\n%s", talk.count(), talk.why())
	}
	if most := s.plan.length * canaryMost / 1000; late > most {
		s.t.Errorf("the machine was late for %v, want %v at most: nothing was found out, run it where less goes on", late, most)
	}
}

// rowsOfResources prints what the server used.
func (s *soak) rowsOfResources(row func(what, format string, args ...any)) {
	line := func(r resources) string {
		return fmt.Sprintf("%.0f goroutines, %.0f descriptors, heap %.2f MiB, RSS %.2f MiB", r.goroutines, r.descriptors, r.heap/(1<<20), r.rss/(1<<20))
	}
	if s.passed > 0 {
		row("those who only passed by", "%d, in %v", passings*passersEach, round(s.passed))
	}
	for i, c := range s.census {
		row(fmt.Sprintf("census %d at %v", i+1, round(c.at)), "%s; %d chats, start %d", line(c.resources), c.chats, c.start)
	}
	const every = 2 * time.Minute
	for from := time.Duration(0); from < s.plan.length; from += every {
		if r, n := s.medians(from, from+every); n > 0 {
			row(fmt.Sprintf("from %v, median of %d", from, n), "%s", line(r))
		}
	}
}

// judgeResources compares the two censuses, of one process.
func (s *soak) judgeResources() {
	if len(s.census) < 2 {
		return
	}
	first, last := s.census[0], s.census[1]
	if first.start != last.start || first.chats != last.chats {
		s.ledger.finds("the laboratory works", "the censuses are not alike: start %d and %d, %d and %d chats", first.start, last.start, first.chats, last.chats)
	}
	if grown := flat(first.resources, last.resources); len(grown) > 0 {
		s.ledger.finds("what the server uses is flat", "%s", strings.Join(grown, "; "))
		s.t.Logf("goroutines in the first census:\n%s\nand in the last one:\n%s", first.profile, last.profile)
	}
}

func round(d time.Duration) time.Duration { return d.Round(time.Millisecond) }

func rounded(list []time.Duration) (texts []string) {
	for _, d := range list {
		texts = append(texts, round(d).String())
	}
	return texts
}

func counted(counts map[string]int) string {
	var list []string
	for _, what := range slices.Sorted(maps.Keys(counts)) {
		list = append(list, fmt.Sprintf("%s: %d", what, counts[what]))
	}
	return strings.Join(list, "; ")
}
