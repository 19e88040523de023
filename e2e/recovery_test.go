//go:build browser

package e2e

import (
	"flag"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/natlab"
)

// What the page promises: a chat goes on so soon after the network is back, or
// after the relay has started anew.
const (
	backAgain    = 5 * time.Second
	relayedAgain = 15 * time.Second
)

// awayFor is how long the change of a network takes, and the restart of a
// server.
const awayFor = 2 * time.Second

// babbleEvery is how often both talk: so that in half a minute of silence less
// gathers than a chat keeps for its partner, which is 64 messages.
const babbleEvery = 500 * time.Millisecond

// disaster is what befalls a chat. strike returns when the network is back.
type disaster struct {
	name   string
	nat    natlab.NAT // both have it
	path   string     // before
	within time.Duration
	strike func(*ordeal)
}

// disasters lists all that a chat must survive.
func disasters() []disaster {
	const direct, symmetric = natlab.PortRestrictedCone, natlab.Symmetric
	return []disaster{
		{"another network at once", direct, "direct", backAgain, func(o *ordeal) {
			o.must(o.lab.Move(o.t.Context(), natlab.SideA))
			o.counts()
		}},
		{"another network after a while", direct, "direct", backAgain, func(o *ordeal) {
			o.must(o.lab.Unplug(o.t.Context(), natlab.SideA))
			o.lasts(awayFor)
			o.isCut()
			o.must(o.lab.Move(o.t.Context(), natlab.SideA))
		}},
		{"another network while relayed", symmetric, "relay-udp", backAgain, func(o *ordeal) {
			o.must(o.lab.Unplug(o.t.Context(), natlab.SideB))
			o.lasts(awayFor)
			o.isCut()
			o.must(o.lab.Move(o.t.Context(), natlab.SideB))
		}},
		{"UDP is blocked", direct, "direct", backAgain, func(o *ordeal) {
			o.must(o.lab.SetNAT(o.t.Context(), natlab.SideB, natlab.UDPBlocked))
			o.counts()
		}},
		{"30 s of loss", direct, "direct", backAgain, func(o *ordeal) {
			o.must(o.lab.SetLoss(o.t.Context(), natlab.SideA, 100))
			o.lasts(30 * time.Second)
			o.isCut()
			o.must(o.lab.SetLoss(o.t.Context(), natlab.SideA, 0))
		}},
		{"a new server, and then another network", direct, "direct", backAgain, func(o *ordeal) {
			o.server.stop()
			o.counts()
			o.talksOn() // without a server
			o.serve("STATE_DIR=" + o.state)
			o.must(o.lab.Unplug(o.t.Context(), natlab.SideA))
			o.lasts(awayFor)
			o.isCut()
			o.must(o.lab.Move(o.t.Context(), natlab.SideA))
		}},
		{"two upgrades", direct, "direct", backAgain, (*ordeal).upgrades},
		{"two upgrades while relayed", symmetric, "relay-udp", backAgain, (*ordeal).upgrades},
		{"a new relay", symmetric, "relay-udp", relayedAgain, func(o *ordeal) {
			o.server.stop()
			o.lasts(awayFor)
			o.isCut()
			o.serve("STATE_DIR=" + o.state)
		}},
	}
}

// TestTheChatGoesOn lets two people talk all the time, and takes the network
// away under them. All that was said is shown, once and in order. How long it
// takes is only told, unless -recovery asks for more (make bench-recovery): all at
// once on a busy machine, they take longer than is promised now and then.
func TestTheChatGoesOn(t *testing.T) {
	timed := flag.Lookup("recovery").Value.(flag.Getter).Get().(bool)
	for _, with := range []brand{chromium, firefox} {
		for _, d := range disasters() {
			t.Run(fmt.Sprintf("%s, with %s", d.name, with), func(t *testing.T) {
				if !timed {
					t.Parallel()
				}
				state := t.TempDir()
				w := newTown(t, d.nat, d.nat, "STATE_DIR="+state)
				w.people(chromium, with)
				w.meet()
				w.a.shows(d.path)
				o := &ordeal{world: w, state: state}
				o.begins()
				d.strike(o)
				back := time.Now()
				for _, side := range []*tab{w.a, w.b} {
					o.hearsMore(side)
					took := time.Since(back)
					t.Logf("%s: hears the partner again after %v", side.name, took.Round(time.Millisecond))
					if timed && took > d.within {
						t.Errorf("%s: hears the partner %v after the network is back, want %v at most", side.name, took, d.within)
					}
				}
				o.ends()
			})
		}
	}
}

// ordeal is a world in which both talk all the time.
type ordeal struct {
	*world
	state string       // directory of the server
	heard map[*tab]int // messages of the partner
}

func (o *ordeal) must(err error) {
	o.t.Helper()
	if err != nil {
		o.t.Fatal(err)
	}
}

// begins makes both talk, and waits until they hear each other.
func (o *ordeal) begins() {
	o.t.Helper()
	o.heard = map[*tab]int{o.a: 2, o.b: 2}
	for tab, word := range map[*tab]string{o.a: "Anna", o.b: "Bert"} {
		evaluate[any](tab, fmt.Sprintf("witness.babble(%q, %d)", word, babbleEvery.Milliseconds()))
	}
	o.talksOn()
}

// isCut notes how much each has heard, now that nothing is under way any more.
func (o *ordeal) isCut() {
	o.t.Helper()
	o.heard[o.a] = len(o.said(o.a, peer))
	o.heard[o.b] = len(o.said(o.b, peer))
}

// counts notes how much each has been told, whether it has arrived or is under
// way: beyond that he hears what was said from now on.
func (o *ordeal) counts() {
	o.t.Helper()
	o.heard[o.a] = len(o.said(o.b, me))
	o.heard[o.b] = len(o.said(o.a, me))
}

// hearsMore waits until somebody has heard more than was noted.
func (o *ordeal) hearsMore(tab *tab) {
	o.t.Helper()
	tab.wait(fmt.Sprintf("witness.said(%q).length > %d", peer, o.heard[tab]))
}

// talksOn waits until both have heard more than was noted.
func (o *ordeal) talksOn() {
	o.t.Helper()
	o.hearsMore(o.a)
	o.hearsMore(o.b)
}

// said lists what a page has ever shown of somebody.
func (o *ordeal) said(tab *tab, from string) []string {
	o.t.Helper()
	return evaluate[[]string](tab, fmt.Sprintf("witness.said(%q)", from))
}

// ends silences both and wants everything that was said to be shown, once and
// in order.
func (o *ordeal) ends() {
	o.t.Helper()
	for _, tab := range []*tab{o.a, o.b} {
		evaluate[any](tab, "witness.hush()")
	}
	for speaker, listener := range map[*tab]*tab{o.a: o.b, o.b: o.a} {
		said := o.said(speaker, me)
		for i, text := range said {
			if !strings.HasSuffix(text, fmt.Sprint(" ", i)) {
				o.t.Errorf("%s: own message %d is %q", speaker.name, i, text)
			}
		}
		listener.wait(fmt.Sprintf("witness.said(%q).length >= %d", peer, len(said)))
		if heard := o.said(listener, peer); !slices.Equal(heard, said) {
			o.t.Errorf("%s heard\n%q, but %s said\n%q", listener.name, heard, speaker.name, said)
		}
	}
	for _, tab := range []*tab{o.a, o.b} {
		tab.becomes(chatting)
	}
}
