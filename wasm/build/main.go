// Command build makes the page that package wasm embeds: it compiles the
// browser client, gives every file a name that changes with its content, and
// compresses what is worth it.
//
// It promises the same bytes for the same input, and to touch nothing in the
// output folder that it could not have written itself. When to run it is left
// to the Makefile.
//
//	go run ./wasm/build -version v1.0    (in the root of the module)
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "wasm/build:", err)
		os.Exit(1)
	}
}

// run builds everything in memory and writes at the end, so that a fault
// leaves the last good page where it was.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("build", flag.ContinueOnError)
	flags.SetOutput(stderr)
	out := flags.String("o", "wasm/dist", "`folder` to write to")
	version := flags.String("version", "dev", "version that the page shows")
	if err := flags.Parse(args); err != nil {
		return err
	}
	client, err := compile(ctx, "./wasm/app", stderr)
	if err != nil {
		return err
	}
	runtime, err := wasmExec(ctx)
	if err != nil {
		return err
	}
	page, err := assemble(os.DirFS("wasm/page"), client, runtime, *version)
	if err != nil {
		return err
	}
	packed := make([]packedFile, 0, len(page))
	for _, f := range page {
		p, err := pack(f)
		if err != nil {
			return err
		}
		packed = append(packed, p)
	}
	if err := write(*out, packed); err != nil {
		return err
	}
	return report(stdout, packed)
}
