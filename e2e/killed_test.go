//go:build browser

package e2e

import (
	"flag"
	"syscall"
	"testing"
	"time"
)

// comesBack is what is promised after a restart: by then every client is back in its
// room, and every relayed chat goes on.
const comesBack = 15 * time.Second

// TestKilledUnderLoad kills the only server with kill -9 while many talk, directly
// and through its relay, and starts it again after a while (-down). Who talks
// directly needs no server; all come back to their rooms by themselves; and what was
// said has been heard, all of it, once and in order. How soon is told, and with
// -recovery held to what is promised.
func TestKilledUnderLoad(t *testing.T) {
	for _, c := range []struct {
		name     string
		shared   bool
		settings []string
	}{
		{"each has an address of his own", false, nil},
		// Fair use is told how many there are, and WS_RATE_PER_IP is not: they come
		// back faster than an address may.
		{"a school behind one address", true, []string{
			"WS_MAX_PER_IP=400", "MATCH_MAX_PER_IP=400", "MATCH_OFFERS_PER_IP=0", "MATCH_CROWD=0", "TURN_MAX_ALLOCATIONS_PER_IP=4000",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRally(t, c.settings...)
			r.shared = c.shared
			chats := flag.Lookup("chats").Value.(flag.Getter).Get().(int)
			for kind, n := range map[string]int{"direct": chats, "udp": chats / 4, "tcp": chats / 8, "tls": chats / 8} {
				r.chat(kindOfChatCalled(kind), n)
			}
			r.allTalk()
			r.haveTheirPaths()
			r.outlives(flag.Lookup("down").Value.(flag.Getter).Get().(time.Duration))
			r.allTalk()
			r.ends()
		})
	}
}

// outlives kills the server, starts it again after a while, and waits until
// everybody is back.
func (r *rally) outlives(down time.Duration) {
	r.t.Helper()
	r.kill()
	killed := time.Now()
	r.lasts(down)
	r.goesOn("direct", killed.Add(down)) // without a server
	started := time.Now()
	r.starts()
	r.t.Logf("the server is ready again %v after it was killed, %v after it was started", time.Since(killed).Round(time.Millisecond), time.Since(started).Round(time.Millisecond))
	r.isPromised("clients are back in their rooms", r.seatsTaken(started))
	for _, kind := range kindsOfChats() {
		if kind.relayOnly {
			r.isPromised("the partner is heard again, "+kind.name, r.goesOn(kind.name, started))
		}
	}
	r.t.Logf("direct chats: longest silence %s", spread(r.minutes.silences("direct", killed)))
	r.t.Logf("of those who talk directly, %d were told of an interruption", r.minutes.count("direct", func(a *account) bool { return len(a.interrupted) > 0 }))
}

// goesOn waits until all of a kind have heard their partners after a time, and
// returns how long after it that was.
func (r *rally) goesOn(kind string, since time.Time) []time.Duration {
	r.t.Helper()
	all := r.minutes.count(kind, func(*account) bool { return true })
	eventuallyWithin(r.t, 3*patience, "chats by "+kind+" go on", func() bool {
		return len(r.minutes.heardAgain(kind, since)) == all
	})
	return r.minutes.heardAgain(kind, since)
}

// TestKilledAfterAnUpgrade kills one of the two processes of a server that has been
// upgraded: the rooms and relays of the older one go on in the newer one; and when
// that one dies, the older one ends as well, after DRAIN_TIMEOUT, and who starts the server again finds
// everybody coming back.
func TestKilledAfterAnUpgrade(t *testing.T) {
	for _, c := range []struct {
		name   string
		victim func(pids []int) int
		starts bool // the server is started again
	}{
		{"the older one", func(pids []int) int { return pids[0] }, false},
		{"the newer one", func(pids []int) int { return pids[1] }, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			u := newUpgrade(t)
			u.keepsItsPromises(u.takesOver(u.byCommand))
			killed := time.Now()
			if err := syscall.Kill(c.victim(u.pids()), syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			if c.starts {
				eventually(t, "the older process ends", func() bool { return len(u.pids()) == 0 })
				t.Logf("the older process ended %v after the newer one was killed", time.Since(killed).Round(time.Millisecond))
				u.process.kill()
				killed = time.Now()
				u.starts()
			}
			u.isPromised("clients are back in their rooms", u.seatsTaken(killed))
			for _, kind := range kindsOfChats() {
				if kind.relayOnly {
					u.isPromised("the partner is heard again, "+kind.name, u.goesOn(kind.name, killed.Add(dyingWords)))
				}
			}
			u.lateCome()
			u.allTalk()
			u.ends()
		})
	}
}

// dyingWords is how long something may still be heard that a process has relayed
// before it was killed.
const dyingWords = 500 * time.Millisecond

// seatsTaken waits until all are back in their rooms, and returns how long after a
// time each was.
func (r *rally) seatsTaken(since time.Time) (after []time.Duration) {
	r.t.Helper()
	all := r.minutes.count("", func(a *account) bool { return r.chats[a.kind] > 0 })
	eventuallyWithin(r.t, 3*patience, "all are back in their rooms", func() bool {
		for back := r.figure("signal_resumed_total"); len(after) < back; {
			after = append(after, time.Since(since))
		}
		return len(after) >= all
	})
	return after
}

// isPromised tells how long something took, and holds it to what is promised if that
// is asked for: on a machine that is busy with other tests it may take longer.
func (r *rally) isPromised(what string, took []time.Duration) {
	r.t.Helper()
	r.t.Logf("%s: %s", what, spread(took))
	if !flag.Lookup("recovery").Value.(flag.Getter).Get().(bool) {
		return
	}
	for _, d := range took {
		if d > comesBack {
			r.t.Errorf("%s after %v, want %v at most", what, d, comesBack)
			return
		}
	}
}
