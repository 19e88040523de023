package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
)

// document is one that -write changes, seen from the root of the repository, and its
// tables.
type document struct {
	name   string
	tables []table
}

func documents(seed uint64) []document {
	return []document{
		{"docs/scaling.md", tables(seed)},
		{"docs/capacity.md", capacity(measured(), assumed())},
	}
}

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "plan:", err)
		os.Exit(1)
	}
}

func run(args []string, out io.Writer) error {
	flags := flag.NewFlagSet("plan", flag.ContinueOnError)
	seed := flags.Uint64("seed", 1, "of the simulation: the same one, the same tables")
	write := flags.Bool("write", false, "put the tables into the documents")
	if err := flags.Parse(args); err != nil {
		return err
	}
	for _, d := range documents(*seed) {
		if err := d.show(*write, out); err != nil {
			return err
		}
	}
	return nil
}

// show prints the tables of a document, or puts them there.
func (d document) show(write bool, out io.Writer) error {
	if !write {
		for _, t := range d.tables {
			if _, err := fmt.Fprintf(out, "%s\n\n%s\n", t.name, t); err != nil {
				return err
			}
		}
		return nil
	}
	text, err := os.ReadFile(d.name)
	if err != nil {
		return fmt.Errorf("in the root of the repository: %w", err)
	}
	filled, err := fill(string(text), d.tables)
	if err != nil {
		return fmt.Errorf("%s: %w", d.name, err)
	}
	return os.WriteFile(d.name, []byte(filled), 0o600) //nolint:gosec // its name is a constant
}

// fill puts each table between the two comments of its name.
func fill(text string, list []table) (string, error) {
	for _, t := range list {
		from, to := "<!-- plan: "+t.name+" -->\n", "<!-- /plan -->\n"
		head, rest, found := strings.Cut(text, from)
		_, tail, ends := strings.Cut(rest, to)
		if !found || !ends {
			return "", fmt.Errorf("the document has no place for the table %q", t.name)
		}
		text = head + from + "\n" + t.String() + "\n" + to + tail
	}
	return text, nil
}
