package pooltest

import (
	"fmt"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/match"
)

// crowdLimit is PoolConfig.Crowd in these checks.
const crowdLimit = 4

// crowdChecks hold that who opens many sockets meets few.
func crowdChecks() []Check {
	return []Check{
		{Name: "a hoarder meets a few, and honest visitors each other", cfg: crowds, run: hoarder},
		{Name: "a crowd takes turns", Slow: true, cfg: crowds, run: turns},
		{Name: "a school behind one address is not stuck", Slow: true, cfg: crowds, run: school},
		{Name: "two of one address meet when it is clear that they are no crowd", cfg: crowds, run: neighbours},
		{Name: "a crowd that has shrunk is none", cfg: crowds, run: shrunk},
		{Name: "one IPv6 subscriber is one address", cfg: crowds, run: subscriber6},
		{Name: "addresses do not count without a limit", cfg: plain, run: noLimit},
	}
}

func crowds(time.Duration) match.PoolConfig { return match.PoolConfig{Crowd: crowdLimit} }

// crowd is n users who come from one address at once.
func (w *world) crowd(n int, addr func(i int) string) []*client {
	list := make([]*client, n)
	for i := range list {
		list[i] = w.comes(fmt.Sprint("of the crowd-", i), from(addr(i)))
	}
	return list
}

func oneAddress(int) string { return "198.51.100.7" }

// matched is how many have a partner.
func matched(list []*client) (n int) {
	for _, c := range list {
		c.mu.Lock()
		n += len(c.met)
		c.mu.Unlock()
	}
	return n
}

func hoarder(w *world) {
	sockets := w.crowd(50, oneAddress)
	w.pass(w.unit)
	if n := matched(sockets); n != 0 {
		w.t.Fatalf("%d sockets of a hoarder have met each other", n)
	}
	var honest []*client
	for i := range 10 {
		honest = append(honest, w.comes(fmt.Sprint("honest-", i)))
	}
	w.pass(w.unit)
	if n := matched(sockets); n > 2 {
		w.t.Errorf("a hoarder met %d of ten honest visitors, want 2 at most", n)
	}
	if n := matched(honest); n < len(honest)-1 {
		w.t.Errorf("%d of ten honest visitors are matched within seconds, want all or all but one", n)
	}
}

func turns(w *world) {
	sockets := w.crowd(3*crowdLimit, oneAddress)
	w.pass(w.slack)
	for i := range 3 {
		w.comes(fmt.Sprint("x-", i))
		w.pass(w.slack)
		if n := matched(sockets); n != i+1 {
			w.t.Fatalf("%d of a crowd are matched in turn %d, want one a turn", n, i)
		}
		late := w.comes("late")
		w.pass(match.CrowdTurn - 4*w.slack)
		waits(late)
		w.pool.Cancel(late.ticket)
		w.pass(3 * w.slack)
	}
}

func school(w *world) {
	pupils := w.crowd(20, oneAddress)
	w.pass(match.CrowdWait - w.slack)
	if n := matched(pupils); n != 0 {
		w.t.Errorf("%d of a crowd met each other before %v", n, match.CrowdWait)
	}
	w.pass(2*w.slack + 2*match.CrowdTurn)
	if n := matched(pupils); n < len(pupils)-2 {
		w.t.Errorf("%d of twenty behind one address are matched after %v, want all but two at least", n, match.CrowdWait)
	}
}

func neighbours(w *world) {
	a, b := w.comes("a", from("198.51.100.7")), w.comes("b", from("198.51.100.7"))
	waits(a, b)
	a.meetsWithin(match.YoungFor+w.slack, b)
	if took := a.met[0].At.Sub(b.ticket.Since); took < match.YoungFor {
		w.t.Errorf("two of one address met after %v, want %v", took, match.YoungFor)
	}
}

func shrunk(w *world) {
	sockets := w.crowd(crowdLimit+2, oneAddress)
	w.pass(w.unit)
	waits(sockets...)
	for _, c := range sockets[:4] {
		w.pool.Cancel(c.ticket)
	}
	sockets[4].meets(sockets[5])
}

func subscriber6(w *world) {
	sockets := w.crowd(crowdLimit+2, func(i int) string { return fmt.Sprintf("2a00:db8:1:2:%x::1", i) })
	w.pass(w.unit)
	waits(sockets...)
	a, b := w.comes("a", from("2a00:db8:1:3::1")), w.comes("b", from("2a00:db8:1:4::1"))
	w.pass(w.slack)
	if n := matched([]*client{a, b}); n == 0 {
		w.t.Error("two other subscribers have met nobody")
	}
}

func noLimit(w *world) {
	for i := range 20 {
		w.comes(fmt.Sprint("a-", i), from("127.0.0.1")).meets(w.comes(fmt.Sprint("b-", i), from("127.0.0.1")))
	}
}
