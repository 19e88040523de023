package address

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestFindIsBoundedByItsSlowestSource(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := world{interfaces: addrs("203.0.113.9"), dns: addrs("203.0.113.9"), stunSilent: true}
		k := w.keeper(nil)
		start := time.Now()
		got, err := k.Find(t.Context())
		if err != nil || !slices.Equal(got.List(), addrs("203.0.113.9")) || time.Since(start) != findTimeout {
			t.Errorf("Find() = %v, %v after %v, want an answer after %v", got, err, time.Since(start), findTimeout)
		}
		if now := k.Current(); !slices.Equal(now.List(), got.List()) {
			t.Errorf("Current() = %v, want %v", now, got)
		}
	})
}

func TestFindFailsWhereThereIsNoAddress(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := world{interfaces: addrs("fe80::1")}
		if got, err := w.keeper(nil).Find(t.Context()); !errors.Is(err, errNone) {
			t.Errorf("Find() = %v, %v, want %v", got, err, errNone)
		}
	})
}

func TestTheSourcesAreAskedEveryHalfMinute(t *testing.T) {
	t.Parallel()
	w := world{interfaces: addrs("203.0.113.9"), dns: addrs("203.0.113.9")}
	kept(t, &w, nil, func(t *testing.T, _ *Keeper) {
		pass(time.Hour)
		asked, pauses := w.rounds(), map[time.Duration]bool{}
		for i, at := range asked[1:] {
			if pause := at.Sub(asked[i]); pause < 27*time.Second || pause > 33*time.Second {
				t.Fatalf("asked after %v, want 30s ± 10 %%", pause)
			}
			pauses[at.Sub(asked[i])] = true
		}
		if len(pauses) < 10 {
			t.Errorf("only %d different pauses in an hour: a fleet would ask all at once", len(pauses))
		}
		if n := len(asked); n < 109 || n > 134 {
			t.Errorf("asked %d times in an hour", n)
		}
		if len(w.changes) != 0 || len(w.logged()) != 1 {
			t.Errorf("%d changes, lines %q, want one line: found", len(w.changes), w.lines)
		}
	})
}

// TestAChangedAddressIsToldWithinAMinute: behind NAT only others see it; they
// must see it twice.
func TestAChangedAddressIsToldWithinAMinute(t *testing.T) {
	t.Parallel()
	w := world{interfaces: addrs("10.0.0.5"), stun: addrs("198.51.100.7")}
	kept(t, &w, func(cfg *Config) { cfg.Domain = "" }, func(t *testing.T, k *Keeper) {
		if got := told(k); got != "198.51.100.7" {
			t.Fatalf("found %s", got)
		}
		w.set(func() { w.stun = addrs("198.51.100.8") })
		pass(time.Minute)
		if got := told(k); got != "198.51.100.8" || len(w.changes) != 1 || join(w.changes[0].List()) != got {
			t.Errorf("after a minute %s is told, changes %v", got, w.changes)
		}
		if !w.changes[0].IPv4.NAT {
			t.Errorf("the change = %+v, want it marked as NAT", w.changes[0])
		}
	})
}

func TestWhatIsSeenOnceChangesNothing(t *testing.T) {
	t.Parallel()
	w := world{interfaces: addrs("10.0.0.5"), stun: addrs("198.51.100.7")}
	kept(t, &w, func(cfg *Config) { cfg.Domain = "" }, func(t *testing.T, k *Keeper) {
		for i := range 20 { // each round sees something else
			n := len(w.rounds())
			w.set(func() { w.stun = []netip.Addr{netip.AddrFrom4([4]byte{198, 51, 100, byte(10 + i)})} })
			for len(w.rounds()) == n {
				pass(time.Second)
			}
		}
		if got := told(k); got != "198.51.100.7" || len(w.changes) != 0 {
			t.Errorf("%s is told, changes %v, want none", got, w.changes)
		}
	})
}

func TestAnAddressThatLeftTheInterfaceIsReplacedInSeconds(t *testing.T) {
	t.Parallel()
	w := world{interfaces: addrs("203.0.113.9", "2001:db8::9")}
	kept(t, &w, func(cfg *Config) { cfg.Domain = "" }, func(t *testing.T, k *Keeper) {
		w.set(func() { w.interfaces = addrs("203.0.113.10", "2001:db8::9") })
		pass(pollEvery)
		if got := told(k); got != "203.0.113.10 and 2001:db8::9" || len(w.changes) != 1 {
			t.Errorf("after %v %s is told, changes %v", pollEvery, got, w.changes)
		}
	})
}

func TestFamiliesChangeApart(t *testing.T) {
	t.Parallel()
	w := world{interfaces: addrs("203.0.113.9")}
	kept(t, &w, func(cfg *Config) { cfg.Domain = "" }, func(t *testing.T, k *Keeper) {
		w.set(func() { w.interfaces = addrs("203.0.113.9", "2001:db8::9") })
		pass(pollEvery)
		if got := told(k); got != "203.0.113.9" {
			t.Errorf("at once %s is told", got)
		}
		pass(confirmAfter)
		if got := told(k); got != "203.0.113.9 and 2001:db8::9" {
			t.Errorf("when it was seen twice %s is told", got)
		}
		w.set(func() { w.interfaces = addrs("203.0.113.9") })
		pass(pollEvery + confirmAfter)
		if got := told(k); got != "203.0.113.9" || len(w.changes) != 2 {
			t.Errorf("when IPv6 is gone %s is told, changes %v", got, w.changes)
		}
	})
}

func TestANetworkThatIsDownChangesNothing(t *testing.T) {
	t.Parallel()
	w := world{interfaces: addrs("203.0.113.9", "172.17.0.1")}
	kept(t, &w, func(cfg *Config) { cfg.Domain = "" }, func(t *testing.T, k *Keeper) {
		w.set(func() { w.interfaces = nil })
		pass(time.Hour)
		if got := told(k); got != "203.0.113.9" {
			t.Errorf("without any interface %s is told", got)
		}
		w.set(func() { w.interfaces = addrs("172.17.0.1") }) // the bridge is back first
		pass(pollEvery)
		w.set(func() { w.interfaces = addrs("203.0.113.9", "172.17.0.1") })
		pass(time.Minute)
		if got := told(k); got != "203.0.113.9" || len(w.changes) != 0 {
			t.Errorf("%s is told, changes %v, want none", got, w.changes)
		}
	})
}

func TestTheLastAnswerOfASourceCountsForAWhile(t *testing.T) {
	t.Parallel()
	w := world{interfaces: addrs("10.0.0.5"), stun: addrs("198.51.100.7")}
	kept(t, &w, func(cfg *Config) { cfg.Domain = "" }, func(t *testing.T, k *Keeper) {
		w.logged()
		w.set(func() { w.stun, w.stunErr = nil, errors.New("no answer") })
		pass(keepFor - time.Minute)
		if got := told(k); got != "198.51.100.7" {
			t.Errorf("before %v are over %s is told", keepFor, got)
		}
		if got := w.logged(); len(got) != 1 || !strings.Contains(got[0], "level=WARN") || !strings.Contains(got[0], "source=\"stun stun.example.org:3478\"") {
			t.Errorf("logged %q, want one warning that names the source", got)
		}
		pass(2 * time.Minute)
		if got := told(k); got != "10.0.0.5" {
			t.Errorf("when %v are over %s is told", keepFor, got)
		}
		if got := w.logged(); len(got) != 2 || !strings.Contains(got[0]+got[1], "no public address found") {
			t.Errorf("logged %q, want the change and that nobody outside reaches it", got)
		}
		w.set(func() { w.stun, w.stunErr = addrs("198.51.100.7"), nil })
		pass(3 * time.Minute)
		if got := told(k); got != "198.51.100.7" {
			t.Errorf("when it answers again %s is told", got)
		}
		if got := w.logged(); len(got) != 3 {
			t.Errorf("logged %q, want: changed, public again, answers again", got)
		}
	})
}

// TestASourceThatFailsIsNoContradiction, nor is one that is asked in vain from
// the start.
func TestASourceThatFailsIsNoContradiction(t *testing.T) {
	t.Parallel()
	w := world{interfaces: addrs("203.0.113.9"), stunErr: errors.New("no answer"), dnsErr: &netError{}}
	kept(t, &w, nil, func(t *testing.T, k *Keeper) {
		pass(time.Hour)
		if got := k.Contradictions(); len(got) != 0 {
			t.Errorf("Contradictions() = %v", got)
		}
		if got := w.logged(); len(got) != 3 {
			t.Errorf("logged in an hour %q, want: two sources, found", got)
		}
	})
}

type netError struct{}

func (*netError) Error() string { return "server misbehaving" }

func TestAContradictionIsLoggedOnceAndOnceWhenItIsOver(t *testing.T) {
	t.Parallel()
	w := world{interfaces: addrs("203.0.113.9"), dns: addrs("203.0.113.9")}
	kept(t, &w, nil, func(t *testing.T, k *Keeper) {
		w.logged()
		w.set(func() { w.dns = addrs("198.51.100.1") })
		pass(time.Hour)
		if got := k.Contradictions(); len(got) != 1 || got[0].About != "DNS" || got[0].Family != IPv4 {
			t.Errorf("Contradictions() = %v, want one", got)
		}
		if got := w.logged(); len(got) != 1 || !strings.Contains(got[0], "level=WARN") || !strings.Contains(got[0], "set the A record to 203.0.113.9") {
			t.Errorf("logged in an hour %q, want the contradiction once", got)
		}
		w.set(func() { w.dns = addrs("198.51.100.2") }) // elsewhere, but still elsewhere
		pass(time.Hour)
		if got := w.logged(); len(got) != 0 {
			t.Errorf("logged %q while it lasts", got)
		}
		w.set(func() { w.dns = addrs("203.0.113.9") })
		pass(3 * time.Minute)
		if got := w.logged(); len(got) != 1 || !strings.Contains(got[0], "no longer contradict") {
			t.Errorf("logged %q, want that it is over", got)
		}
		if got := k.Contradictions(); len(got) != 0 {
			t.Errorf("Contradictions() = %v when it is over", got)
		}
	})
}

// TestAContradictionThatComesAndGoesIsOneLine: a name with several addresses
// that are told in turn.
func TestAContradictionThatComesAndGoesIsOneLine(t *testing.T) {
	t.Parallel()
	w := world{interfaces: addrs("203.0.113.9"), dns: addrs("203.0.113.9")}
	kept(t, &w, nil, func(t *testing.T, _ *Keeper) {
		w.logged()
		for i := range 100 {
			w.set(func() { w.dns = addrs([]string{"198.51.100.1", "203.0.113.9"}[i%2]) })
			pass(33 * time.Second)
		}
		if got := w.logged(); len(got) != 1 {
			t.Errorf("logged %q, want one line", got)
		}
	})
}

func TestAProxyInFrontTakesTheNameOutOfTheQuestion(t *testing.T) {
	t.Parallel()
	w := world{interfaces: addrs("192.168.1.5"), dns: addrs("198.51.100.1")}
	kept(t, &w, func(cfg *Config) { cfg.Proxied = true }, func(t *testing.T, k *Keeper) {
		if got := told(k); got != "192.168.1.5" || len(k.Contradictions()) != 0 {
			t.Errorf("%s is told, contradictions %v", got, k.Contradictions())
		}
	})
}

func TestAMachineThatCallsItsNameLoopbackIsNoContradiction(t *testing.T) {
	t.Parallel()
	w := world{interfaces: addrs("203.0.113.9"), dns: addrs("127.0.1.1")}
	kept(t, &w, nil, func(t *testing.T, k *Keeper) {
		if got := k.Contradictions(); len(got) != 0 {
			t.Errorf("Contradictions() = %v", got)
		}
	})
}

func TestVisitorsRaiseAWarningAndNothingElse(t *testing.T) {
	t.Parallel()
	w := world{interfaces: addrs("203.0.113.9")}
	kept(t, &w, func(cfg *Config) { cfg.Domain = "" }, func(t *testing.T, k *Keeper) {
		w.logged()
		for _, from := range addrs("192.0.2.1", "198.51.100.1", "203.0.113.200") {
			k.Observe(addr("::ffff:203.0.113.77"), from)
		}
		pass(time.Minute)
		if got := told(k); got != "203.0.113.9" || len(w.changes) != 0 {
			t.Errorf("%s is told, changes %v", got, w.changes)
		}
		if got := k.Contradictions(); len(got) != 1 || !strings.Contains(got[0].Text, "203.0.113.77") {
			t.Errorf("Contradictions() = %v, want what the visitors say", got)
		}
		if got := w.logged(); len(got) != 1 {
			t.Errorf("logged %q, want one line", got)
		}
		pass(visitedFor + 2*time.Minute)
		if got := w.logged(); len(got) != 1 || len(k.Contradictions()) != 0 {
			t.Errorf("logged %q, contradictions %v, want that it is over", got, k.Contradictions())
		}
	})
}

func TestShuttingDownIsNoFailureOfTheSources(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := world{interfaces: addrs("203.0.113.9"), dns: addrs("203.0.113.9")}
		k := w.keeper(nil)
		if _, err := k.Find(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.logged()
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- k.Serve(ctx) }()
		w.set(func() { w.stunSilent = true })
		for len(w.rounds()) == 1 {
			pass(100 * time.Millisecond)
		}
		cancel() // while STUN is asked
		if err := <-ended; err != nil || len(w.logged()) != 0 {
			t.Errorf("Serve() = %v, want nothing logged", err)
		}
	})
}
