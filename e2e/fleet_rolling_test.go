//go:build redis && browser

package e2e

import (
	"syscall"
	"testing"
	"time"
)

const (
	// drainsFor is a deadline for relays that chats have to beat by far, for each
	// finds another one in a few seconds.
	drainsFor = "10s"
	// drainsWithin is how long a node may take to end by itself: that deadline, and
	// what comes before and after.
	drainsWithin = 25 * time.Second
)

// TestFleetRolls restarts one node after the other while a party goes on, as an
// operator does who upgrades. Nobody is sent away for good, nobody is matched in
// vain, and chats go on, the relayed one too when its relay is drained.
func TestFleetRolls(t *testing.T) {
	t.Parallel()
	s := newSiege(t, fleetPlan{nodes: 3, settings: []string{"DRAIN_TIMEOUT=" + drainsFor}})
	s.begins()
	for i, n := range s.nodes {
		began := time.Now()
		n.signal(syscall.SIGTERM)
		for _, chat := range s.chats {
			chat.goesOn("while " + n.id + " drains")
		}
		if err := n.ends(drainsWithin); err != nil {
			t.Fatal(err)
		}
		drained := time.Since(began)
		for _, chat := range s.chats {
			chat.goesOn("without " + n.id)
		}
		n.start()
		n.becomesReady()
		again := s.recovers(i, (i+1)%len(s.nodes), time.Now())
		s.oracle.befalls(began, time.Now())
		t.Logf("%s drained in %v, newcomers meet there %v after it is ready", n.id, drained.Round(10*time.Millisecond), again.Round(10*time.Millisecond))
	}
	s.ends()
}
