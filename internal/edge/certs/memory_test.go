package certs

import (
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"
)

func TestALoopOfRestartsPlacesOneOrder(t *testing.T) {
	ours, other := netip.MustParseAddr("203.0.113.7"), netip.MustParseAddr("198.51.100.9")
	for _, c := range []struct {
		name   string
		points netip.Addr
		orders int
	}{
		{"the domain points elsewhere", other, 0},
		{"the certificate authority fails", ours, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			ca, dir, log := newPebble(t, ninetyDays), t.TempDir(), new(journal)
			ca.Fail(problem(http.StatusInternalServerError, "serverInternal", ""))
			resolver := new(names)
			resolver.set(c.points)
			for range 5 {
				cfg := ca.config(dir, log.logger(slog.LevelInfo))
				cfg.Resolver, cfg.Addresses = resolver, func() []netip.Addr { return []netip.Addr{ours} }
				k := newKeeper(t, cfg)
				clock := stopClock(k)
				stop := run(t, k)
				clock.wait(t)
				if status := k.Status(); status.NextAttempt.IsZero() || status.Err == "" {
					t.Errorf("status %+v, want a reason and the next attempt", status)
				}
				stop()
			}
			if _, orders := ca.Counts(); orders != c.orders {
				t.Errorf("%d orders in 5 starts, want %d", orders, c.orders)
			}
			if n := len(log.lines("")); n != 5 {
				t.Errorf("%d lines in the log of 5 starts, want 5:\n%s", n, strings.Join(log.lines(""), ""))
			}
		})
	}
}

func TestAnOrderThatACrashCutShortCounts(t *testing.T) {
	ca, dir := newPebble(t, ninetyDays), t.TempDir()
	reached, crash := make(chan struct{}), make(chan struct{})
	ca.Fail(func(_ http.ResponseWriter, r *http.Request) {
		close(reached)
		select {
		case <-crash:
		case <-r.Context().Done():
		}
	})
	stop := run(t, newKeeper(t, ca.config(dir, nil)))
	<-reached
	stop()
	close(crash)

	again := newKeeper(t, ca.config(dir, nil))
	clock := stopClock(again)
	run(t, again)
	clock.wait(t)
	if _, orders := ca.Counts(); orders != 1 {
		t.Errorf("%d orders, want 1", orders)
	}
}

func TestACertificateAuthorityThatFailsIsAskedLessAndLess(t *testing.T) {
	for _, c := range []struct {
		name       string
		answer     http.HandlerFunc
		first, end time.Duration // the least of the first pause and of the seventh
		longest    time.Duration
	}{
		{"500", problem(http.StatusInternalServerError, "serverInternal", ""), 40 * time.Second, 40 * time.Minute, time.Hour},
		{"429 and when to come back", problem(http.StatusTooManyRequests, "rateLimited", "7200"), 2*time.Hour - time.Minute, 2*time.Hour - time.Minute, 2 * time.Hour},
		{"429 and nothing else", problem(http.StatusTooManyRequests, "rateLimited", ""), time.Hour - time.Minute, time.Hour - time.Minute, time.Hour},
		{"429 and never", problem(http.StatusTooManyRequests, "rateLimited", "999999999"), maxRetryAfter - time.Minute, maxRetryAfter - time.Minute, maxRetryAfter},
	} {
		t.Run(c.name, func(t *testing.T) {
			ca := newPebble(t, ninetyDays)
			ca.Fail(c.answer)
			k := newKeeper(t, ca.config(t.TempDir(), nil))
			clock := stopClock(k)
			run(t, k)
			for i := 1; i <= 7; i++ {
				rest := time.Duration(0)
				for { // no pause is longer than an hour: the machine may have slept
					waiting := clock.wait(t)
					if rest += waiting.length; k.Status().NextAttempt.Sub(clock.now()) <= waiting.length {
						if _, orders := ca.Counts(); orders != i {
							t.Fatalf("%d orders before pause %d is over", orders, i)
						}
						if least := map[int]time.Duration{1: c.first, 7: c.end}[i]; rest < least || rest > c.longest {
							t.Errorf("pause %d is %v, want %v to %v", i, rest, least, c.longest)
						}
						if i < 7 {
							clock.pass(waiting)
						}
						break
					}
					clock.pass(waiting)
				}
			}
		})
	}
}

// problem answers as RFC 8555 §6.7 has it.
func problem(status int, kind, retryAfter string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		if retryAfter != "" {
			w.Header().Set("Retry-After", retryAfter)
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(`{"type":"urn:ietf:params:acme:error:` + kind + `","detail":"not now"}`))
	}
}

func TestBackOffDoublesUpToAnHour(t *testing.T) {
	t.Parallel()
	different := map[time.Duration]bool{}
	for failures := range 1000 {
		want := time.Hour
		if failures < 7 {
			want = min(time.Minute<<max(failures-1, 0), time.Hour)
		}
		got := backOff(failures)
		if got > want || got < want*3/4 {
			t.Fatalf("backOff(%d) = %v, want %v less a quarter at most", failures, got, want)
		}
		different[got] = true
	}
	if len(different) < 900 {
		t.Errorf("%d different pauses of 1000, want chance in them", len(different))
	}
}

func TestAClockThatIsWrongOrdersThriceInALifeAtMost(t *testing.T) {
	t.Parallel()
	m := newMaker(t)
	pair := m.issue(1, nil)
	cert, _, err := parsePair(pair.chain, pair.key)
	if err != nil {
		t.Fatal(err)
	}
	third := cert.Leaf.NotAfter.Sub(cert.Leaf.NotBefore) / 3
	now := time.Now()
	ahead := now.AddDate(1, 0, 0)
	for _, c := range []struct {
		name          string
		obtained, now time.Time
		least, most   time.Duration
	}{
		{"a fresh one", now, now, 2*third - 2*time.Hour, 2 * third},
		{"a clock a year ahead", ahead, ahead, third, third},
		{"a clock that was a year ahead", ahead, now, third, 2 * third},
		{"an old one", now.Add(-2 * third), now.Add(2 * third), -third, 0},
	} {
		if got := youth(cert.Leaf, c.obtained, c.now); got < c.least || got > c.most {
			t.Errorf("%s: youth = %v, want %v to %v", c.name, got, c.least, c.most)
		}
	}
}
