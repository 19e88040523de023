// Command fuzz runs all fuzz targets, one after the other, and keeps what they find
// worth keeping.
//
//	go run ./internal/fuzz -time 30s   each target so long; goes on where it was stopped
//	go run ./internal/fuzz -corpus     afterwards: puts what covers more into testdata/fuzz
//	go run ./internal/fuzz ./match     only those of these packages
//
// It promises that a target that fails does not keep the others from running, that
// one that was interrupted is run again, and that a corpus has no input that covers
// nothing new, none that is long, and not many. What is found lies in the cache of
// Go (go env GOCACHE), and what fails in testdata/fuzz of the package, as with
// go test -fuzz.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"text/tabwriter"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "fuzz:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("fuzz", flag.ContinueOnError)
	each := flags.Duration("time", 30*time.Second, "for each target")
	workers := flags.Int("parallel", 0, "workers; 0: one for each core")
	diary := flags.String("diary", "build/fuzz.tsv", "what was done, so that it goes on there")
	corpus := flags.Bool("corpus", false, "fuzz nothing; put what covers more into testdata/fuzz")
	if err := flags.Parse(args); err != nil {
		return err
	}
	packages := flags.Args()
	if len(packages) == 0 {
		packages = []string{"./..."}
	}
	targets, err := list(ctx, packages)
	if err != nil {
		return err
	}
	if *corpus {
		return keepAll(ctx, targets, out)
	}
	return fuzzAll(ctx, targets, job{each: *each, workers: *workers, diary: *diary}, out)
}

// job is how targets are fuzzed.
type job struct {
	each    time.Duration
	workers int
	diary   string
}

// fuzzAll fuzzes those targets that the diary does not have, prints the table when
// all are done, and begins a new diary.
func fuzzAll(ctx context.Context, targets []target, j job, out io.Writer) error {
	done, err := readDiary(j.diary)
	if err != nil {
		return err
	}
	for i, t := range targets {
		if _, has := done[t.String()]; has {
			continue
		}
		fmt.Fprintf(out, "%d of %d: %v\n", i+1, len(targets), t)
		r, err := t.fuzz(ctx, j, out)
		if ctx.Err() != nil {
			return fmt.Errorf("stopped at %v, with which it goes on the next time", t)
		}
		if err != nil {
			return err
		}
		done[t.String()] = r
		if err := done.write(j.diary); err != nil {
			return err
		}
	}
	if err := os.Remove(j.diary); err != nil {
		return err
	}
	return report(targets, done, out)
}

// report prints the table. A target that has failed is an error.
func report(targets []target, done diary, out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "executions\tnew inputs\tinputs\tfailed\ttarget\t")
	var all result
	var failed []error
	for _, t := range targets {
		r := done[t.String()]
		all.executions, all.fresh, all.inputs = all.executions+r.executions, all.fresh+r.fresh, all.inputs+r.inputs
		mark := ""
		if r.failed {
			mark = "FAIL"
			failed = append(failed, fmt.Errorf("%v fails", t))
		}
		fmt.Fprintf(w, "%d\t%d\t%d\t%s\t%v\t\n", r.executions, r.fresh, r.inputs, mark, t)
	}
	fmt.Fprintf(w, "%d\t%d\t%d\t\tall %d\t\n", all.executions, all.fresh, all.inputs, len(targets))
	return errors.Join(append(failed, w.Flush())...)
}
