package pooltest

import (
	"github.com/wasmp2pchat/wasmp2pchat/match"
	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// endChecks hold that everybody is told.
func endChecks() []Check {
	return []Check{
		{Name: "nobody waits longer than MaxWait", cfg: maxWait, run: timeout},
		{Name: "who is returned may wait as long again", cfg: maxWait, run: returnedWaitsAnew},
		{Name: "a pool that closes tells everybody", cfg: plain, run: closeTells},
		{Name: "news are honest, and not too many", cfg: plain, run: honestNews},
	}
}

func timeout(w *world) {
	a := w.comes("a")
	w.pass(2*w.unit - w.slack)
	waits(a)
	a.ended(2*w.slack, wire.MatchTimeout)
	if w.pool.Cancel(a.ticket) || w.pool.Waiting() != 0 {
		w.t.Errorf("who was told TIMEOUT is still in the pool: %d wait", w.pool.Waiting())
	}
	w.pool.Offer(a.ticket)
	b := w.comes("b")
	waits(b)
}

func returnedWaitsAnew(w *world) {
	a := w.comes("a")
	w.pass(w.unit)
	b := w.comes("b")
	a.meets(b)
	w.pass(2 * w.unit)
	a.returns()
	w.pass(2*w.unit - w.slack)
	waits(a)
	a.ended(2*w.slack, wire.MatchTimeout)
}

func closeTells(w *world) {
	waiting, busy := w.comes("waits", tags("a")), w.comes("busy", tags("b"))
	silent := w.comes("silent", tags("c"))
	tab := w.comes("waits", tags("d"))
	busy.becomes(match.Busy)
	silent.becomes(match.Silent)
	looks := w.comes("looks", tags("b", "c"))
	waits(waiting, busy, silent, tab, looks)
	w.stop()
	for _, c := range []*client{waiting, busy, silent, tab, looks} {
		c.ended(w.slack, wire.ErrorShuttingDown)
	}
	w.comes("late").ended(w.slack, wire.ErrorShuttingDown)
	if n := w.pool.Waiting(); n != 0 {
		w.t.Errorf("Waiting() = %d, want 0", n)
	}
}

func honestNews(w *world) {
	a := w.comes("a", tags("a"))
	a.within(w.slack, "told how many wait", func() bool { return len(a.news) == 1 && a.news[0] == 1 })
	w.pass(match.NewsEvery / 4)
	b := w.comes("b", tags("b"))
	b.within(w.slack, "told how many wait", func() bool { return len(b.news) == 1 && b.news[0] == 2 })
	a.within(match.NewsEvery+w.slack, "told that two wait", func() bool { return a.news[len(a.news)-1] == 2 })
	busy := w.comes("busy", tags("c"))
	busy.becomes(match.Busy)
	looks := w.comes("looks", tags("c")) // finds that busy may be gone, who does not wait then
	w.settles()
	busy.mu.Lock()
	before := len(busy.news)
	busy.mu.Unlock()
	w.pool.Cancel(looks.ticket)
	w.pool.Cancel(b.ticket)
	a.within(match.NewsEvery+w.slack, "told that one waits", func() bool { return a.news[len(a.news)-1] == 1 })
	w.pass(2 * match.NewsEvery)
	busy.within(w.slack, "left without news", func() bool { return len(busy.news) == before })
	a.mu.Lock()
	defer a.mu.Unlock()
	for i := range len(a.newsAt) - 1 {
		if gap := a.newsAt[i+1].Sub(a.newsAt[i]); gap < match.NewsEvery-w.slack/2 {
			w.t.Errorf("news %d came %v after the last, want %v", i+1, gap, match.NewsEvery)
		}
	}
}
