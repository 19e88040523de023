// Command build makes the page that package wasm embeds: it compiles the
// browser client without what a browser never runs of pion/webrtc, gives every
// file a name that changes with its content, and compresses what is worth it.
//
// It promises the same bytes for the same input, a client within its budget, and
// to touch nothing in the output folder that it could not have written itself.
// When to run it is left to the Makefile.
//
//	go run ./wasm/build -version v1.0    (in the root of the module)
//	go run ./wasm/build -uncut           half a megabyte more, should the cut not fit a new pion/webrtc
//
//	cut.go        what is cut out of the client, and why
//	toolchain.go  what is cut out of the standard library
//	compile.go    the compiler
//	linked.go     what the linker put into the client
//	budget.go     how large the client may be
//	page.go       the other files, and their names
//	pack.go       compression
//	write.go      the output folder
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
	uncut := flags.Bool("uncut", false, "link pion/webrtc as it is, and without a budget")
	if err := flags.Parse(args); err != nil {
		return err
	}
	program, err := makeClient(ctx, *uncut, stderr)
	if err != nil {
		return err
	}
	runtime, err := wasmExec(ctx)
	if err != nil {
		return err
	}
	page, err := assemble(os.DirFS("wasm/page"), program.wasm, runtime, *version)
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
	if !*uncut {
		if err := checkBudget(packed[0], program.weights); err != nil {
			return err
		}
	}
	if err := write(*out, packed); err != nil {
		return err
	}
	return report(stdout, packed)
}

// client is the compiled program of the page.
type client struct {
	wasm    []byte
	weights []weight // of its packages
}

// makeClient compiles the client and looks at what became part of it.
func makeClient(ctx context.Context, uncut bool, stderr io.Writer) (client, error) {
	const folder = "./wasm/app"
	with := plain()
	if !uncut {
		var err error
		if with, err = cut(ctx, cutFolder); err != nil {
			return client{}, err
		}
	}
	module, err := compile(ctx, with, folder, stderr)
	if err != nil {
		return client{}, err
	}
	functions, module, err := takeNames(module)
	if err != nil {
		return client{}, err
	}
	deps, err := golist(ctx, with, "-deps", folder)
	if err != nil {
		return client{}, err
	}
	packages := make([]string, 0, len(deps))
	for _, p := range deps {
		packages = append(packages, p.ImportPath)
	}
	if !uncut {
		if err := checkCut(functions, packages); err != nil {
			return client{}, err
		}
	}
	return client{module, weigh(functions, packages)}, nil
}
