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
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// runTimeout bounds a run, whatever is asked for: a round that would end in the
// reserve does not begin.
const (
	runTimeout = 10 * time.Minute
	runReserve = 10 * time.Second
)

func main() {
	relayIP := flag.String("forward", "", "be a forwarder with relays at this address (for this program itself)")
	bin := flag.String("bin", "bin/wasmp2pchat", "the program to measure")
	rounds := flag.Int("rounds", 3, "of each server, 1 to 20")
	servers := flag.String("servers", strings.Join(allServers(), ","), "which to compare")
	only := flag.String("only", "", "which loads: "+strings.Join(allGroups(), ",")+"; empty: all")
	spread := flag.Bool("spread", false, "let the server use all cores, that of the generator too")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	ctx, cancel := context.WithTimeout(ctx, runTimeout)
	var err error
	if *relayIP != "" {
		err = forward(ctx, *relayIP, os.Stdin, os.Stdout)
	} else {
		err = bench(ctx, os.Stdout, os.Stderr, *bin, *spread, plan{
			rounds: min(max(1, *rounds), 20), servers: list(*servers), groups: list(*only),
		})
	}
	cancel()
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "relaybench:", err)
		os.Exit(1)
	}
}

func allServers() []string {
	return []string{plain, forwarders, coturn, planePion, planeBatch, planeEBPF}
}

func allGroups() []string {
	return []string{groupAudio, groupVideo, groupRelay, groupTCP, groupLadder, groupAllocations, groupMemory}
}

// list takes a list with commas apart.
func list(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ',' })
}

// plan is what to measure.
type plan struct {
	rounds  int
	servers []string
	groups  []string // empty: all
}

func (p plan) wants(group string) bool {
	return len(p.groups) == 0 || slices.Contains(p.groups, group)
}

func (p plan) check() error {
	for _, s := range p.servers {
		if !slices.Contains(allServers(), s) {
			return fmt.Errorf("no server %q: there are %s", s, strings.Join(allServers(), ","))
		}
	}
	for _, g := range p.groups {
		if !slices.Contains(allGroups(), g) {
			return fmt.Errorf("no load %q: there are %s", g, strings.Join(allGroups(), ","))
		}
	}
	return nil
}

// bench plays the rounds and prints what came out.
func bench(ctx context.Context, w, progress io.Writer, bin string, spread bool, p plan) (err error) {
	if err := p.check(); err != nil {
		return err
	}
	r, err := newRig(ctx, bin, spread)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.close(ctx)) }()
	if !r.planes {
		p.servers = slices.DeleteFunc(p.servers, func(s string) bool { return s == planeBatch || s == planeEBPF })
		fmt.Fprintf(w, "%s has no choice of data planes: it is measured as %s\n", bin, planePion)
	}
	fmt.Fprintf(w, "%d rounds; server on %d of %d cores, generator and peer on one; %d flows; %d idle allocations; %s\n\n", p.rounds, r.at.server.Count(), r.at.all, flowCount, r.idle, runtime.Version())
	found := results{}
	err = p.play(ctx, r, found, progress) // what was found before it failed is worth a look
	found.subtractRouting()
	found.print(w, p.servers)
	if missed := found.judge(w); missed > 0 {
		fmt.Fprintf(w, "%d goals MISSED\n", missed)
	}
	return err
}

// play plays the rounds, as many as there is time for.
func (p plan) play(ctx context.Context, r *rig, into results, progress io.Writer) error {
	began := time.Now()
	for round := range p.rounds {
		spent := time.Since(began)
		if round > 0 && spent+spent/time.Duration(round) > runTimeout-runReserve {
			fmt.Fprintf(progress, "%s  no time for more than %d rounds\n", spent.Round(time.Second), round)
			return nil
		}
		for _, name := range p.servers {
			fmt.Fprintf(progress, "%s  round %d of %d: %s\n", time.Since(began).Round(time.Second), round+1, p.rounds, name)
			b := &bout{rig: r, plan: p, name: name, round: round, into: into, progress: progress}
			if err := b.play(ctx); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	return nil
}

// print writes all tables.
func (r results) print(w io.Writer, servers []string) {
	var rungs []string
	for _, l := range loads() {
		if l.rung {
			rungs = append(rungs, l.name)
			continue
		}
		r.table(w, l.name, servers, []column{
			{serverCPU, "%.2f", ""},
			{serverCPU, "%.2f", coturn},
			{serverCPU, "%.2f", forwarders},
			{machineCPU, "%.2f", ""},
			{aboveRouting, "%.2f", ""},
			{lossPercent, "%.2f", ""},
			{medianMicros, "%.0f", ""},
			{p99Micros, "%.0f", ""},
		})
	}
	r.ladder(w, servers, rungs)
	r.table(w, groupMemory, servers, []column{{idleKB, "%.1f", ""}, {collectedKB, "%.1f", ""}})
	r.table(w, groupAllocations, servers, []column{{bornMicros, "%.0f", ""}, {bornMicros, "%.2f", coturn}, {bornRate, "%.0f", ""}})
}
