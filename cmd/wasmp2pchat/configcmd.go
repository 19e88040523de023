package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
)

// configCommand prints every setting, its value and where that came from.
func configCommand(w world) error {
	fs := flags(w, "config", "[--format=table|env|json] [--env-file=FILE]")
	environ := withEnvFileFlag(fs, w.environ)
	format := fs.String("format", "table", "table, env or json")
	if err := fs.Parse(w.args); err != nil {
		return err
	}
	_, list, err := loadConfig(environ())
	if err != nil {
		return err
	}
	switch *format {
	case "table":
		return writeTable(w.stdout, list)
	case "env":
		return writeEnv(w.stdout, list, func(s setting) bool { return s.source != "default" })
	case "json":
		return writeJSON(w.stdout, list)
	default:
		return &hinted{err: errors.New("unknown format " + *format), hint: "table, env or json"}
	}
}

func writeTable(w io.Writer, list []setting) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "NAME\tVALUE\tSOURCE\tDEFAULT\tMEANING")
	for _, s := range list {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", s.name, orDash(s.text()), s.from(), orDash(s.fallback), s.help)
	}
	return table.Flush()
}

// writeEnv writes a file for systemd, Docker or a shell: what is set as a line
// that counts, the rest as a comment with its default.
func writeEnv(w io.Writer, list []setting, isSet func(setting) bool) error {
	for _, s := range list {
		mark := "#"
		if isSet(s) {
			mark = ""
		}
		if _, err := fmt.Fprintf(w, "# %s\n%s%s=%s\n\n", s.help, mark, s.name, quote(s.text())); err != nil {
			return err
		}
	}
	return nil
}

func writeJSON(w io.Writer, list []setting) error {
	type row struct {
		Name    string `json:"name"`
		Value   string `json:"value"`
		Source  string `json:"source"`
		Default string `json:"default"`
		Live    bool   `json:"live"` // SIGHUP changes it while the server serves
		Meaning string `json:"meaning"`
	}
	rows := make([]row, len(list))
	for i, s := range list {
		rows[i] = row{s.name, s.text(), s.from(), s.fallback, s.live, s.help}
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(rows)
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// from is where a value came from, and what it won over.
func (s setting) from() string {
	if s.over != "" {
		return s.source + ", over " + s.over
	}
	return s.source
}
