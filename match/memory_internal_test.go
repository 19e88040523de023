package match

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestTheStates is the drawing in the package comment, line by line: every
// arrow that is not here changes nothing.
func TestTheStates(t *testing.T) {
	t.Parallel()
	type arrow struct {
		from state
		e    event
	}
	arrows := map[arrow]state{
		{arriving, offered}: waiting,
		{arriving, ended}:   gone,
		{arriving, left}:    gone,
		{waiting, doubted}:  arriving,
		{waiting, paired}:   matched,
		{waiting, ended}:    gone,
		{waiting, left}:     gone,
		{matched, returned}: arriving,
		{matched, left}:     gone,
	}
	for s := arriving; s <= gone; s++ {
		for e := offered; e <= left; e++ {
			want, legal := arrows[arrow{s, e}]
			if !legal {
				want = s
			}
			if got, ok := s.after(e); got != want || ok != legal {
				t.Errorf("state %d after event %d = %d, %v; want %d, %v", s, e, got, ok, want, legal)
			}
		}
	}
}

func TestTheWheelKeepsItsTimes(t *testing.T) {
	t.Parallel()
	var w wheel
	dues := []time.Duration{0, 1, tickEvery - 1, tickEvery, 8 * time.Second, wheelSlots * tickEvery, 2*time.Minute + 1, time.Hour}
	tickets := make([]Ticket, len(dues))
	for i, due := range dues {
		w.set(&tickets[i], due)
	}
	left := len(dues)
	for now := time.Duration(1); left > 0 && now < 2*time.Hour; now += tickEvery {
		w.turn(now)
		for t2 := w.take(); t2 != nil; t2 = w.take() {
			if late := now - t2.memory.due; late < 0 || late > tickEvery {
				t.Errorf("what was due at %v came at %v", t2.memory.due, now)
			}
			left--
		}
	}
	if left != 0 {
		t.Errorf("%d never came", left)
	}
	w.set(&tickets[0], 3*time.Hour)
	w.set(&tickets[0], 4*time.Hour) // replaces it
	w.turn(3*time.Hour + time.Minute)
	if w.take() != nil {
		t.Error("what was set to a later time came at the earlier one")
	}
	w.turn(9 * time.Hour) // after a long pause
	if w.take() != &tickets[0] || w.take() != nil {
		t.Error("what was due in a long pause did not come once")
	}
}

func TestAcquaintancesAreBounded(t *testing.T) {
	t.Parallel()
	a := newAcquaintances()
	users := make([]Ticket, 600)
	for i := range users {
		users[i].memory.user = a.hash(fmt.Sprint(i))
	}
	now := time.Duration(0)
	for i := range users {
		for j := range i {
			now++
			a.note(&users[i], &users[j], now, -1)
		}
	}
	if a.length != maxMet || len(a.diary) != maxMet || len(a.last) != maxMet {
		t.Errorf("%d, %d, %d pairs are remembered, want %d", a.length, len(a.diary), len(a.last), maxMet)
	}
	if a.met(&users[1], &users[0], 0) || !a.met(&users[598], &users[599], 0) || !a.met(&users[599], &users[0], 0) {
		t.Error("not the oldest pair was forgotten")
	}
	if a.met(&users[598], &users[599], now+1) {
		t.Error("who met before the time that counts is avoided")
	}
	for range maxMet { // nobody new: two go for each that comes
		now++
		a.note(&users[1], &users[2], now, now)
	}
	if a.length > 1 || len(a.last) != 1 {
		t.Errorf("%d notes and %d pairs are left, want one", a.length, len(a.last))
	}
}

func TestWhatIsTakenBackIsAsBefore(t *testing.T) {
	t.Parallel()
	a := newAcquaintances()
	var x, y Ticket
	x.memory.user, y.memory.user = a.hash("x"), a.hash("y")
	a.takeBack(a.note(&x, &y, 5, 0))
	if a.met(&y, &x, 0) {
		t.Error("they have met, and it was taken back")
	}
	a.note(&x, &y, 10, 0)
	second := a.note(&x, &y, 20, 0)
	third := a.note(&y, &x, 20, 0) // in the same instant
	a.takeBack(second)
	if !a.met(&x, &y, 20) {
		t.Error("the last time they met went with another")
	}
	a.takeBack(third)
	a.takeBack(second)
	if a.met(&x, &y, 11) || !a.met(&x, &y, 10) {
		t.Error("the time before was not put back")
	}
	a.note(&Ticket{}, &y, 30, 25)
	a.note(&Ticket{}, &y, 31, 25)
	if len(a.last) != 1 {
		t.Errorf("%d pairs are left, want the one that counts", len(a.last))
	}
}

// TestNothingIsKept holds that a pool which thousands have passed through, in
// every way, keeps nothing of them (the seed kept 23 kB of each).
func TestNothingIsKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, end := served(t, PoolConfig{MaxWait: 30 * time.Second, Crowd: 3})
		var tickets []*Ticket
		for i := range 3000 {
			ticket := &Ticket{
				Party:   Party{User: fmt.Sprint(i % 1000), Addr: netip.AddrFrom4([4]byte{51, 0, 0, byte(i % 200)})},
				Tags:    []string{fmt.Sprint("a", i%7), fmt.Sprint("b", i%11), fmt.Sprint("c", i%13)}[:i%4],
				Visitor: deaf{}, Since: time.Now(), First: i%5 == 0,
			}
			p.Offer(ticket)
			tickets = append(tickets, ticket)
			if i%10 == 0 {
				p.Cancel(tickets[i/2])
				<-time.After(50 * time.Millisecond)
			}
		}
		<-time.After(31 * time.Second)
		p.mu.Lock()
		q := &p.queues
		kept := map[string]int{
			"waiting": p.waiting, "queues": len(q.byName), "tags": len(q.tags), "tags in use": len(q.tagNames) - 1 - len(q.spareIDs),
			"crowds": len(p.crowds), "users": len(p.users),
		}
		if p.roll.head != nil {
			kept["roll"] = 1
		}
		p.mu.Unlock()
		for what, n := range kept {
			if n != 0 {
				t.Errorf("%d %s are left, want 0", n, what)
			}
		}
		end()
	})
}

// served is a pool whose Serve runs until end.
func served(t *testing.T, cfg PoolConfig) (p *Memory, end func()) {
	t.Helper()
	cfg.RoomName, cfg.RoomID = oneRoom, sameRoom
	p = NewMemory(cfg)
	ctx, cancel := context.WithCancel(t.Context())
	var serving sync.WaitGroup
	serving.Go(func() { _ = p.Serve(ctx) })
	return p, func() { cancel(); serving.Wait() }
}
