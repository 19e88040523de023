package signal

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// attempt registers alice in room1 for the n-th time, without a token, and does not wait.
func (c *client) attempt(n int) {
	c.send(fmt.Sprintf(`{"type":"register","roomId":"room1","clientId":"alice","ext":["refresh","resume"],"attempt":%d}`, n))
}

// TestWhoRegistersAgainHasItsSeat gives up a socket on which it has heard no accept,
// and registers on another one, whoever came first.
func TestWhoRegistersAgainHasItsSeat(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		second bool // it is
		lost   bool // the server knows that the first socket is
	}{
		"alone":                   {false, false},
		"alone and away":          {false, true},
		"as the second":           {true, false},
		"as the second, and away": {true, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := onPipes(t)
				first, again, b := w.connect(t, false), w.connect(t, false), w.connect(t, false)
				if c.second {
					b.registerExt("room1", "bob")
				}
				first.registerExt("room1", "alice") // which it does not hear, as far as anybody knows
				if c.lost {
					first.lose()
					synctest.Wait()
				}
				accept := again.registerExt("room1", "alice")
				if accept.IsExistClient != c.second || accept.Resumed || accept.ResumeToken == "" {
					t.Errorf("accept = %+v, want the seat that it had, and a token", accept)
				}
				if !c.lost {
					first.mustClose(wire.CloseNormal, wire.ReasonReplaced)
				}
				if !c.second && !b.registerExt("room1", "bob").IsExistClient {
					t.Error("the other one was not told that somebody is there")
				}
				talk(t, again, b)
				other := w.connect(t, false)
				other.send(`{"type":"register","roomId":"room1","clientId":"carl","ext":["resume"]}`)
				other.mustReject(wire.RejectFull)
				<-time.After(holdFor + tickEvery)
				again.lose()
				synctest.Wait()
				again = w.back(t, "room1", "alice", accept.ResumeToken, false)
				again.leave()
				b.mustBye()
				w.stop()
			})
		})
	}
}

// TestWhoRegistersAgainGainsNoTime holds that the other one of a match has to come in
// time all the same.
func TestWhoRegistersAgainGainsNoTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := onPipes(t)
		first := w.connect(t, false)
		start := time.Now()
		first.registerExt("room1", "alice")
		<-time.After(6 * time.Second)
		again := w.connect(t, false)
		again.registerExt("room1", "alice")
		again.mustGet(byeAbsent)
		if took := time.Since(start); took < commitWithin || took > commitWithin+tickEvery {
			t.Errorf("it was told after %v, want %v", took, commitWithin)
		}
		w.stop()
	})
}

// TestOnlyWhoCanResumeHasItsSeatAgain holds that anybody else is a newcomer, as Ayame
// has it.
func TestOnlyWhoCanResumeHasItsSeatAgain(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ room, id, ext string }{
		"without resume": {"room1", "alice", ""},
		"without a name": {"room1", "", `"resume"`},
		"in a room that an application has named": {"kitchen", "alice", `"resume"`},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := onPipes(t, open())
				text := `{"type":"register","roomId":"` + c.room + `","clientId":"` + c.id + `","ext":[` + c.ext + `]}`
				a, b, third := w.connect(t, false), w.connect(t, false), w.connect(t, false)
				a.send(text)
				a.accept()
				b.send(text)
				if !b.accept().IsExistClient {
					t.Error("the second of a name has the seat of the first")
				}
				third.send(text)
				third.mustReject(wire.RejectFull)
				talk(t, a, b)
				w.stop()
			})
		})
	}
}

// TestARegistrationThatComesLateChangesNothing lets a client be overtaken by itself.
func TestARegistrationThatComesLateChangesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := onPipes(t)
		live, b := w.connect(t, false), w.connect(t, false)
		live.attempt(2)
		token := live.accept().ResumeToken
		b.registerExt("room1", "bob")
		late := func(attempt int, token string) {
			t.Helper()
			c := w.connect(t, false)
			c.send(fmt.Sprintf(`{"type":"register","roomId":"room1","clientId":"alice","ext":["resume"],"resumeToken":"%s","attempt":%d}`, token, attempt))
			c.mustClose(wire.CloseNormal, wire.ReasonReplaced)
		}
		late(1, "")
		late(1, token)
		talk(t, live, b)
		live.lose()
		synctest.Wait()
		late(1, token)
		if !w.isAway("room1") {
			t.Error("one that comes late has taken the seat")
		}
		again := w.connect(t, false)
		again.attempt(3)
		token = again.accept().ResumeToken
		late(2, token)
		talk(t, again, b)
		unnumbered := w.back(t, "room1", "alice", token, false) // of an older client
		again.mustClose(wire.CloseNormal, wire.ReasonReplaced)
		talk(t, unnumbered, b)
		w.stop()
	})
}

// TestTheWebhookHearsOfEachStay is about one that was asked twice about a client: the
// first stay goes on.
func TestTheWebhookHearsOfEachStay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		app := newApplication()
		app.answer = func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"allowed":true}`) }
		w := app.onPipesWith(t)
		stay := func(accept wire.Accept) string {
			return `{"roomId":"room1","clientId":"alice","connectionId":"` + accept.ConnectionID + `"}`
		}
		first, again := w.connect(t, false), w.connect(t, false)
		mine := first.registerExt("room1", "alice")
		accept := again.registerExt("room1", "alice")
		first.mustClose(wire.CloseNormal, wire.ReasonReplaced)
		<-app.asked
		question := <-app.asked
		if gone := <-app.gone; gone != question || gone == stay(mine) || accept.ConnectionID != mine.ConnectionID {
			t.Errorf("gone is %s of %s; the stays are %s, %s", gone, question, stay(mine), stay(accept))
		}
		again.leave()
		if gone := <-app.gone; gone != stay(mine) {
			t.Errorf("gone is %s, want %s", gone, stay(mine))
		}
		w.stop()
		if len(app.gone) != 0 {
			t.Errorf("gone is told once more: %s", <-app.gone)
		}
	})
}

// TestAnAcceptThatItsProxyDidNotPassOn costs no seat: its client registers again, at
// another node, while the home takes it for there.
func TestAnAcceptThatItsProxyDidNotPassOn(t *testing.T) {
	t.Parallel()
	for name, stopped := range map[string]bool{"it is silent": false, "it stops": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBus()
				home, proxy, third := onNode(t, b, "home.1"), onNode(t, b, "proxy.1"), onNode(t, b, "third.1")
				bob := home.connect(t, false)
				bob.registerExt("room1", "bob")
				b.lose = func(from, to string, frame []byte) bool {
					return to == "proxy.1" && strings.Contains(string(frame), `"accept"`)
				}
				first := proxy.connect(t, false)
				first.attempt(1)
				synctest.Wait()
				bob.send(`{"type":"candidate","n":1}`) // to nobody who hears it
				synctest.Wait()
				if stopped {
					proxy.stop()
				} else {
					b.set(func() { b.nodes["proxy.1"].mute = true })
				}
				again := third.connect(t, false)
				again.attempt(2)
				if accept := again.accept(); !accept.IsExistClient {
					t.Errorf("accept = %+v, want the second seat", accept)
				}
				again.mustGet(`{"type":"candidate","n":1}`)
				talk(t, again, bob)
				<-time.After(2 * linkSilence)
				talk(t, again, bob) // and nothing twice
				third.stop()
				if !stopped {
					proxy.stop()
				}
				home.stop()
			})
		})
	}
}
