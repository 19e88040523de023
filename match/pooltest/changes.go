package pooltest

import (
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/match"
	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// changeChecks hold that those who wait go on by the rules that there are now.
func changeChecks() []Check {
	return []Check{
		{Name: "a shorter TagWait counts for who waits already", cfg: plain, run: tagsRelaxSooner},
		{Name: "a longer TagWait counts for who waits already", cfg: tagWait, run: tagsRelaxLater},
		{Name: "a shorter MaxWait ends who has waited longer", cfg: plain, run: endsSooner},
		{Name: "a longer MaxWait lets go on who waits already", cfg: maxWait, run: endsLater},
		{Name: "Avoid can be switched on and off", cfg: plain, run: avoidAnew},
		{Name: "a crowd is none any more without a limit", cfg: crowds, run: crowdIsFreed},
		{Name: "who waits at one address becomes a crowd", cfg: avoidForLong, run: crowdIsMade},
	}
}

// far is what rules have that do not matter in a check.
const far = time.Hour

func tagsRelaxSooner(w *world) {
	a, b := w.comes("a", tags("a")), w.comes("b", tags("b"))
	w.pass(w.unit)
	waits(a, b)
	w.pool.SetRules(match.Rules{TagWait: w.unit / 2, MaxWait: far})
	a.meetsWithin(2*w.slack, b)
}

func tagsRelaxLater(w *world) {
	a := w.comes("a", tags("a"))
	w.pool.SetRules(match.Rules{TagWait: 2 * w.unit, MaxWait: far})
	w.pass(w.unit + w.slack)
	b := w.comes("b")
	waits(a, b)
	w.pass(w.unit - 2*w.slack)
	waits(a, b)
	a.meetsWithin(3*w.slack, b)
}

func endsSooner(w *world) {
	a := w.comes("a")
	w.pass(w.unit)
	w.pool.SetRules(match.Rules{TagWait: far, MaxWait: w.unit / 2})
	a.ended(2*w.slack, wire.MatchTimeout)
}

func endsLater(w *world) {
	a := w.comes("a")
	w.pool.SetRules(match.Rules{TagWait: far, MaxWait: 4 * w.unit})
	w.pass(4*w.unit - w.slack)
	waits(a)
	a.ended(3*w.slack, wire.MatchTimeout)
}

func avoidAnew(w *world) {
	waited := w.comes("waited", tags("x")) // since before there was something to avoid
	w.pool.SetRules(match.Rules{TagWait: far, MaxWait: far, Avoid: far})
	w.comes("partner", tags("x")).meets(waited)
	a, b := w.comes("waited", tags("x")), w.comes("partner", tags("x"))
	w.pass(w.unit)
	waits(a, b)
	w.pool.SetRules(match.Rules{TagWait: far, MaxWait: far})
	a.meetsWithin(2*w.slack, b)
}

func crowdIsFreed(w *world) {
	sockets := w.crowd(crowdLimit+2, oneAddress)
	w.pass(w.unit)
	if n := matched(sockets); n != 0 {
		w.t.Fatalf("%d of a crowd have met each other", n)
	}
	w.pool.SetRules(match.Rules{TagWait: far, MaxWait: far})
	w.pass(2 * w.slack)
	if n := matched(sockets); n != len(sockets) {
		w.t.Errorf("%d of %d have met, without a limit all of them ought to", n, len(sockets))
	}
}

func crowdIsMade(w *world) {
	one := w.comes("one", tags("x"), from("198.51.100.7"))
	list := []*client{one}
	for _, tag := range []string{"a", "b", "c", "d"} { // they share nothing, and so they wait
		list = append(list, w.comes(tag, tags(tag), from("198.51.100.7")))
	}
	w.pool.SetRules(match.Rules{TagWait: w.unit, MaxWait: far, Crowd: crowdLimit})
	w.pass(w.unit + 2*w.slack)
	waits(list...)
	one.meetsWithin(2*w.slack, w.comes("honest", tags("x")))
}
