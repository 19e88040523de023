//go:build browser

package e2e

import (
	"errors"
	"flag"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/natlab"
)

// What is promised of the time from MATCH to the partner's first message on the
// screen: its share of what it takes where nothing was made ready, and how long
// it is between two symmetric NATs of which one is 40 ms away.
const (
	warmShare = 0.5
	warmAfar  = 600 * time.Millisecond
)

// TestHowSoonTheyTalk measures that, in turns with a page that does not know
// how to make anything ready. make bench-connect runs it: on a machine that is
// busy it says nothing.
func TestHowSoonTheyTalk(t *testing.T) {
	times := flag.Lookup("connects").Value.(flag.Getter).Get().(int)
	if times == 0 {
		t.Skip("measured by hand: make bench-connect, or -connects 10")
	}
	noGoal := func(_, _ time.Duration) error { return nil }
	for _, c := range []struct {
		name  string
		nat   natlab.NAT
		delay time.Duration
		path  string
		check func(warm, cold time.Duration) error
	}{
		{"behind two NATs", natlab.PortRestrictedCone, 0, "direct", noGoal},
		{"relayed", natlab.Symmetric, 0, "relay-udp", noGoal},
		{"in one network", natlab.NoNAT, 0, "direct", func(warm, cold time.Duration) error {
			if share := float64(warm) / float64(cold); share > warmShare {
				return fmt.Errorf("that is %.2f of what it takes cold, want %.2f at most", share, warmShare)
			}
			return nil
		}},
		{"relayed, 40 ms away", natlab.Symmetric, 40 * time.Millisecond, "relay-udp", func(warm, _ time.Duration) error {
			if warm > warmAfar {
				return fmt.Errorf("want %v at most", warmAfar)
			}
			return nil
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, c.nat, c.nat)
			if err := w.lab.SetDelay(t.Context(), natlab.SideA, c.delay); err != nil {
				t.Fatal(err)
			}
			took := map[string][]time.Duration{}
			for range times {
				for _, how := range []string{"", "cold"} {
					took[how] = append(took[how], w.timesFirstWords(how, c.path)...)
				}
			}
			warm, cold := median(took[""]), median(took["cold"])
			t.Logf("from MATCH to the first message, median of %d: %v; cold %v; ratio %.2f", len(took[""]), warm, cold, float64(warm)/float64(cold))
			t.Logf("all: %v; cold %v", took[""], took["cold"])
			if err := c.check(warm, cold); err != nil {
				t.Error(errors.Join(fmt.Errorf("%v from MATCH to the first message", warm), err))
			}
		})
	}
}

// timesFirstWords lets the two meet and greet at once, and tells how long it took
// each from MATCH to the other one's greeting.
func (w *world) timesFirstWords(how, path string) (took []time.Duration) {
	w.t.Helper()
	people := []*tab{w.a, w.b}
	for _, tab := range people {
		tab.visit(w.site + "?" + how)
		evaluate[any](tab, `witness.greets("hello")`)
	}
	w.a.start()
	w.a.becomes(waiting)
	w.lasts(time.Second) // somebody who waits has made all ready
	w.b.start()
	for _, tab := range people {
		tab.wait("witness.times.heard !== undefined")
		milliseconds := evaluate[float64](tab, "witness.times.heard - witness.times.match")
		took = append(took, time.Duration(milliseconds*float64(time.Millisecond)).Round(time.Millisecond))
		tab.shows(path)
		if role := tab.match().Role; (role == "") != (how == "cold") {
			w.t.Fatalf("%s: the role of the MATCH is %q: that is no measure of what it should be", tab.name, role)
		}
	}
	w.a.stop()
	w.b.becomes(left)
	return took
}

func median(list []time.Duration) time.Duration {
	slices.Sort(list)
	return list[len(list)/2]
}
