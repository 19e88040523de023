package signal

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestTheStatesOfASeat(t *testing.T) {
	t.Parallel()
	for state, after := range map[seatState][4]seatState{
		//     takes loses returns leaves
		empty: {here, empty, empty, empty},
		here:  {here, away, here, left},
		away:  {away, away, here, left},
		left:  {left, left, left, left},
	} {
		for event, want := range after {
			if got := state.after(seatEvent(event)); got != want {
				t.Errorf("state %d after event %d is %d, want %d", state, event, got, want)
			}
		}
	}
}

// TestAlarmsRingInOrder sets, moves and cancels alarms at random.
func TestAlarmsRingInOrder(t *testing.T) {
	t.Parallel()
	start := time.Now()
	random := rand.New(rand.NewPCG(1, 2))
	var a agenda
	alarms := make([]alarm, 500)
	for range 5000 {
		al := &alarms[random.IntN(len(alarms))]
		if random.IntN(3) == 0 {
			a.cancel(al)
		} else {
			a.set(al, start.Add(time.Duration(random.IntN(1000))*time.Second))
		}
	}
	var want []string
	for i := range alarms {
		if alarms[i].place != 0 {
			want = append(want, fmt.Sprint(alarms[i].at.Sub(start)/time.Second+1000, " ", i))
		}
	}
	if a.next(start.Add(-time.Second)) != nil {
		t.Error("an alarm rang before its time")
	}
	var got []string
	last := start
	for al := a.next(start.Add(time.Hour)); al != nil; al = a.next(start.Add(time.Hour)) {
		if al.at.Before(last) || al.place != 0 {
			t.Fatalf("an alarm of %v rang after one of %v", al.at, last)
		}
		last = al.at
		i := slices.IndexFunc(alarms, func(one alarm) bool { return one.at.Equal(al.at) })
		for &alarms[i] != al {
			i++
		}
		got = append(got, fmt.Sprint(al.at.Sub(start)/time.Second+1000, " ", i))
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("%d alarms rang, want the %d that were set", len(got), len(want))
	}
}
