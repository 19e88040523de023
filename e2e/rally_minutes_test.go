//go:build browser

package e2e

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/e2e/talkers/line"
)

// minutes are what all talkers of a rally have said and heard, and the oracle of it:
// each hears what his partner said, all of it, once and in order.
type minutes struct {
	mu       sync.Mutex // guards the accounts
	accounts map[string]*account
}

// account is one talker.
type account struct {
	name, partner string
	kind          string // of the chat, for those who read figures

	asks        int    // how often he asked for a partner
	path        string // the last one; empty: he has not talked yet
	said        int
	heard       []time.Time // of the partner's messages, in order
	interrupted []time.Time
	hushed      bool     // he says nothing any more
	failed      string   // why he did not find his partner, the last time
	ended       string   // how the chat ended; empty: it goes on
	faults      []string // what he should not have heard, or done; at most maxFaults
}

// maxFaults is how many faults of one talker are kept: one that has begun does not
// end.
const maxFaults = 5

func newMinutes() *minutes { return &minutes{accounts: map[string]*account{}} }

// expect opens the accounts of two who are to talk.
func (m *minutes) expect(kind, a, b string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.accounts[a] = &account{name: a, partner: b, kind: kind}
	m.accounts[b] = &account{name: b, partner: a, kind: kind}
}

// note takes what a talker tells.
func (m *minutes) note(n line.News) {
	m.mu.Lock()
	defer m.mu.Unlock()
	a := m.accounts[n.ID]
	if a == nil {
		return // nobody expects him
	}
	at := time.Unix(0, n.At)
	switch n.What {
	case line.Asks:
		a.asks++
	case line.Met, line.Path:
		a.path = n.Path
	case line.Said:
		a.said = n.N
	case line.Heard:
		a.hears(n.From, n.N, at)
	case line.Interrupted:
		a.interrupted = append(a.interrupted, at)
	case line.Hushed:
		a.hushed = true
	case line.Failed: // and asks again
		a.failed = n.Why
	case line.Left, line.Lost:
		a.ended = n.What
	}
}

// hears notes a message of somebody; its number must be the next one.
func (a *account) hears(from string, number int, at time.Time) {
	next := len(a.heard) + 1
	switch {
	case from != a.partner:
		a.fault("heard %s %d, but talks with %s", from, number, a.partner)
	case number == next:
		a.heard = append(a.heard, at)
	case number > next:
		a.fault("heard message %d before message %d", number, next)
		a.heard = append(a.heard, slices.Repeat([]time.Time{at}, number-len(a.heard))...)
	default:
		a.fault("heard message %d again, or late: %d would be next", number, next)
	}
}

func (a *account) fault(format string, args ...any) {
	if len(a.faults) < maxFaults {
		a.faults = append(a.faults, fmt.Sprintf(format, args...))
	}
}

// each calls f with all accounts of a kind; an empty kind is every one.
func (m *minutes) each(kind string, f func(a *account)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, a := range m.accounts {
		if kind == "" || a.kind == kind {
			f(a)
		}
	}
}

// count is of how many f is true.
func (m *minutes) count(kind string, f func(a *account) bool) (n int) {
	m.each(kind, func(a *account) {
		if f(a) {
			n++
		}
	})
	return n
}

// isSettled tells whether everybody has heard as much as was said, or never will.
func (m *minutes) isSettled() bool {
	settled := true
	m.each("", func(a *account) {
		partner := m.accounts[a.partner]
		settled = settled && (len(a.heard) >= partner.said || a.ended != "" || partner.ended != "")
	})
	return settled
}

// judge says what was promised and not kept, now that nobody says anything any
// more. An empty list: all was.
func (m *minutes) judge() (broken []string) {
	m.each("", func(a *account) {
		complain := func(format string, args ...any) {
			broken = append(broken, fmt.Sprintf("%s (%s): %s", a.name, a.kind, fmt.Sprintf(format, args...)))
		}
		partner := m.accounts[a.partner]
		switch {
		case a.path == "":
			complain("never talked, asked %d times: %s", a.asks, a.failed)
			return
		case a.ended != "":
			complain("the chat was cut: %s", a.ended)
		case len(a.heard) < partner.said:
			complain("heard %d of the %d messages of %s", len(a.heard), partner.said, partner.name)
		}
		for _, fault := range a.faults {
			complain("%s", fault)
		}
	})
	slices.Sort(broken)
	return broken
}

// heardAgain is how long after a time each of a kind has heard his partner for the
// first time; who has not is missing.
func (m *minutes) heardAgain(kind string, since time.Time) (after []time.Duration) {
	m.each(kind, func(a *account) {
		i, _ := slices.BinarySearchFunc(a.heard, since, time.Time.Compare)
		if i < len(a.heard) {
			after = append(after, a.heard[i].Sub(since))
		}
	})
	return after
}

// silences are the longest times between two messages that each of a kind heard, at
// or after a time.
func (m *minutes) silences(kind string, since time.Time) (longest []time.Duration) {
	m.each(kind, func(a *account) {
		most := time.Duration(0)
		for i := range a.heard[:max(0, len(a.heard)-1)] {
			if !a.heard[i+1].Before(since) {
				most = max(most, a.heard[i+1].Sub(a.heard[i]))
			}
		}
		longest = append(longest, most)
	})
	return longest
}

// spread is how times of many differ.
func spread(of []time.Duration) string {
	if len(of) == 0 {
		return "nobody"
	}
	sorted := slices.Sorted(slices.Values(of))
	at := func(percent int) time.Duration {
		return sorted[(len(sorted)-1)*percent/100].Round(time.Millisecond)
	}
	return fmt.Sprintf("p50 %v, p95 %v, max %v (of %d)", at(50), at(95), at(100), len(sorted))
}
