package pooltest

import (
	"net/netip"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/match"
)

// ruleChecks hold who may meet whom, and when.
func ruleChecks() []Check {
	return []Check{
		{Name: "tags are a wish only until TagWait", cfg: tagWait, run: tagsRelax},
		{Name: "who has no tags meets who has waited for his", cfg: tagWait, run: openMeetsRelaxed},
		{Name: "nobody meets himself", cfg: plain, run: neverOneself},
		{Name: "every tab of a user has its turn", cfg: plain, run: tabsHaveTheirTurn},
		{Name: "two tabs of one device meet", cfg: plain, run: tabsOfADevice},
		{Name: "the same two do not meet again soon", cfg: avoidForLong, run: avoided},
		{Name: "the same two meet again after Avoid", cfg: avoidForUnits, run: avoidEnds},
		{Name: "the same two meet again when both are alone", Slow: true, cfg: avoidForLong, run: aloneTogether},
		{Name: "who cools down waits, and is met by nobody", cfg: plain, run: coolDown},
	}
}

func tagWait(unit time.Duration) match.PoolConfig { return match.PoolConfig{TagWait: unit} }

func tagsRelax(w *world) {
	a := w.comes("a", tags("a"))
	w.pass(w.unit / 2)
	b := w.comes("b", tags("b"))
	w.pass(w.unit - w.slack)
	waits(a, b)
	w.pass(w.slack)
	a.meetsWithin(2*w.slack, b)
	if len(a.met[0].Tags) != 0 {
		w.t.Errorf("shared tags %v, want none", a.met[0].Tags)
	}
}

func openMeetsRelaxed(w *world) {
	open := w.comes("open")
	a := w.comes("a", tags("a"))
	w.pass(w.unit - w.slack)
	waits(open, a)
	open.meetsWithin(2*w.slack, a)
}

func neverOneself(w *world) {
	a, again := w.comes("me"), w.comes("me")
	w.pass(w.unit)
	waits(a, again)
	if n := w.pool.Waiting(); n != 2 {
		w.t.Errorf("Waiting() = %d, want 2", n)
	}
}

func tabsHaveTheirTurn(w *world) {
	tabs := []*client{w.comes("me", tags("a")), w.comes("me", tags("a", "b")), w.comes("me", tags("b")), w.comes("me")}
	w.comes("x", tags("a")).meets(tabs[0])
	w.comes("y", tags("b")).meets(tabs[1])
	stranger := w.comes("z")
	waits(stranger, tabs[2], tabs[3])
	if !w.pool.Cancel(tabs[2].ticket) {
		w.t.Error("Cancel of who waits = false, want true")
	}
	stranger.meets(tabs[3])
}

func tabsOfADevice(w *world) {
	device := func(t *match.Ticket) { t.Device, t.Addr = "device", netip.MustParseAddr("127.0.0.1") }
	w.comes("a", device).meets(w.comes("b", device))
}

func avoided(w *world) {
	w.comes("a").meets(w.comes("b"))
	a, b := w.comes("a"), w.comes("b")
	w.pass(w.unit)
	waits(a, b)
	w.comes("c").meets(a)
	w.comes("d").meets(b)
}

func avoidForUnits(unit time.Duration) match.PoolConfig { return match.PoolConfig{Avoid: 2 * unit} }

func avoidEnds(w *world) {
	w.comes("a").meets(w.comes("b"))
	w.pass(2*w.unit + w.slack)
	w.comes("a").meets(w.comes("b"))
}

func aloneTogether(w *world) {
	w.comes("a").meets(w.comes("b"))
	a := w.comes("a")
	w.pass(w.unit)
	b := w.comes("b")
	w.pass(match.AloneFor - w.slack)
	waits(a, b)
	a.meetsWithin(2*w.slack, b)
}

func coolDown(w *world) {
	cools := w.comes("cools", func(t *match.Ticket) { t.NotBefore = time.Now().Add(w.unit) })
	a := w.comes("a")
	waits(cools, a)
	if n := w.pool.Waiting(); n != 2 {
		w.t.Errorf("Waiting() = %d, want 2: who cools down waits", n)
	}
	w.pass(w.unit - w.slack)
	waits(cools, a)
	a.meetsWithin(2*w.slack, cools)
}
