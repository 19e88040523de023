package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/lab"
)

const labSynopsis = `[flags]

Builds networks with real NATs on this machine, in namespaces that touch nothing of its
own, starts this program as the server in each, and lets two people meet there: for each
pair of networks it prints how they were connected, beside the best way that theory
allows. Linux, root, ip and nft are needed. It exits 1 if a pair did not connect, lost a
message, or took a worse way than there is. docs/lab.md explains the words.
`

// labParallel is how many pairs are under way at a time, if nobody says otherwise: most
// of the time each waits for ICE. Two browsers need a core of their own.
const (
	labParallel        = 4
	labParallelBrowser = 1
)

// labOptions are what the lab was asked for.
type labOptions struct {
	cfg      lab.Config
	clean    bool
	list     bool
	json     bool
	markdown string // file of the document that gets the table
	possible func(browser bool) error
}

// labCommand runs the laboratory, or is somebody in it.
func labCommand(ctx context.Context, w world) error {
	if len(w.args) == 2 && w.args[0] == "visit" { // as the lab starts it
		return lab.Visit(ctx, w.args[1], w.stdin, w.stdout)
	}
	o, err := labFlags(w)
	if err != nil {
		return err
	}
	if o.list {
		for _, pair := range o.cfg.Pairs {
			fmt.Fprintf(w.stdout, "%-28s %v\n", pair.Name(), lab.Best(pair))
		}
		return nil
	}
	if err := o.possible(o.cfg.Browser); err != nil {
		return err
	}
	if o.clean {
		removed, err := lab.Clean(ctx)
		fmt.Fprintf(w.stdout, "%d namespaces and folders of runs that were killed are removed\n", removed)
		return err
	}
	began := time.Now()
	o.cfg.Program = fmt.Sprintf("/proc/%d/exe", os.Getpid()) // this very program, whatever has become of its file
	o.cfg.OnResult = labProgress(w, began)
	report := &lab.Report{}
	if report.Results, err = lab.Run(ctx, o.cfg); err != nil {
		return err
	}
	report.Took = time.Since(began)
	return o.tell(w, report)
}

// labFlags reads what was asked for.
func labFlags(w world) (o labOptions, err error) {
	o.possible = lab.Available
	fs := flags(w, "lab", labSynopsis)
	only := fs.String("only", "", "`patterns` of names of pairs, with commas between: prcone-symmetric, 'symmetric-*', '*/loss5'")
	fs.IntVar(&o.cfg.Rounds, "rounds", lab.DefaultRounds, fmt.Sprintf("chats of each pair, at most %d", lab.MaxRounds))
	fs.IntVar(&o.cfg.Messages, "messages", lab.DefaultMessages, fmt.Sprintf("each way in each chat, at most %d", lab.MaxMessages))
	fs.IntVar(&o.cfg.Parallel, "parallel", 0, fmt.Sprintf("pairs at a time, at most %d (default %d, with --browser %d)", lab.MaxParallel, labParallel, labParallelBrowser))
	fs.BoolVar(&o.cfg.Browser, "browser", false, "two Chromium in place of this program's own peers")
	fs.BoolVar(&o.list, "list", false, "print the names of the pairs and what theory says, and run nothing")
	fs.BoolVar(&o.clean, "clean", false, "remove what a killed run has left, and run nothing; a run begins with that, too")
	fs.BoolVar(&o.json, "json", false, "print JSON")
	fs.StringVar(&o.markdown, "markdown", "", "`file` whose table between the markers is replaced, as docs/lab.md; - prints it")
	if err := fs.Parse(w.args); err != nil {
		return o, err
	}
	if fs.NArg() > 0 {
		return o, &hinted{err: fmt.Errorf("lab wants no %q", fs.Arg(0)), hint: "wasmp2pchat lab --only 'prcone-*'"}
	}
	var patterns []string
	if *only != "" {
		patterns = strings.Split(*only, ",")
	}
	if o.cfg.Pairs, err = lab.Select(lab.Matrix(), patterns); err != nil {
		return o, &hinted{err: err, hint: "wasmp2pchat lab --list names all"}
	}
	if o.cfg.Parallel == 0 {
		o.cfg.Parallel = labParallel
		if o.cfg.Browser {
			o.cfg.Parallel = labParallelBrowser
		}
	}
	return o, nil
}

// labProgress tells how far the lab is: one line on a terminal, one for each pair
// elsewhere.
func labProgress(w world, began time.Time) func(lab.Result, int, int) {
	terminal := isTerminal(w.stderr)
	return func(r lab.Result, done, of int) {
		ways, _ := r.Seen()
		line := fmt.Sprintf("%s  %d of %d  %s: %s, %d of %d good", time.Since(began).Round(time.Second), done, of, r.Pair.Name(), ways, r.Good(), len(r.Rounds))
		switch {
		case !terminal:
			fmt.Fprintln(w.stderr, line)
		case done == of:
			fmt.Fprint(w.stderr, "\r\x1b[K")
		default:
			fmt.Fprintf(w.stderr, "\r\x1b[K%s", line)
		}
	}
}

// tell prints the report as it was asked for. Pairs that are not as they should be
// are an error.
func (o *labOptions) tell(w world, report *lab.Report) error {
	var err error
	switch {
	case o.json:
		err = report.WriteJSON(w.stdout)
	case o.markdown == "-":
		err = report.WriteMarkdown(w.stdout)
	default:
		err = report.WriteText(w.stdout)
	}
	if o.markdown != "" && o.markdown != "-" {
		err = errors.Join(err, replaceTable(o.markdown, report))
	}
	if faults := report.Faults(); err == nil && faults > 0 {
		err = exitWith(1, nil)
	}
	return err
}

// replaceTable puts the table of a report into a document.
func replaceTable(file string, report *lab.Report) error {
	folder, err := os.OpenRoot(filepath.Dir(file))
	if err != nil {
		return err
	}
	defer func() { _ = folder.Close() }() // nothing was written to it itself
	name := filepath.Base(file)
	old, err := folder.ReadFile(name)
	if err != nil {
		return err
	}
	text, err := report.PutInto(string(old))
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return folder.WriteFile(name, []byte(text), 0o600) // it exists, and keeps its mode
}
