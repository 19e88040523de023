//go:build redis && browser

package e2e

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

// The party of a siege.
const (
	siegeGuests = 60
	siegeRest   = 1500 * time.Millisecond
	siegeMost   = time.Hour
	siegeRelax  = 8 * time.Second // MATCH_TAG_WAIT: friends who wait for one another meet nobody else so soon
	// normalTime is in which two meet and talk who come to different nodes, when all
	// is well: even on a machine that is busy with everything else of the test.
	normalTime = time.Second
)

// siege is a fleet with a party that does not end, and chats that go on, while one
// thing after the other befalls it.
type siege struct {
	*fleet
	oracle *oracle
	chats  []*liveChat
	over   func() // ends the party
	judged chan struct{}
}

// newSiege starts a fleet, and waits until all is well.
func newSiege(t *testing.T, plan fleetPlan) *siege {
	t.Helper()
	plan.settings = append(crowdSettings(), append(plan.settings, "MATCH_TAG_WAIT="+siegeRelax.String(), "LOG_LEVEL=debug")...)
	s := &siege{fleet: newFleet(t, plan), oracle: newOracle(siegeRelax), judged: make(chan struct{})}
	s.recovers(0, len(s.nodes)-1, time.Now())
	return s
}

// begins lets chats begin, and then the party: who waits for a friend is not
// to meet a guest.
func (s *siege) begins() {
	s.t.Helper()
	s.chat("direct", 0, 1)
	s.chat("relayed", 1, 2, "--relay")
	s.chat("relayed", 0, 2, "--relay")
	p := newParty(s.oracle, siegeGuests, usualMix(), siegeRest/siegeGuests, s.inTurn, s.newGuest)
	p.rest = siegeRest
	ctx, cancel := context.WithTimeout(s.t.Context(), siegeMost)
	s.over = cancel
	go func() { // ends with the party
		defer close(s.judged)
		p.comes(ctx)
	}()
	s.t.Cleanup(func() {
		cancel()
		<-s.judged
	})
}

// ends lets the fleet be in peace for as long as anything may take that is still to
// come of what has befallen it, and wants all promises to have been kept.
func (s *siege) ends() {
	s.t.Helper()
	s.lasts(ghostWithin + fitsWithin)
	for _, chat := range s.chats {
		chat.goesOn("in the end")
	}
	v := s.oracle.judge()
	s.over()
	<-s.judged
	s.isWell(v)
}

// probe lets two who want nobody else meet at two nodes, within normal time.
func (s *siege) probe(a, b int) error {
	tag := rand.Text()
	users := [2]string{"one " + tag, "other " + tag}
	o := newOracle(time.Hour)
	ctx, cancel := context.WithTimeout(s.t.Context(), normalTime)
	defer cancel()
	var both sync.WaitGroup
	var met [2]string
	for i, at := range []int{a, b} {
		g := s.newGuest()
		g.o, g.user, g.tags, g.bases = o, users[i], []string{tag}, []string{"http://" + s.nodes[at].ip}
		both.Go(func() { met[i], _ = g.meets(ctx) })
	}
	both.Wait()
	if met != [2]string{users[1], users[0]} {
		return errors.New("they did not meet")
	}
	return nil
}

// recovers waits until newcomers at two nodes meet again, and returns how long after
// a time that is.
func (s *siege) recovers(a, b int, since time.Time) time.Duration {
	s.t.Helper()
	for time.Since(since) < patience {
		if s.probe(a, b) == nil {
			return time.Since(since)
		}
	}
	s.t.Fatalf("newcomers at %s and %s do not meet %v after the fault", s.nodes[a].id, s.nodes[b].id, patience)
	return 0
}

// calamity is what befalls a fleet.
type calamity struct {
	name   string
	plan   fleetPlan
	within time.Duration // newcomers at different nodes meet again
	// strike lets it happen for the k-th time, and returns the time from which
	// recovery counts, between whom it is measured, and what mends what is left.
	strike func(s *siege, k int) (since time.Time, a, b int, mend func())
}

// The times of faults.
const (
	frozenFor = 8 * time.Second // more than a lease, which is 5 s
	cutFor    = 30 * time.Second
	leaseEnds = 8 * time.Second // a lease of 5 s, what notices it each 1.25 s, and a busy machine
)

// calamities lists all that a fleet must survive.
func calamities() []calamity {
	return []calamity{
		{"a node is killed", fleetPlan{nodes: 3}, leaseEnds, func(s *siege, k int) (time.Time, int, int, func()) {
			victim := s.nodes[k%3]
			victim.kill()
			return time.Now(), (k + 1) % 3, (k + 2) % 3, func() {
				victim.start()
				victim.becomesReady()
			}
		}},
		{"a node is frozen beyond its lease", fleetPlan{nodes: 3}, leaseEnds, func(s *siege, k int) (time.Time, int, int, func()) {
			victim := s.nodes[k%3]
			victim.freeze()
			frozen := time.Now()
			s.t.Logf("newcomers at the other nodes meet %v after the freeze", s.recovers((k+1)%3, (k+2)%3, frozen).Round(time.Millisecond))
			s.lasts(frozenFor - time.Since(frozen))
			victim.thaw()
			return time.Now(), k % 3, (k + 1) % 3, nothing
		}},
		{"Redis is killed and comes back empty", fleetPlan{nodes: 3}, leaseEnds, func(s *siege, k int) (time.Time, int, int, func()) {
			s.redis.servers[0].restart()
			return time.Now(), k % 3, (k + 1) % 3, nothing
		}},
		{"Redis cannot be reached", fleetPlan{nodes: 3}, leaseEnds, func(s *siege, k int) (time.Time, int, int, func()) {
			s.redis.servers[0].cut()
			cut := time.Now()
			for i, n := range s.nodes {
				s.t.Logf("newcomers at %s meet %v after the cut", n.id, s.recovers(i, i, cut).Round(time.Millisecond))
			}
			if err := s.probe(0, 1); err == nil {
				s.t.Error("newcomers at different nodes meet without Redis: it was not cut off")
			}
			s.lasts(cutFor - time.Since(cut))
			s.redis.servers[0].mend()
			return time.Now(), k % 3, (k + 1) % 3, nothing
		}},
		{"the primary fails over to the replica", fleetPlan{nodes: 3, sentinel: true}, 15 * time.Second, func(s *siege, k int) (time.Time, int, int, func()) {
			victim := s.redis.primary()
			victim.kill()
			return time.Now(), k % 3, (k + 1) % 3, func() {
				victim.start()
				victim.answers()
				s.redis.isWatched()
			}
		}},
	}
}

// TestFleetSurvives lets one thing after the other befall fleets with a party and
// with chats, and holds them to the promises all the same. Nobody has to restart
// anything but what was killed.
func TestFleetSurvives(t *testing.T) {
	for _, c := range calamities() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newSiege(t, c.plan)
			s.begins()
			var took []string
			var met []string
			for k := range kills() {
				friends := s.friendsWait()
				began := time.Now()
				since, a, b, mend := c.strike(s, k)
				friends.come()
				again := s.recovers(a, b, since)
				took = append(took, again.Round(10*time.Millisecond).String())
				if again > c.within {
					t.Errorf("newcomers at different nodes meet %v after the fault, want %v at most", again, c.within)
				}
				met = append(met, friends.meet(since).Round(10*time.Millisecond).String())
				for _, chat := range s.chats {
					chat.goesOn(fmt.Sprint("after fault ", k+1))
				}
				mend()
				s.oracle.befalls(began, time.Now().Add(settles))
				s.lasts(settles)
				s.stillRuns(c, k)
			}
			s.ends()
			t.Logf("%s, %d times: newcomers at different nodes meet again after %s; who waited has met his friend after %s", c.name, len(took), strings.Join(took, ", "), strings.Join(met, ", "))
		})
	}
}

// kills is how often each fault befalls a fleet.
func kills() int { return flag.Lookup("kills").Value.(flag.Getter).Get().(int) }

// stillRuns wants every node to run and to be ready, and no more starts than there
// were kills.
func (s *siege) stillRuns(c calamity, k int) {
	s.t.Helper()
	for i, n := range s.nodes {
		n.becomesReady()
		kills := 0
		if c.name == "a node is killed" {
			kills = (k + 3 - i) / 3
		}
		if n.starts != 1+kills {
			s.t.Errorf("%s was started %d times, want %d", n.id, n.starts, 1+kills)
		}
	}
}
