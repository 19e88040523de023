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

// runTimeout bounds a run, whatever is asked for. The last part of it is for what
// comes after the measuring: the rig is removed, and the tables are written.
const (
	runTimeout = 10 * time.Minute
	runReserve = 25 * time.Second
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
	end := time.Now().Add(runTimeout)
	ctx, cancel := context.WithDeadline(ctx, end)
	var err error
	if *relayIP != "" {
		err = forward(ctx, *relayIP, os.Stdin, os.Stdout)
	} else {
		err = bench(ctx, end.Add(-runReserve), os.Stdout, os.Stderr, *bin, *spread, plan{
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

// bench plays the rounds until then at most, and prints what came out.
func bench(ctx context.Context, until time.Time, w, progress io.Writer, bin string, spread bool, p plan) (err error) {
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
	measuring, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	notice, err := p.play(measuring, func(ctx context.Context, round int, name string) error {
		b := &bout{rig: r, plan: p, name: name, round: round, into: found, progress: progress}
		return b.play(ctx)
	}, progress) // what was found before it failed is worth a look
	found.subtractRouting()
	found.print(w, p.servers)
	if missed := found.judge(w); missed > 0 {
		fmt.Fprintf(w, "%d goals MISSED\n", missed)
	}
	fmt.Fprint(w, notice)
	return err
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
