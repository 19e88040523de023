package pooltest

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/wasmp2pchat/wasmp2pchat/match"
)

// Story lets rapid invent stories of visitors who come, leave, fall silent,
// cannot be told and come back, and holds the pool to the rules after every
// step. Each story has a fake clock of its own. It is for pools that live in
// the process: a bubble cannot wait for a real socket.
func Story(t *testing.T, newPool Maker) {
	t.Helper()
	rapid.Check(t, func(rt *rapid.T) {
		cfg := match.PoolConfig{
			TagWait: 8 * time.Second,
			MaxWait: rapid.SampledFrom([]time.Duration{15 * time.Second, time.Minute, 2 * time.Minute}).Draw(rt, "MaxWait"),
			Avoid:   rapid.SampledFrom([]time.Duration{0, 25 * time.Second, 10 * time.Minute}).Draw(rt, "Avoid"),
			Crowd:   rapid.SampledFrom([]int{0, 3}).Draw(rt, "Crowd"),
		}
		steps := rapid.SliceOfN(rapid.Custom(drawStep), 50, 400).Draw(rt, "steps")
		fault := ""
		synctest.Test(t, func(t *testing.T) { fault = tell(t, newPool, cfg, steps) })
		if fault != "" { // rapid shrinks outside of the bubble
			rt.Fatal(fault)
		}
	})
}

// act is what happens in a step of a story.
type act string

const (
	comes    act = "comes"     // somebody new asks
	leaves   act = "leaves"    // a connection ends
	vanish   act = "vanishes"  // it has ended, and its reader has not seen that yet
	deafens  act = "goes deaf" // it can be told nothing, which nobody knows yet
	busies   act = "is busy"   // something has come that is not handled yet
	silence  act = "falls silent"
	rests    act = "rests"      // who is busy or silent is here again
	comeBack act = "comes back" // the partner did not come to the room
	passes   act = "time passes"
)

// step is an act and who does it; what does not matter to it is ignored.
type step struct {
	Act   act
	Who   int // one of those it can happen to
	User  int
	Tags  int // a bit for each of six tags
	House int // an address; 0: one of his own
	Cools bool
	First bool
	Warm  bool
	Time  time.Duration
}

func drawStep(rt *rapid.T) step {
	acts := []act{comes, comes, comes, comes, comes, leaves, vanish, deafens, busies, silence, rests, rests, comeBack, passes, passes}
	s := step{Act: rapid.SampledFrom(acts).Draw(rt, "act")}
	switch s.Act {
	case comes:
		s.User = rapid.IntRange(0, 30).Draw(rt, "user")
		s.Tags = rapid.SampledFrom([]int{0, 0, 1, 2, 3, 4, 7, 8, 11, 12, 15, 16, 30, 32, 39, 48, 60}).Draw(rt, "tags")
		s.House = rapid.SampledFrom([]int{0, 0, 0, 1, 1, 2}).Draw(rt, "house")
		s.Cools = rapid.IntRange(0, 9).Draw(rt, "cools") == 9
		s.Warm = rapid.Bool().Draw(rt, "warm")
		s.First = rapid.IntRange(0, 9).Draw(rt, "first") == 9
	case passes:
		s.Time = time.Duration(rapid.SampledFrom([]int{1, 50, 100, 250, 1000, 5000, 9000, 21000}).Draw(rt, "ms")) * time.Millisecond
	default:
		s.Who = rapid.IntRange(0, 1000).Draw(rt, "who")
	}
	return s
}

// tell plays a story, to the end of everybody in it. It returns the first
// fault, or nothing.
func tell(t *testing.T, newPool Maker, cfg match.PoolConfig, steps []step) string {
	w := open(t, newPool, time.Second, cfg)
	defer w.stop()
	j := &judge{world: w, cfg: cfg, pending: map[string]*person{}, used: map[string]bool{}}
	for i, s := range steps {
		if j.play(s); j.fault != "" {
			return fmt.Sprintf("step %d, %+v: %s", i, s, j.fault)
		}
	}
	if len(steps)%2 == 0 { // else the pool closes while people wait
		j.pass(cfg.MaxWait + 2*Slack)
	}
	j.close()
	return j.fault
}

// play makes one step happen, and judges what the pool made of it.
func (j *judge) play(s step) {
	if s.Act == passes {
		j.pass(s.Time)
		return
	}
	if s.Act == comes {
		j.arrives(s)
		j.settle()
		return
	}
	var able []*person
	for _, x := range j.people {
		if x.can(s.Act) {
			able = append(able, x)
		}
	}
	if len(able) == 0 {
		return
	}
	x := able[s.Who%len(able)]
	switch s.Act {
	case leaves:
		j.leaves(x)
	case vanish:
		x.vanished = true
		j.looks(x, match.Busy)
	case deafens:
		x.deafened = true
		x.cannotBeTold()
	case busies:
		j.looks(x, match.Busy)
	case silence:
		j.looks(x, match.Silent)
	case rests:
		j.offers(x, func() { x.rests() })
	case comeBack:
		j.comesBack(x)
	}
	j.settle()
}

// can tells whether an act can happen to x.
func (x *person) can(a act) bool {
	here := x.look == match.Here
	switch a {
	case leaves:
		return x.is == hopes || x.is == hasPartner && !x.left
	case vanish, busies, silence:
		return x.is == hopes && here
	case deafens:
		return x.is == hopes && here && !x.deafened
	case rests:
		return x.is == hopes && !here && !x.vanished
	case comeBack:
		return x.is == hasPartner && !x.left && here && !x.deafened
	}
	return false
}

// pass lets time pass in slices that are short beside what the rules wait for.
func (j *judge) pass(d time.Duration) {
	for d > 0 && j.fault == "" {
		slice := min(d, Slack)
		d -= slice
		j.world.pass(slice)
		j.settle()
	}
}

// close ends the pool: whoever is left has to be told.
func (j *judge) close() {
	j.closed = true
	j.world.stop()
	j.settle()
}
