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

// registering is a register message with extensions, as in "early","resume".
func registering(room, ext string) string {
	return `{"type":"register","roomId":"` + room + `","clientId":"me","ext":[` + ext + `]}`
}

// candidate is the i-th of them; as odd JSON, because bytes count.
func candidate(i int) string { return fmt.Sprintf("{ \"type\":\"candidate\" ,\"n\":%d}", i) }

// mustGetCandidates holds the next messages to be the first n, in order.
func (c *client) mustGetCandidates(n int) {
	c.t.Helper()
	for i := range n {
		c.mustGet(candidate(i))
	}
}

// nothingIsKept fails the test if something is, for anybody.
func (w *world) nothingIsKept(t *testing.T) {
	t.Helper()
	if kept := w.rooms.kept.bytes.Load(); kept != 0 {
		t.Errorf("%d bytes are kept for nobody", kept)
	}
}

func TestWhatIsSaidEarlyFollowsTheAccept(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		first, second string // their extensions
		want          bool
	}{
		"both speak early":    {`"early"`, `"early"`, true},
		"and may come back":   {`"early","resume"`, `"resume","early"`, true},
		"only the first does": {`"early","resume"`, `"resume"`, false},
		"only the second":     {`"resume"`, `"early"`, false},
		"nobody does":         {``, ``, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := onPipes(t)
				a, b := w.connect(t, false), w.connect(t, false)
				b.send(`{"type":"standby"}`)
				a.send(registering("room1", c.first))
				const early = maxKeptMessages - 1 // one more comes beside the accept of the other one
				for i := range early {            // in one flight with register
					a.send(candidate(i))
				}
				a.accept()
				<-time.After(commitWithin - time.Second)
				b.send(strings.Replace(registering("room1", c.second), `"me"`, `"you"`, 1))
				if accept := b.accept(); !accept.IsExistClient {
					t.Errorf("accept = %+v, want that somebody is there", accept)
				}
				a.send(candidate(early))
				if c.want {
					b.mustGetCandidates(early)
				}
				b.mustGet(candidate(early))
				b.send(`{"type":"answer"}`)
				a.mustGet(`{"type":"answer"}`)
				w.nothingIsKept(t)
				w.stop()
			})
		})
	}
}

// TestNothingIsKeptForWhoDoesNotCome holds that what is said early costs
// memory for 10 s, whatever becomes of the room.
func TestNothingIsKeptForWhoDoesNotCome(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		room string
		then func(t *testing.T, w *world, a *client)
	}{
		"of a match": {"room1", func(_ *testing.T, _ *world, a *client) {
			a.mustGet(byeAbsent)
			<-a.ends
		}},
		"when the first leaves": {"room1", func(_ *testing.T, _ *world, a *client) {
			a.leave()
			<-a.ends
		}},
		"when the first is lost": {"room1", func(*testing.T, *world, *client) {}},
		"of a room that an application has named": {"kitchen", func(t *testing.T, w *world, a *client) {
			<-time.After(commitWithin + tickEvery)
			w.nothingIsKept(t)
			a.send(candidate(7)) // too late: as Ayame has it
			<-time.After(time.Hour)
			w.nothingIsKept(t)
			b := w.connect(t, false)
			b.send(registering("kitchen", `"early"`))
			b.accept()
			a.send(candidate(8))
			b.mustGet(candidate(8))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := onPipes(t, open())
				a := w.connect(t, false)
				a.send(registering(c.room, `"early","resume"`))
				a.accept()
				a.send(candidate(0))
				synctest.Wait()
				if kept := w.rooms.kept.bytes.Load(); kept != int64(len(candidate(0))) {
					t.Errorf("%d bytes are kept, want one message", kept)
				}
				if strings.HasSuffix(name, "lost") {
					a.lose()
					<-time.After(commitWithin + tickEvery)
				}
				c.then(t, w, a)
				synctest.Wait()
				w.nothingIsKept(t)
				w.stop()
			})
		})
	}
}

// TestWhoSaysTooMuchTooEarlyIsAtFault holds that nobody is left to wait for
// what was dropped: no handshake is that long.
func TestWhoSaysTooMuchTooEarlyIsAtFault(t *testing.T) {
	t.Parallel()
	for name, message := range map[string]string{
		"many": `{"type":"candidate"}`,
		"long": `{"type":"answer","sdp":"` + strings.Repeat("x", 60_000) + `"}`,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := onPipes(t)
				a := w.connect(t, false)
				a.send(registering("room1", `"early","resume"`))
				token := a.accept().ResumeToken
				for range min(maxKeptMessages, maxKeptBytes/len(message)) {
					a.send(message)
				}
				synctest.Wait()
				if len(a.ends) != 0 || w.rooms.Stats().Faults != 0 {
					t.Error("at fault for what fits")
				}
				a.send(message)
				a.mustClose(wire.CloseNormal, wire.ReasonFlood)
				synctest.Wait()
				w.nothingIsKept(t)
				if n := w.rooms.Stats().Faults; n != 1 {
					t.Errorf("%d faults were counted, want 1", n)
				}
				again := w.connect(t, false) // its seat was not held
				again.comeBack("room1", "me", token)
				again.mustBye()
				w.stop()
			})
		})
	}
}

// TestTheFirstMayBeLostAfterItsOffer keeps an offer for one who has not come,
// of one who is away, and what it says when it is back.
func TestTheFirstMayBeLostAfterItsOffer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := onPipes(t)
		a, b := w.connect(t, false), w.connect(t, false)
		a.send(registering("room1", `"early","resume"`))
		token := a.accept().ResumeToken
		a.send(candidate(0))
		synctest.Wait()
		a.lose()
		synctest.Wait()
		again := w.connect(t, false)
		again.comeBack("room1", "me", token)
		again.accept()
		again.send(candidate(1))
		synctest.Wait()
		again.lose()
		synctest.Wait()
		b.send(registering("room1", `"early"`))
		b.accept()
		b.mustGetCandidates(2)
		w.stop()
	})
}

// TestNothingIsLostWhileTheSecondComes lets the two meet at any moment of what
// the first has to say: it arrives once and in order.
func TestNothingIsLostWhileTheSecondComes(t *testing.T) {
	t.Parallel()
	for name, webhook := range map[string]bool{"without a webhook": false, "with one": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			options := []func(*Config){}
			if webhook {
				app := newApplication()
				app.asked = make(chan string, 1024)
				app.gone = make(chan string, 1024)
				options = append(options, app.serve(t))
			}
			w := onLoopback(t, options...)
			const rooms, messages = 40, 60
			for i := range rooms {
				room := fmt.Sprintf("room%d", i)
				a, b := w.connect(t, false), w.connect(t, false)
				said := make(chan struct{})
				go func() { // waited for below
					defer close(said)
					a.send(registering(room, `"early"`))
					for n := range messages {
						a.send(candidate(n))
					}
				}()
				a.accept() // so that it is the first
				b.send(registering(room, `"early"`))
				b.accept()
				b.mustGetCandidates(messages)
				<-said
				w.nothingIsKept(t)
				a.leave()
				b.mustBye()
			}
			w.stop()
		})
	}
}

// TestWhatIsSaidAheadOfTheWebhooksAnswer holds that register and offer may
// come in one flight, also where somebody is asked about them.
func TestWhatIsSaidAheadOfTheWebhooksAnswer(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		messages int
		answer   string
	}{
		"let in":              {maxKeptMessages, `{"allowed":true}`},
		"refused":             {maxKeptMessages, `{"allowed":false,"reason":"no"}`},
		"a word too much":     {maxKeptMessages + 1, ``},
		"the answer is wrong": {maxKeptMessages, `{}`},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				app, allow := newApplication(), make(chan struct{})
				app.answer = func(w http.ResponseWriter, r *http.Request) {
					select {
					case <-allow:
						_, _ = io.WriteString(w, c.answer)
					case <-r.Context().Done(): // the question was taken back
					}
				}
				w := app.onPipesWith(t)
				a := w.connect(t, false)
				a.send(registering("room1", `"early"`))
				for i := range c.messages {
					a.send(candidate(i))
				}
				synctest.Wait()
				if c.messages > maxKeptMessages {
					a.mustClose(wire.CloseNormal, wire.ReasonFlood)
				} else if kept := w.rooms.kept.bytes.Load(); kept == 0 {
					t.Error("nothing is kept while the webhook is asked")
				}
				close(allow)
				if name == "let in" {
					a.accept()
					b := w.connect(t, false)
					b.send(registering("room1", `"early"`))
					for i := range 3 { // of the second: ahead of its own accept
						b.send(candidate(i))
					}
					b.accept()
					b.mustGetCandidates(c.messages)
					a.mustGetCandidates(3)
				} else {
					<-a.ends
				}
				synctest.Wait()
				w.nothingIsKept(t)
				w.stop()
			})
		})
	}
}
