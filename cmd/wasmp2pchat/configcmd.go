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
	fs := flags(w, "config", "[--format=table|env|json]")
	format := fs.String("format", "table", "table, env or json")
	if err := fs.Parse(w.args); err != nil {
		return err
	}
	_, list, err := loadConfig(w.environ)
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
	fmt.Fprintln(table, "NAME\tVALUE\tSOURCE\tMEANING")
	for _, s := range list {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", s.name, orDash(s.text()), s.source, s.help)
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
		if _, err := fmt.Fprintf(w, "# %s\n%s%s=%s\n\n", s.help, mark, s.name, s.text()); err != nil {
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
		Meaning string `json:"meaning"`
	}
	rows := make([]row, len(list))
	for i, s := range list {
		rows[i] = row{s.name, s.text(), s.source, s.fallback, s.help}
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
