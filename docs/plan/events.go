package main

import "container/heap"

// event is something that happens to somebody at a time.
type event struct {
	at   float64 // seconds
	what happening
	who  *person
	turn int // of the person, in which it counts: events of an earlier turn are void
}

type happening uint8

const (
	arrives happening = iota // somebody new; schedules the next one
	opens                    // has waited for tagWait
	givesUp                  // is tired of waiting
	parts                    // a meeting ends: who is one of the two
)

// agenda is what will happen, the next thing first.
type agenda []event

func (a agenda) Len() int           { return len(a) }
func (a agenda) Less(i, j int) bool { return a[i].at < a[j].at }
func (a agenda) Swap(i, j int)      { a[i], a[j] = a[j], a[i] }

// Push and Pop are for package heap.
func (a *agenda) Push(x any) { *a = append(*a, x.(event)) }

func (a *agenda) Pop() any {
	last := len(*a) - 1
	e := (*a)[last]
	*a = (*a)[:last]
	return e
}

func (a *agenda) add(e event) { heap.Push(a, e) }
func (a *agenda) next() event { return heap.Pop(a).(event) }
