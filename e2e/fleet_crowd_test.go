//go:build redis && browser

package e2e

import (
	"context"
	"fmt"
	"testing"
	"time"
)

// The crowd.
const (
	crowdSize  = 3000
	crowdEvery = 3 * time.Millisecond
	crowdRelax = 2 * time.Second // MATCH_TAG_WAIT
	crowdOver  = 60 * time.Second
)

// crossedAtLeast: one in so many rooms is between two nodes. With guests who come
// to one node after the other it would be most; where each node has a pool of its
// own it is none.
const crossedAtLeast = 4

// crowdSettings are those of nodes whose visitors all come from one address.
func crowdSettings() []string {
	return []string{"WS_MAX_PER_IP=0", "WS_RATE_PER_IP=0", "MATCH_TAG_WAIT=" + crowdRelax.String(), "MATCH_AVOID=10m", "LOG_LEVEL=info"}
}

// TestFleetCrowd lets a crowd come to the nodes in turn, of whom a tenth leave while
// they wait. Everybody else meets somebody, once, and all that he and his partner
// say in their room arrives; only if their number is odd, one is left over.
func TestFleetCrowd(t *testing.T) {
	for _, plan := range []fleetPlan{
		{nodes: 1, alone: true},
		{nodes: 2},
		{nodes: 3, urls: true},
	} {
		t.Run(plan.String(), func(t *testing.T) {
			if plan.alone && kills() == 1 {
				t.Skip("only for comparison: -kills 2")
			}
			t.Parallel()
			plan.settings = append(crowdSettings(), plan.settings...)
			f := newFleet(t, plan)
			o := newOracle(crowdRelax)
			p := newParty(o, crowdSize, usualMix(), crowdEvery, f.inTurn, f.newGuest)
			began := time.Now()
			ctx, cancel := context.WithTimeout(t.Context(), crowdOver)
			defer cancel()
			left := p.comes(ctx)
			t.Logf("%d guests in %v", len(p.guests), time.Since(began).Round(time.Millisecond))
			v := o.judge()
			f.isWell(v)
			if !plan.alone && v.Crossed < v.Met/2/crossedAtLeast {
				t.Errorf("%d rooms were between two nodes, want %d at least: do they share a pool?", v.Crossed, v.Met/2/crossedAtLeast)
			}
			if len(left) > 1 {
				t.Errorf("%d were left over, want 1 at most: %q", len(left), left)
			}
		})
	}
}

// String is the name of a test.
func (p fleetPlan) String() string {
	name := fmt.Sprintf("%d nodes", p.nodes)
	switch {
	case p.alone:
		return "one node without Redis"
	case p.urls:
		name += " with URLs"
	default:
		name += " behind one URL"
	}
	if p.sentinel {
		name += ", Sentinel"
	}
	return name
}

// inTurn is where guest i goes: to one node after the other.
func (f *fleet) inTurn(i int) (bases []string) {
	for k := range f.nodes {
		bases = append(bases, "http://"+f.nodes[(i+k)%len(f.nodes)].ip)
	}
	return bases
}

// newGuest comes from the crowd's host.
func (f *fleet) newGuest() *guest { return &guest{client: dialFrom(f.crowd.Dial)} }

// isWell wants no promise to be broken.
func (f *fleet) isWell(v *judgment) {
	f.t.Helper()
	f.t.Log(v)
	if v.broken() > 0 {
		f.t.Errorf("%d promises were broken:\n%s", v.broken(), v.why())
	}
}
