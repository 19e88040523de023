//go:build soak

package e2e

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"
)

// soak is a server that people come to while one thing after the other befalls it.
type soak struct {
	*soakWorld
	guests *oracle // of those who only meet
	people *people
	plan   *schedule
	faults map[string]mishap

	ready   *readyWatch
	canary  *canary
	census  []census
	samples []sample
	passed  time.Duration // how long it took until all of those had who only pass by

	frozen  bool
	under   map[string]func() // heals what befalls the server now, by fault
	befell  map[string]int
	skipped int
	checks  sync.WaitGroup
}

// TestSoak lets people come to the program while everything befalls it that may, by
// a schedule that a seed replays, and holds it to every promise.
func TestSoak(t *testing.T) {
	length, seed := flagged[time.Duration]("soak"), flagged[uint64]("seed")
	if seed == 0 {
		seed = rand.Uint64N(1 << 32)
	}
	plan := newSchedule(seed, length, chosenFaults(t))
	t.Logf("replay with make soak SOAK=%v SEED=%d", length, seed)
	s := newSoak(t, plan)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the schedule of this soak:\n%v", plan)
		}
	})
	s.runs()
	s.ends()
	s.reports()
}

// chosenFaults are all, or those that a flag has chosen: to find out which one it was.
func chosenFaults(t *testing.T) []mishap {
	t.Helper()
	chosen, err := regexp.Compile(flagged[string]("faults"))
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(soakFaults(), func(f mishap) bool { return !chosen.MatchString(f.name) })
}

// flagged is the value of a flag.
func flagged[T any](name string) T {
	value, _ := flag.Lookup(name).Value.(flag.Getter).Get().(T)
	return value
}

// newSoak starts the server and those who watch it.
func newSoak(t *testing.T, plan *schedule) *soak {
	t.Helper()
	guests := newOracle(time.Hour)
	s := &soak{guests: guests, plan: plan, faults: map[string]mishap{}, under: map[string]func(){}, befell: map[string]int{}}
	for _, f := range soakFaults() {
		s.faults[f.name] = f
	}
	s.soakWorld = newSoakWorld(t, newLedger(guests.born))
	s.people = newPeople(s, plan.seed)
	s.server.start()
	eventually(t, "the server is ready", func() bool {
		status, _ := s.asks("/readyz")
		return status == 200
	})
	s.ready, s.canary = watchReadiness(s), watchMachine(s)
	return s
}

// newGuest comes from the crowd's host.
func (s *soak) newGuest(user string) *guest {
	return &guest{o: s.guests, user: user, bases: []string{soakSite}, client: dialFrom(s.crowd.Dial)}
}

// runs lets everything happen in its time.
func (s *soak) runs() {
	ctx := s.t.Context()
	began := time.Now()
	stop := s.lets(ctx)
	second := time.NewTicker(sampleEvery)
	defer second.Stop()
	for _, a := range s.plan.actions() {
		due := time.NewTimer(time.Until(began.Add(a.at)))
		for waiting := true; waiting; {
			select {
			case <-due.C:
				waiting = false
			case <-second.C:
				s.takesSample()
			}
		}
		switch a.what {
		case begins:
			s.begins(a.window)
		case heals:
			s.heals(a.window)
		case fills:
			stop()
			s.fills()
			stop = s.lets(ctx)
		case counts:
			since := time.Now()
			stop()
			s.takesCensus()
			began = began.Add(max(0, time.Since(since)-censusLong)) // all that follows waits
			stop = s.lets(ctx)
		case ends:
			stop()
		}
	}
	s.checks.Wait()
}

// lets people come until stop is called, which waits until they have gone.
func (s *soak) lets(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	over := make(chan struct{})
	go func() { // waited for by stop
		defer close(over)
		s.people.come(ctx)
	}()
	return func() {
		cancel()
		<-over
	}
}

// begins lets a fault befall the server.
func (s *soak) begins(w window) {
	f := s.faults[w.fault]
	began := time.Now()
	heal, err := f.begin(s, w)
	switch {
	case errors.Is(err, errSkipped):
		s.skipped++
		return
	case err != nil:
		s.ledger.finds("the laboratory works", "%v: %v", w, err)
		if heal == nil {
			return
		}
	}
	s.befell[f.name]++
	s.frozen = s.frozen || f.name == "the server is stopped"
	s.under[w.fault] = func() {
		heal()
		s.frozen = s.frozen && f.name != "the server is stopped"
		if f.ends {
			s.ready.returns(s.t.Context())
		}
		s.excuses(f.troubles, began, time.Now())
	}
	if f.troubles == nowhere {
		s.under[w.fault] = heal
	}
}

// heals ends it.
func (s *soak) heals(w window) {
	if heal := s.under[w.fault]; heal != nil {
		delete(s.under, w.fault)
		heal()
	}
}

// excuses who could not do better while something befell them.
func (s *soak) excuses(where place, from, to time.Time) {
	s.ledger.befalls(from, to, where)
	if where&(atServer|newcomers) != 0 {
		s.guests.befalls(from, to.Add(settles))
	}
}

// comesBack wants all who talked at a time, and still do, to have their seats again
// soon after the server is ready. It waits elsewhere.
func (s *soak) comesBack(talked time.Duration) {
	s.checks.Go(func() {
		s.ready.returns(s.t.Context())
		last := ""
		for since := time.Now(); time.Since(since) < resumesWithin; {
			seats := s.metric("signal_rebuilt_total")
			want := 2 * s.ledger.live(talked)
			if seats >= float64(want) {
				s.ready.backs(time.Since(since))
				return
			}
			last = fmt.Sprintf("%v seats were taken again of %d, %v after the server was ready", seats, want, time.Since(since))
			if !s.people.rests(s.t.Context(), time.Second/2) {
				return
			}
		}
		s.ledger.finds("clients come back by themselves within 15 s", "%s", last)
	})
}

// drainsIn is how long the server may take to end when nobody is left: it waits for
// relays, and nobody has one.
const drainsIn = 40 * time.Second

// ends stops the server as an operator does.
func (s *soak) ends() {
	s.ready.stops()
	s.server.signal(syscall.SIGTERM)
	if err := s.server.ends(drainsIn); err != nil {
		s.ledger.finds("SIGTERM ends the server", "%v", err)
	} else if s.server.code != 0 {
		s.ledger.finds("SIGTERM ends the server", "it has ended with %d", s.server.code)
	}
	s.canary.stops()
	s.readsLog()
}
