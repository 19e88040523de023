package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// printText is for people in front of a terminal: what differs has a second
// line.
func printText(w io.Writer, results []result) {
	columns := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	group := ""
	for _, r := range results {
		if r.Group != group {
			group = r.Group
			fmt.Fprintf(columns, "%s\t\t\n", strings.ToUpper(group))
		}
		did := r.Did
		if r.Verdict == skipped {
			did = "(" + r.Why + ")"
		}
		fmt.Fprintf(columns, "  %s\t%s\t%s\n", r.Verdict, r.Does, did)
		if r.Verdict == differs || r.Verdict == isBetter {
			fmt.Fprintf(columns, "  \t\t  Ayame's own server: %s\n", r.Reference)
		}
		if r.Verdict == isBetter {
			fmt.Fprintf(columns, "  \t\t  better, because %s\n", r.Why)
		}
		if r.Verdict == differs && r.Spec != "" {
			fmt.Fprintf(columns, "  \t\t  specification: %s\n", r.Spec)
		}
	}
	_ = columns.Flush() // a terminal that went away has nobody to be told
	fmt.Fprintln(w, "\n"+summary(results))
}

// printMarkdown is for documents.
func printMarkdown(w io.Writer, results []result) {
	cell := strings.NewReplacer("|", `\|`, "\n", " ").Replace
	fmt.Fprintln(w, "| what is done | the specification | Ayame's own server | this server | verdict |\n| --- | --- | --- | --- | --- |")
	group := ""
	for _, r := range results {
		if r.Group != group {
			group = r.Group
			fmt.Fprintf(w, "| **%s** | | | | |\n", group)
		}
		verdict := string(r.Verdict)
		if r.Why != "" {
			verdict += ": " + r.Why
		}
		fmt.Fprintf(w, "| %s | %s | %s | %s | %s |\n", cell(r.Does), cell(r.Spec), cell(r.Reference), cell(r.Did), cell(verdict))
	}
	fmt.Fprintln(w, "\n"+summary(results))
}

// printJSON is for programs.
func printJSON(w io.Writer, results []result) {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	_ = enc.Encode(results) // the reader has gone
}

// summary counts the verdicts.
func summary(results []result) string {
	counts := map[verdict]int{}
	for _, r := range results {
		counts[r.Verdict]++
	}
	parts := make([]string, 0, len(counts))
	for _, v := range []verdict{asSpec, asReference, isBetter, differs, skipped} {
		parts = append(parts, fmt.Sprintf("%d %s", counts[v], v))
	}
	return fmt.Sprintf("%d rows: %s", len(results), strings.Join(parts, ", "))
}
