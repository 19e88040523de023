//go:build linux

package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/e2e/bench/process"
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
	memory := flag.Bool("memory", true, "also hold idle connections, which takes most of the time")
	servers := flag.Bool("servers", true, "measure one server, beside the other")
	fleet := flag.Bool("fleet", true, "measure nodes that share a Redis")
	before := flag.String("before", "", "an older program, the memory of which is looked at as well")
	flag.Parse()
	if *kind != "" {
		exit(child(*kind, *secure))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := bench(ctx, os.Stdout, plan{
		rounds: min(max(1, *rounds), 20), bin: *bin, profiles: *profiles, memory: *memory, servers: *servers, fleet: *fleet, before: *before,
	})
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

// plan is what to measure.
type plan struct {
	rounds   int
	bin      string // the program; empty: the same wiring in a child
	profiles string // a folder; empty: none
	memory   bool   // of idle connections too
	servers  bool   // one server, beside the other
	fleet    bool   // nodes that share a Redis
	before   string // an older program; empty: none
}

// bench plays the rounds and prints what came out.
func bench(ctx context.Context, w io.Writer, p plan) error {
	at, err := twoCores()
	if err != nil {
		return err
	}
	if err := process.Pin(&at.client); err != nil {
		return err
	}
	runtime.GOMAXPROCS(1)
	missed := 0
	if p.servers {
		if missed, err = p.beside(ctx, w, at); err != nil {
			return err
		}
	}
	if p.fleet {
		more, err := p.together(ctx, w, at)
		if err != nil {
			return err
		}
		missed += more
	}
	if missed > 0 {
		fmt.Fprintf(w, "%d goals MISSED\n", missed)
	}
	return nil
}

// beside measures one server and the other one in turns. It returns how many goals
// were missed.
func (p plan) beside(ctx context.Context, w io.Writer, at cores) (missed int, err error) {
	if n := descriptors(); p.bin != "" && n < programDescriptors {
		fmt.Fprintf(w, "%s may have %d descriptors here and needs %d: measured is the same wiring without a relay\n", p.bin, n, programDescriptors)
		p.bin = ""
	}
	fmt.Fprintf(w, "ours is %s; %d rounds; server and clients on a core each; %s\n", describe(p.bin), p.rounds, runtime.Version())
	began := time.Now()
	var own, seed samples
	for round := range p.rounds {
		for _, s := range []struct {
			kind string
			bin  string
			into *samples
		}{{oursName, p.bin, &own}, {seedName, "", &seed}} {
			fmt.Fprintf(os.Stderr, "%s  round %d of %d: %s\n", time.Since(began).Round(time.Second), round+1, p.rounds, s.kind)
			if err := p.one(ctx, at, s.kind, s.bin, round == 0, s.into); err != nil {
				return 0, fmt.Errorf("%s: %w", s.kind, err)
			}
		}
	}
	return print(w, &own, &seed), nil
}

// one is a round of one server: fresh processes, first busy, then idle, and if
// wanted with TLS: that takes long, for all the handshakes, and varies little.
func (p plan) one(ctx context.Context, at cores, kind, bin string, withTLS bool, into *samples) error {
	start := func(secure bool) (*server, error) {
		if bin != "" && !secure {
			return startProgram(ctx, at, bin)
		}
		return startChild(ctx, at, kind, secure)
	}
	for _, step := range []struct {
		wanted, secure bool
		run            func(*server) error
	}{
		{true, false, func(s *server) error { return s.busy(ctx, into) }},
		{p.memory, false, func(s *server) error { return s.idle(ctx, into, idleBytes, idleCollected) }},
		{p.memory && withTLS, true, func(s *server) error { return s.idle(ctx, into, idleTLS, idleTLSCollected) }},
	} {
		if !step.wanted {
			continue
		}
		s, err := start(step.secure)
		if err != nil {
			return err
		}
		if p.profiles != "" {
			s.profiles = filepath.Join(p.profiles, kind)
		}
		err = step.run(s)
		s.stop()
		if err != nil {
			return err
		}
	}
	return nil
}
