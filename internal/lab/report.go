package lab

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
)

// Report is what a run has seen.
type Report struct {
	Results []Result
	Took    time.Duration
}

// Faults counts the pairs that are not as they should be.
func (r *Report) Faults() int {
	n := 0
	for _, result := range r.Results {
		if !result.OK() {
			n++
		}
	}
	return n
}

// head names the columns of a table.
func head() []string {
	return []string{"pair", "theory", "seen", "ICE", "open p50", "lost", "doubled", "good"}
}

// row is a pair in a table. Of messages it has those of A and those of B, of all
// rounds.
func (r Result) row() []string {
	ways, types := r.Seen()
	open := "–"
	if p50 := r.P50(); p50 > 0 {
		open = millis(p50)
	}
	lost, doubled := r.Messages()
	return []string{
		r.Pair.Name(), r.Best.String(), ways, types, open,
		fmt.Sprintf("%d, %d", lost[0], lost[1]), fmt.Sprintf("%d, %d", doubled[0], doubled[1]),
		fmt.Sprintf("%d of %d", r.Good(), len(r.Rounds)),
	}
}

func millis(d time.Duration) string {
	return fmt.Sprintf("%d ms", d.Round(time.Millisecond).Milliseconds())
}

// WriteText writes the matrix for a terminal, and below it what is wrong.
func (r *Report) WriteText(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, strings.Join(head(), "\t"))
	for _, result := range r.Results {
		fmt.Fprintln(table, strings.Join(result.row(), "\t"))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(w)
	for _, result := range r.Results {
		for i, round := range result.Rounds {
			if fault := round.Fault(result.Best); fault != "" {
				fmt.Fprintf(w, "wrong: %s, round %d: %s\n", result.Pair.Name(), i+1, fault)
			}
		}
		if result.RefutesTheory() {
			fmt.Fprintf(w, "wrong: %s: better than theory every time\n", result.Pair.Name())
		}
	}
	_, err := fmt.Fprintf(w, "%d pairs, %d as they should be, %v\n", len(r.Results), len(r.Results)-r.Faults(), r.Took.Round(time.Second))
	return err
}

// WriteJSON writes everything, with the unit in every name.
func (r *Report) WriteJSON(w io.Writer) error {
	pairs := make([]map[string]any, 0, len(r.Results))
	for _, result := range r.Results {
		rounds := make([]map[string]any, 0, len(result.Rounds))
		for _, round := range result.Rounds {
			rounds = append(rounds, map[string]any{
				"way": wayForPrograms(round.Way), "types": round.Types, "open_ms": ms(round.Opened), "took_ms": ms(round.Took),
				"lost": round.Lost, "doubled": round.Doubled, "error": round.Err, "fault": round.Fault(result.Best),
			})
		}
		p := result.Pair
		pairs = append(pairs, map[string]any{
			"pair": p.Name(), "a": p.A, "b": p.B, "one_nat": p.OneNAT, "relay_only": p.RelayOnly, "cloud": p.Cloud,
			"loss_percent": p.Loss, "delay_ms": ms(p.Delay), "jitter_ms": ms(p.Jitter),
			"theory": wayForPrograms(result.Best), "open_p50_ms": ms(result.P50()), "good": result.Good(), "ok": result.OK(), "rounds": rounds,
		})
	}
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false)
	return out.Encode(map[string]any{"pairs": pairs, "faults": r.Faults(), "took_s": r.Took.Seconds()})
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func wayForPrograms(w Way) map[string]any {
	if (w == Way{}) {
		return nil
	}
	return map[string]any{
		"relays": w.Relays, "by": [2]string{w.Legs[0].By, w.Legs[1].By}, "family": [2]int{w.Legs[0].Family, w.Legs[1].Family},
	}
}

// The markers between which a document has the table.
const (
	tableBegin = "<!-- begin of what wasmp2pchat lab wrote -->\n"
	tableEnd   = "<!-- end of what wasmp2pchat lab wrote -->\n"
)

// WriteMarkdown writes the matrix as a table of Markdown.
func (r *Report) WriteMarkdown(w io.Writer) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "| %s |\n|%s\n", strings.Join(head(), " | "), strings.Repeat("---|", len(head())))
	for _, result := range r.Results {
		fmt.Fprintf(&b, "| %s |\n", strings.Join(result.row(), " | "))
	}
	_, err := w.Write(b.Bytes())
	return err
}

// PutInto is a document with the table of this report in place of the one that it
// had.
func (r *Report) PutInto(document string) (string, error) {
	before, rest, begun := strings.Cut(document, tableBegin)
	_, after, ended := strings.Cut(rest, tableEnd)
	if !begun || !ended {
		return "", errors.New("the document has no markers of a table: " + strings.TrimSpace(tableBegin) + " and " + strings.TrimSpace(tableEnd))
	}
	var table strings.Builder
	if err := r.WriteMarkdown(&table); err != nil {
		return "", err
	}
	return before + tableBegin + table.String() + tableEnd + after, nil
}
