package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/signal"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "ayame:", err)
		os.Exit(1)
	}
}

// maxRun bounds a whole run. The slow rows take a minute, beside the others.
const maxRun = 5 * time.Minute

// run tests the server that the flags name.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, maxRun)
	defer cancel()
	flags := flag.NewFlagSet("ayame", flag.ContinueOnError)
	flags.SetOutput(stderr)
	server := flags.String("url", "", "WebSocket `URL` of the server, such as ws://127.0.0.1:8080/signaling")
	limit := flags.Int("limit", referenceLimit, "the largest message that the server takes, in `bytes`")
	slow := flags.Bool("slow", false, "also the rows that wait for time-outs: a minute")
	authn := flags.String("authn-listen", "", "`address` to be the authn webhook at; the server must be told")
	disconnect := flags.String("disconnect-listen", "", "`address` to be the disconnect webhook at; the server must be told")
	asJSON := flags.Bool("json", false, "print the table for programs")
	asMarkdown := flags.Bool("markdown", false, "print it for documents")
	if err := flags.Parse(args); err != nil {
		return err
	}
	u, err := url.Parse(*server)
	if err != nil || (u.Scheme != "ws" && u.Scheme != "wss") {
		return errors.New("-url: want ws://host/path or wss://host/path")
	}
	s := &suite{url: u, limit: *limit, slow: *slow, dial: new(net.Dialer).DialContext, patience: 10 * time.Second}
	for addr, hook := range map[string]**hook{*authn: &s.authn, *disconnect: &s.disconnect} {
		if addr == "" {
			continue
		}
		var lc net.ListenConfig
		listener, err := lc.Listen(ctx, "tcp", addr)
		if err != nil {
			return fmt.Errorf("listen for webhooks: %w", err)
		}
		*hook = newHook()
		defer (*hook).serve(listener)()
	}
	results := s.run(ctx)
	switch {
	case *asJSON:
		printJSON(stdout, results)
	case *asMarkdown:
		printMarkdown(stdout, results)
	default:
		printText(stdout, results)
	}
	return failed(results)
}

// failed is the error for a server that differs, or none.
func failed(results []result) error {
	n := 0
	for _, r := range results {
		if r.Verdict == differs {
			n++
		}
	}
	if n > 0 {
		return fmt.Errorf("%d of %d rows differ", n, len(results))
	}
	return nil
}
