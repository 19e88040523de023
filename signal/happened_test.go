package signal

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// diary keeps what Config.Happened is told, in words.
type diary struct {
	mu    sync.Mutex
	lines []string
}

// keep makes rooms write the diary, and judge as they are told.
func (d *diary) keep(verdict wire.Verdict) func(*Config) {
	return func(cfg *Config) {
		cfg.Verdict = func(string) wire.Verdict { return verdict }
		cfg.Happened = func(room string, e Event) {
			line := fmt.Sprint(room, " ", e.Side, " ", [...]string{
				EventRegistered: "registered", EventResumed: "resumed", EventRebuilt: "rebuilt", EventOffer: "offer", EventAnswer: "answer",
				EventCandidate: "candidate", EventHidden: "hidden", EventAway: "away", EventGaveUp: "gave up", EventLeft: "left",
				EventAbsent: "absent", EventOver: "over", EventOutcome: "outcome",
			}[e.Kind])
			switch {
			case e.Outcome != nil:
				line += " " + e.Outcome.State
			case e.Kind == EventCandidate:
				line += " " + e.Candidate.Type
			case e.Kind == EventRegistered:
				line += fmt.Sprint(" ", e.User, " ", e.From.IsValid(), " ", e.Reports)
			}
			d.mu.Lock()
			defer d.mu.Unlock()
			d.lines = append(d.lines, line)
		}
	}
}

// holds compares the diary with lines, and empties it.
func (d *diary) holds(t *testing.T, lines ...string) {
	t.Helper()
	synctest.Wait()
	d.mu.Lock()
	defer d.mu.Unlock()
	if !slices.Equal(d.lines, lines) {
		t.Errorf("the diary is\n%s\nwant\n%s", strings.Join(d.lines, "\n"), strings.Join(lines, "\n"))
	}
	d.lines = nil
}

// TestHappened holds what is told of a room in which everything happens.
func TestHappened(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var d diary
		w := onPipes(t, d.keep(wire.VerdictNoRelay))
		defer w.stop()
		a, b := w.connect(t, false), w.connect(t, false)
		a.send(`{"type":"register","roomId":"room","clientId":"ann","ext":["resume","outcome"]}`)
		if accept, _ := a.next(); !strings.Contains(accept, `"ext":["outcome"]`) {
			t.Errorf("accept = %s, want it to ask for outcomes", accept)
		}
		b.send(`{"type":"register","roomId":"room","clientId":"bob"}`)
		if accept, _ := b.next(); strings.Contains(accept, `"ext"`) {
			t.Errorf("accept = %s, to who has announced nothing", accept)
		}
		d.holds(t, "room a registered ann true true", "room b registered bob true false")
		b.send(`{"type":"offer","sdp":"a=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\n"}`)
		a.next()
		a.send(`{"type":"candidate","ice":{"candidate":"candidate:1 1 udp 1 192.0.2.1 9 typ relay"}}`)
		b.next()
		d.holds(t, "room b offer", "room b candidate host", "room a candidate relay")
		a.send(`{"type":"outcome","state":"failed"}`)
		if got, _ := a.next(); strings.TrimSpace(got) != `{"type":"verdict","verdict":"no-relay"}` {
			t.Errorf("the answer to an outcome is %s", got)
		}
		d.holds(t, "room a outcome failed")
		b.send(`{"type":"outcome","state":"failed"}`) // which he has not announced
		if got, _ := a.next(); strings.TrimSpace(got) != `{"type":"bye","verdict":"no-relay"}` {
			t.Errorf("the other one is told %s", got)
		}
		d.holds(t, "room b left", "room  over")
	})
}

// TestOutcomes holds what becomes of outcomes that are not as they should be.
func TestOutcomes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, text string
		verdict    wire.Verdict
		bye        string // to the other one
		told       []string
	}{
		{"one that is none", `{"type":"outcome","state":"bored"}`, "no-relay", `{"type":"bye","verdict":"no-relay"}`, []string{"room a left", "room  over"}},
		{"a verdict that is no failure", `{"type":"outcome","state":"connected"}`, "partner-left", `{"type":"bye"}`, []string{"room a left", "room  over"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var d diary
				w := onPipes(t, d.keep(c.verdict))
				defer w.stop()
				a, b := w.connect(t, false), w.connect(t, false)
				for _, client := range []*client{a, b} {
					client.send(`{"type":"register","roomId":"room","ext":["outcome"]}`)
					client.next()
				}
				synctest.Wait()
				d.lines = nil
				a.send(c.text)
				if got, _ := b.next(); strings.TrimSpace(got) != c.bye {
					t.Errorf("the other one is told %s, want %s", got, c.bye)
				}
				d.holds(t, c.told...)
			})
		})
	}
}

// TestManyOutcomes holds one connection to its number of outcomes.
func TestManyOutcomes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var d diary
		w := onPipes(t, d.keep(wire.VerdictOpen))
		defer w.stop()
		a := w.connect(t, false)
		a.send(`{"type":"register","roomId":"room","clientId":"ann","ext":["outcome"]}`)
		a.next()
		want := []string{"room a registered ann true true"}
		for i := range 2 * maxOutcomes {
			a.send(`{"type":"outcome","state":"connected","path":"direct"}`)
			if i < maxOutcomes {
				want = append(want, "room a outcome connected")
			}
			<-time.After(100 * time.Millisecond)
		}
		d.holds(t, want...)
	})
}

// TestHappenedToWhoIsLost holds what is told of a socket that is lost, and of a
// partner who does not come.
func TestHappenedToWhoIsLost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var d diary
		w := onPipes(t, d.keep(wire.VerdictOpen))
		defer w.stop()
		a, b := w.connect(t, false), w.connect(t, false)
		for id, client := range []*client{a, b} {
			client.send(fmt.Sprintf(`{"type":"register","roomId":"room","clientId":"%d","ext":["resume"]}`, id))
			client.next()
		}
		d.holds(t, "room a registered 0 true false", "room b registered 1 true false")
		a.lose()
		d.holds(t, "room a away")
		<-time.After(holdFor + time.Second)
		d.holds(t, "room a gave up", "room  over")
		alone := w.connect(t, false)
		alone.send(`{"type":"register","roomId":"room 2","clientId":"y"}`)
		<-time.After(commitWithin + time.Second)
		d.holds(t, "room 2 a registered y true false", "room 2  absent", "room 2  over")
	})
}
