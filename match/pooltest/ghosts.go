package pooltest

import (
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/match"
	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// ghostChecks hold that nobody meets somebody who is not there. Each of the
// seed's defects that concern a pool has one.
func ghostChecks() []Check {
	return []Check{
		{Name: "who has left is met by nobody", cfg: plain, run: leftIsForgotten},
		{Name: "who may have left is met by nobody until his reader has rested", cfg: plain, run: busyIsSkipped},
		{Name: "who is busy when he comes is offered when he rests", cfg: plain, run: busyNewcomer},
		{Name: "who is silent is asked for a sign of life and met when he answers", cfg: plain, run: silentAnswers},
		{Name: "who is silent for ever is met by nobody and told the end", cfg: maxWait, run: silentForEver},
		{Name: "who looks around is looked at too", cfg: tagWait, run: lookerIsBusy},
		{Name: "who cannot be told costs the newcomer nothing", cfg: plain, run: deafWaiter},
		{Name: "who cannot be told costs those who waited both nothing", cfg: tagWait, run: deafAtATick},
		{Name: "a newcomer who cannot be told is not offered again", cfg: plain, run: deafNewcomer},
	}
}

func leftIsForgotten(w *world) {
	gone, stays := w.comes("gone", tags("a")), w.comes("stays", tags("b"))
	if !w.pool.Cancel(gone.ticket) {
		w.t.Error("Cancel of who waits = false, want true")
	}
	newcomer := w.comes("new", tags("a", "b"))
	newcomer.meets(stays)
	if w.pool.Cancel(stays.ticket) {
		w.t.Error("Cancel of who was matched = true, want false")
	}
	w.pool.Offer(gone.ticket)
	w.pool.Return(gone.ticket)
	w.pool.Offer(gone.ticket)
	waits(gone, w.comes("x", tags("a")))
	if n := w.pool.Waiting(); n != 1 {
		w.t.Errorf("Waiting() = %d, want 1", n)
	}
}

func busyIsSkipped(w *world) {
	busy, next := w.comes("busy", tags("a")), w.comes("next", tags("b"))
	busy.becomes(match.Busy)
	w.comes("first", tags("a", "b")).meets(next)
	waits(busy)
	alone := w.comes("alone", tags("c"))
	busy.rests()
	waits(busy, alone)
	w.comes("second", tags("a", "c")).meets(busy) // it is back at the head
}

func busyNewcomer(w *world) {
	a, busy := w.comes("a"), w.make("busy")
	busy.becomes(match.Busy)
	w.pool.Offer(busy.ticket)
	w.pass(w.slack)
	waits(a, busy)
	if n := w.pool.Waiting(); n != 1 {
		w.t.Errorf("Waiting() = %d, want 1", n)
	}
	busy.rests()
	busy.meets(a)
}

func silentAnswers(w *world) {
	silent, next := w.comes("silent", tags("a")), w.comes("next", tags("b"))
	silent.becomes(match.Silent)
	w.comes("first", tags("a", "b")).meets(next)
	waits(silent)
	silent.within(w.slack, "asked for a sign of life", func() bool { return silent.probes == 1 })
	newcomer := w.comes("second", tags("a"))
	w.pass(w.unit)
	waits(silent, newcomer)
	silent.rests()
	silent.meets(newcomer)
}

func maxWait(unit time.Duration) match.PoolConfig { return match.PoolConfig{MaxWait: 2 * unit} }

func silentForEver(w *world) {
	silent := w.comes("silent")
	silent.becomes(match.Silent)
	w.pass(w.unit)
	newcomer := w.comes("new")
	w.pass(w.unit - w.slack)
	waits(silent, newcomer)
	silent.ended(2*w.slack, wire.MatchTimeout)
	waits(newcomer)
}

func lookerIsBusy(w *world) {
	a, b := w.comes("a", tags("a")), w.comes("b", tags("b"))
	a.becomes(match.Busy)
	b.becomes(match.Busy)
	w.pass(w.unit + w.slack)
	waits(a, b)
	b.rests()
	waits(a, b)
	a.rests()
	a.meets(b)
}

func deafWaiter(w *world) {
	deaf, before := w.comes("deaf", tags("a")), w.comes("before", tags("b"))
	deaf.cannotBeTold()
	newcomer := w.comes("new", tags("a"))
	deaf.askedOnce()
	w.settles()
	waits(newcomer, before)
	w.comes("x", tags("a", "b")).meets(newcomer) // it is at the head
	if n := w.pool.Waiting(); n != 1 {
		w.t.Errorf("Waiting() = %d, want 1", n)
	}
	w.comes("y", tags("b")).meets(before)
}

func deafAtATick(w *world) {
	deaf := w.comes("deaf", tags("a"))
	deaf.cannotBeTold()
	b := w.comes("b", tags("b"))
	w.pass(w.unit + w.slack)
	deaf.askedOnce()
	waits(b)
	w.comes("c", tags("b")).meets(b)
}

func deafNewcomer(w *world) {
	a, deaf := w.comes("a"), w.make("deaf")
	deaf.cannotBeTold()
	w.pool.Offer(deaf.ticket)
	a.within(w.slack, "told", func() bool { return len(a.met) == 1 })
	w.pool.Offer(deaf.ticket)
	deaf.askedOnce()
	if n := w.pool.Waiting(); n != 0 {
		w.t.Errorf("Waiting() = %d, want 0", n)
	}
	w.pool.Cancel(deaf.ticket)
	a.returns()
	a.meets(w.comes("b"))
}
