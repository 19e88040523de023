//go:build netns

package natlab_test

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/natlab"
)

// TestMain is also the child of TestNewSweepsTheLabsOfKilledProcesses.
func TestMain(m *testing.M) {
	hold := flag.Bool("hold", false, "make a lab with a process in it, and wait to be killed")
	flag.Parse()
	if *hold {
		holdLab()
		return
	}
	m.Run()
}

// TestNATs proves what each kind promises.
func TestNATs(t *testing.T) {
	lab := newLab(t, natlab.NoNAT, natlab.NoNAT)
	reflectors := reflect(t, lab.Server())
	ports := []string{"53", "80", "443", "3478"}
	for _, port := range ports {
		greet(t, lab.Server(), port)
	}
	for _, c := range []struct {
		nat       natlab.NAT
		mappings  int      // public endpoints of one socket that asks two ports of two addresses
		otherPort bool     // a port that was not asked may answer
		otherAddr bool     // an address that was not asked may answer
		tcp       []string // the ports that TCP passes on
		ping      bool     // an echo request is answered
	}{
		{natlab.NoNAT, 1, true, true, ports, true},
		{natlab.FullCone, 1, true, true, ports, true},
		{natlab.RestrictedCone, 1, true, false, ports, true},
		{natlab.PortRestrictedCone, 1, false, false, ports, true},
		{natlab.Symmetric, 4, false, false, ports, true},
		{natlab.UDPBlocked, 0, false, false, ports, true},
		{natlab.TCP443Only, 0, false, false, []string{"443"}, false},
		{natlab.TCP80Only, 0, false, false, []string{"80"}, false},
	} {
		for _, side := range []natlab.Side{natlab.SideA, natlab.SideB} {
			t.Run(string(c.nat)+" "+side.String(), func(t *testing.T) {
				if err := lab.SetNAT(t.Context(), side, c.nat); err != nil {
					t.Fatal(err)
				}
				client := lab.Client(side)
				seen := map[netip.AddrPort]bool{}
				asker := newAsker(t, client, reflectors)
				for target := range reflectors {
					from, ok := asker.ask(target, target)
					if !ok {
						break
					}
					seen[from] = true
					if from.Addr() != lab.Outside(side) {
						t.Errorf("seen from %v, want address %v", from, lab.Outside(side))
					}
				}
				if len(seen) != c.mappings {
					t.Errorf("mappings of one socket towards four targets: %v, want %d", seen, c.mappings)
				}
				if got := newAsker(t, client, reflectors).hears(1); got != c.otherPort {
					t.Errorf("an answer from another port passes: %t, want %t", got, c.otherPort)
				}
				if got := newAsker(t, client, reflectors).hears(2); got != c.otherAddr {
					t.Errorf("an answer from another address passes: %t, want %t", got, c.otherAddr)
				}
				for _, port := range ports {
					if got, want := isGreeted(t, client, lab.Server(), port), slices.Contains(c.tcp, port); got != want {
						t.Errorf("TCP to port %s passes: %t, want %t", port, got, want)
					}
				}
				if got := isPinged(t, client, lab.Server()); got != c.ping {
					t.Errorf("ping passes: %t, want %t", got, c.ping)
				}
			})
		}
	}
}

// TestEarlyPacketsDoNotChangeTheMapping is the trap of a router that lets
// conntrack confirm what nobody asked for.
func TestEarlyPacketsDoNotChangeTheMapping(t *testing.T) {
	for _, nat := range []natlab.NAT{natlab.PortRestrictedCone, natlab.RestrictedCone} {
		t.Run(string(nat), func(t *testing.T) {
			lab := newLab(t, nat, natlab.NoNAT)
			reflectors := reflect(t, lab.Server())
			asker := newAsker(t, lab.Client(natlab.SideA), reflectors)
			before, ok := asker.ask(0, 0)
			if !ok {
				t.Fatal("no answer")
			}
			if _, err := reflectors[2].WriteTo([]byte("early"), net.UDPAddrFromAddrPort(before)); err != nil {
				t.Fatal(err)
			}
			if after, ok := asker.ask(2, 2); !ok || after != before {
				t.Errorf("after an early packet the mapping is %v, %t, want %v", after, ok, before)
			}
		})
	}
}

// TestHolePunching is what the laboratory is for.
func TestHolePunching(t *testing.T) {
	lab := newLab(t, natlab.NoNAT, natlab.NoNAT)
	reflectors := reflect(t, lab.Server())
	for _, c := range []struct {
		a, b natlab.NAT
		want bool
	}{
		{natlab.NoNAT, natlab.NoNAT, true},
		{natlab.FullCone, natlab.Symmetric, true},
		{natlab.RestrictedCone, natlab.RestrictedCone, true},
		{natlab.PortRestrictedCone, natlab.PortRestrictedCone, true},
		{natlab.PortRestrictedCone, natlab.Symmetric, false},
		{natlab.Symmetric, natlab.Symmetric, false},
	} {
		t.Run(string(c.a)+" with "+string(c.b), func(t *testing.T) {
			if err := errors.Join(lab.SetNAT(t.Context(), natlab.SideA, c.a), lab.SetNAT(t.Context(), natlab.SideB, c.b)); err != nil {
				t.Fatal(err)
			}
			a := newAsker(t, lab.Client(natlab.SideA), reflectors)
			b := newAsker(t, lab.Client(natlab.SideB), reflectors)
			toA, okA := a.ask(0, 0)
			toB, okB := b.ask(0, 0)
			if !okA || !okB {
				t.Fatal("no answer from the server")
			}
			a.send("ping", toB) // opens A's NAT, and dies at B's unless that one lets anybody in
			b.send("ping", toA)
			if _, from, ok := a.receive(); ok {
				a.send("pong", from)
			}
			_, _, got := b.receive()
			if got != c.want {
				t.Errorf("a path was found: %t, want %t", got, c.want)
			}
		})
	}
}

// TestFamilies dials both addresses of the server from a client that has one of
// them, or both.
func TestFamilies(t *testing.T) {
	lab := newLab(t, natlab.UDPBlocked, natlab.NoNAT)
	client, addrs := lab.Client(natlab.SideA), lab.Server().Addrs()
	listen := func(addr netip.Addr) string {
		listener, err := lab.Server().Listen(t.Context(), "tcp", netip.AddrPortFrom(addr, 80).String())
		if err != nil {
			t.Fatal(err)
		}
		closeAfter(t, listener)
		return listener.Addr().String()
	}
	server4, server6 := listen(addrs[0]), listen(addrs[2])
	for _, c := range []struct {
		family    natlab.Family
		addrs     string
		outside   string
		four, six bool
	}{
		{natlab.IPv4, "[10.1.0.2]", "51.51.51.101", true, false},
		{natlab.DualStack, "[10.1.0.2 2a0a:5151:1::2]", "51.51.51.101", true, true},
		{natlab.IPv6, "[2a0a:5151:1::2]", "2a0a:5151:1::2", false, true},
		{natlab.IPv4, "[10.1.0.2]", "51.51.51.101", true, false},
		{natlab.IPv6, "[2a0a:5151:1::2]", "2a0a:5151:1::2", false, true},
	} {
		t.Run(c.family.String(), func(t *testing.T) {
			if err := lab.SetFamily(t.Context(), natlab.SideA, c.family); err != nil {
				t.Fatal(err)
			}
			if got := fmt.Sprint(client.Addrs()); got != c.addrs {
				t.Errorf("addresses of the client = %s, want %s", got, c.addrs)
			}
			if got := lab.Outside(natlab.SideA).String(); got != c.outside {
				t.Errorf("Outside() = %s, want %s", got, c.outside)
			}
			if got := reaches(t, client, server4, c.four); got != c.four {
				t.Errorf("IPv4 passes: %t, want %t", got, c.four)
			}
			if got := reaches(t, client, server6, c.six); got != c.six {
				t.Errorf("IPv6 passes: %t, want %t", got, c.six)
			}
		})
	}
	if err := lab.SetNAT(t.Context(), natlab.SideA, natlab.NoNAT); err != nil { // no IPv4 address comes with it
		t.Fatal(err)
	}
	if got := fmt.Sprint(client.Addrs()); got != "[2a0a:5151:1::2]" {
		t.Errorf("addresses of a client with IPv6 alone and no NAT = %s", got)
	}
}

func TestLabsDoNotNoticeOneAnother(t *testing.T) {
	for _, name := range []string{"first", "second"} {
		lab := newLab(t, natlab.FullCone, natlab.Symmetric)
		listener, err := lab.Server().Listen(t.Context(), "tcp", "51.51.51.10:80")
		if err != nil {
			t.Errorf("%s lab: %v", name, err)
			continue
		}
		closeAfter(t, listener)
	}
}

func TestCloseEndsWhatRunsInTheLab(t *testing.T) {
	before := namespaces(t)
	lab := newLab(t, natlab.NoNAT, natlab.NoNAT)
	if got := len(namespaces(t)); got != len(before)+6 {
		t.Errorf("a lab has %d namespaces, want 6", got-len(before))
	}
	if err := lab.HideServer(t.Context(), netip.MustParseAddr("51.51.51.10"), natlab.HairpinLost); err != nil {
		t.Fatal(err)
	}
	if got := len(namespaces(t)); got != len(before)+7 {
		t.Errorf("a lab with a hidden server has %d namespaces, want 7", got-len(before))
	}
	own := fmt.Sprintf("natlab-%d-", os.Getpid())
	if got := countPrefix(entries(t, "/etc/netns"), own); got != 7 {
		t.Errorf("names are known in %d namespaces, want 7", got)
	}
	cmd := lab.Client(natlab.SideB).Command(t.Context(), "sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for range 2 { // a second Close has nothing left to do
		if err := lab.Close(); err != nil {
			t.Errorf("Close() = %v", err)
		}
	}
	select {
	case err := <-ended:
		if err == nil || err.Error() != "signal: killed" {
			t.Errorf("the process in the lab ended with %v, want signal: killed", err)
		}
	case <-time.After(10 * time.Second):
		t.Error("the process in the lab was not ended")
	}
	if after := namespaces(t); !slices.Equal(after, before) {
		t.Errorf("namespaces after Close() = %q, want %q", after, before)
	}
	if got := countPrefix(entries(t, "/etc/netns"), own); got != 0 {
		t.Errorf("Close() left the names of %d namespaces", got)
	}
}

func TestNewLeavesNothingWhenItFails(t *testing.T) {
	needLab(t)
	before := namespaces(t)
	if _, err := natlab.New(t.Context(), natlab.NoNAT, "carrier"); err == nil {
		t.Error("New() of an unknown NAT = nil")
	}
	if after := namespaces(t); !slices.Equal(after, before) {
		t.Errorf("namespaces after New() = %q, want %q", after, before)
	}
}

func TestNewSweepsTheLabsOfKilledProcesses(t *testing.T) {
	needLab(t)
	child := exec.CommandContext(t.Context(), os.Args[0], "-hold")
	stdin, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	closeAfter(t, stdin)
	stdout, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	sleeper, numErr := strconv.Atoi(strings.TrimSpace(line))
	if err := errors.Join(err, numErr, child.Process.Kill()); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait() // reports the kill
	left := fmt.Sprintf("natlab-%d-", child.Process.Pid)
	if got := countPrefix(entries(t, namespaceDir), left); got != 6 {
		t.Fatalf("the killed process left %d namespaces, want 6", got)
	}
	newLab(t, natlab.NoNAT, natlab.NoNAT)
	if got := countPrefix(append(entries(t, namespaceDir), entries(t, "/etc/netns")...), left); got != 0 {
		t.Errorf("New() left %d namespaces of a dead process, or their names", got)
	}
	if _, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/net", sleeper)); err == nil {
		t.Errorf("New() left process %d of a dead lab running", sleeper)
	}
}

func TestDoReportsAFunctionThatDoesNotReturn(t *testing.T) {
	lab := newLab(t, natlab.NoNAT, natlab.NoNAT)
	want := errors.New("as it was returned")
	if err := lab.Server().Do(func() error { return want }); !errors.Is(err, want) {
		t.Errorf("Do() = %v, want %v", err, want)
	}
	for range 50 { // some of these get the main thread, which must stay outside
		if err := lab.Server().Do(func() error { return nil }); err != nil {
			t.Fatal(err)
		}
	}
	outside, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	if root, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/net", os.Getppid())); err != nil || root != outside {
		t.Errorf("the main thread is in %s, want %s, %v", outside, root, err)
	}
}

// holdLab makes a lab, prints the pid of a process in it, and waits.
func holdLab() {
	ctx := context.Background()
	lab, err := natlab.New(ctx, natlab.NoNAT, natlab.NoNAT)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return
	}
	sleeper := lab.Client(natlab.SideA).Command(ctx, "sleep", "1000")
	if err := sleeper.Start(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return
	}
	_, _ = fmt.Fprintln(os.Stdout, sleeper.Process.Pid)
	_, _ = io.Copy(io.Discard, os.Stdin)
}
