package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"text/tabwriter"
)

// ours matches the names that write uses, and with them what it may remove.
const ours = `^((index|check)(\.[a-z]+)?\.html|sw\.js|manifest\.webmanifest|[a-z_]+[0-9]*\.[0-9a-f]{12}\.[a-z]+)(\.br|\.gz)?$`

// write replaces what is in folder by the page. index.html comes last, so a
// page that was cut short is not taken for a whole one.
func write(folder string, page []packedFile) error {
	if err := os.MkdirAll(folder, 0o750); err != nil {
		return fmt.Errorf("make the output folder: %w", err)
	}
	if err := clean(folder); err != nil {
		return err
	}
	for _, f := range page {
		for suffix, body := range map[string][]byte{"": f.body, ".br": f.brotli, ".gz": f.gzip} {
			if body == nil {
				continue
			}
			if err := os.WriteFile(filepath.Join(folder, f.name+suffix), body, 0o644); err != nil {
				return fmt.Errorf("write the page: %w", err)
			}
		}
	}
	return nil
}

// clean removes what an earlier run wrote and nothing else.
func clean(folder string) error {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return fmt.Errorf("clean the output folder: %w", err)
	}
	mine := regexp.MustCompile(ours)
	for _, e := range entries {
		if !e.Type().IsRegular() || !mine.MatchString(e.Name()) {
			continue
		}
		if err := os.Remove(filepath.Join(folder, e.Name())); err != nil {
			return fmt.Errorf("clean the output folder: %w", err)
		}
	}
	return nil
}

// report prints what each file weighs.
func report(w io.Writer, page []packedFile) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintln(table, "raw\tgzip\tbrotli\t  file") // the writer keeps its first error for Flush
	for _, f := range page {
		_, _ = fmt.Fprintf(table, "%d\t%s\t%s\t  %s\n", len(f.body), size(f.gzip), size(f.brotli), f.name)
	}
	return table.Flush()
}

func size(b []byte) string {
	if b == nil {
		return "-"
	}
	return fmt.Sprint(len(b))
}
