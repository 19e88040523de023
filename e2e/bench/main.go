//go:build linux

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"time"
)

// The names of the two servers.
const (
	oursName = "ours"
	seedName = "seed-like"
)

func main() {
	kind := flag.String("child", "", "be a server (for this program itself)")
	secure := flag.Bool("tls", false, "with -child: HTTPS")
	rounds := flag.Int("rounds", 3, "of each server, 1 to 20")
	bin := flag.String("bin", "bin/wasmp2pchat", "the program to measure, if this machine lets it have enough descriptors")
	profiles := flag.String("profiles", "", "a folder for CPU profiles of what is measured; the figures are worse then")
	flag.Parse()
	if *kind != "" {
		exit(child(*kind, *secure))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := bench(ctx, os.Stdout, min(max(1, *rounds), 20), *bin, *profiles)
	stop()
	exit(err)
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// programDescriptors is what the program needs to let in 10,000 WebSockets: it
// keeps half of nine tenths for them.
const programDescriptors = idlePeers * 9 / 4

// bench plays the rounds and prints what came out.
func bench(ctx context.Context, w io.Writer, rounds int, bin, profiles string) error {
	at, err := twoCores()
	if err != nil {
		return err
	}
	if err := pinThreads(&at.client); err != nil {
		return err
	}
	runtime.GOMAXPROCS(1)
	if n := descriptors(); bin != "" && n < programDescriptors {
		fmt.Fprintf(w, "%s may have %d descriptors here and needs %d: measured is the same wiring without a relay\n", bin, n, programDescriptors)
		bin = ""
	}
	fmt.Fprintf(w, "ours is %s; %d rounds; server and clients on a core each; %s\n", describe(bin), rounds, runtime.Version())
	began := time.Now()
	var own, seed samples
	for round := range rounds {
		for _, s := range []struct {
			kind string
			bin  string
			into *samples
		}{{oursName, bin, &own}, {seedName, "", &seed}} {
			fmt.Fprintf(os.Stderr, "%s  round %d of %d: %s\n", time.Since(began).Round(time.Second), round+1, rounds, s.kind)
			if err := one(ctx, at, s.kind, s.bin, profiles, round == 0, s.into); err != nil {
				return fmt.Errorf("%s: %w", s.kind, err)
			}
		}
	}
	if missed := print(w, &own, &seed); missed > 0 {
		fmt.Fprintf(w, "%d goals MISSED\n", missed)
	}
	return nil
}

// one is a round of one server: fresh processes, first busy, then idle, and if
// wanted with TLS: that takes long, for all the handshakes, and varies little.
func one(ctx context.Context, at cores, kind, bin, profiles string, withTLS bool, into *samples) error {
	start := func(secure bool) (*server, error) {
		if bin != "" && !secure {
			return startProgram(ctx, at, bin)
		}
		return startChild(ctx, at, kind, secure)
	}
	for _, step := range []struct {
		secure bool
		run    func(*server) error
	}{
		{false, func(s *server) error { return s.busy(ctx, into) }},
		{false, func(s *server) error { return s.idle(ctx, into, idleBytes, idleCollected) }},
		{true, func(s *server) error { return s.idle(ctx, into, idleTLS, idleTLSCollected) }},
	} {
		if step.secure && !withTLS {
			continue
		}
		s, err := start(step.secure)
		if err != nil {
			return err
		}
		if profiles != "" {
			s.profiles = filepath.Join(profiles, kind)
		}
		if err := errors.Join(step.run(s), s.stop()); err != nil {
			return err
		}
	}
	return nil
}
