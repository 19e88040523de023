package signal

import (
	"container/heap"
	"time"
)

// alarm is something that a room or a seat has to do at a time. Each has one;
// what it means is a matter of the state in which it rings. The zero value is
// not set.
type alarm struct {
	at    time.Time
	place int   // in the agenda, counted from 1; 0: not set
	room  *room // whose it is, or
	seat  *seat
}

// agenda is every alarm that is set: a heap, so that looking at it costs
// nothing while nothing is due, and no connection has a timer of its own.
type agenda struct{ alarms alarmHeap }

// set makes an alarm ring at a time, instead of when it was set to before.
func (a *agenda) set(al *alarm, at time.Time) {
	al.at = at
	if al.place == 0 {
		heap.Push(&a.alarms, al)
	} else {
		heap.Fix(&a.alarms, al.place-1)
	}
}

// cancel makes an alarm not ring.
func (a *agenda) cancel(al *alarm) {
	if al.place != 0 {
		heap.Remove(&a.alarms, al.place-1)
	}
}

// next takes out the earliest alarm that is due, nil if none is.
func (a *agenda) next(now time.Time) *alarm {
	if len(a.alarms) == 0 || a.alarms[0].at.After(now) {
		return nil
	}
	al := a.alarms[0]
	a.cancel(al)
	return al
}

// alarmHeap implements heap.Interface.
type alarmHeap []*alarm

func (h alarmHeap) Len() int           { return len(h) }
func (h alarmHeap) Less(i, j int) bool { return h[i].at.Before(h[j].at) }

func (h alarmHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].place, h[j].place = i+1, j+1
}

// Push is called by heap.Push.
func (h *alarmHeap) Push(x any) {
	al, _ := x.(*alarm)
	*h = append(*h, al)
	al.place = len(*h)
}

// Pop is called by heap.Remove.
func (h *alarmHeap) Pop() any {
	last := len(*h) - 1
	al := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	al.place = 0
	return al
}
