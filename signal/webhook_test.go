package signal

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/pipenet"
	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// application is the other end of the webhooks.
type application struct {
	asked  chan string // bodies that came to /authn
	gone   chan string // and to /gone
	answer func(w http.ResponseWriter, r *http.Request)
}

func newApplication() *application {
	return &application{asked: make(chan string, 64), gone: make(chan string, 64), answer: func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"allowed":true}`)
	}}
}

func (a *application) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	text := string(body)
	if r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" {
		text = r.Method + " of " + r.Header.Get("Content-Type")
	}
	if r.URL.Path == "/gone" {
		a.gone <- text
		return
	}
	a.asked <- text
	a.answer(w, r)
}

// serve starts the application on a real socket and returns the option that
// makes the rooms ask it.
func (a *application) serve(t *testing.T) func(*Config) {
	t.Helper()
	server := httptest.NewServer(a)
	t.Cleanup(server.Close)
	return func(c *Config) { c.AuthnURL, c.DisconnectURL = server.URL+"/authn", server.URL+"/gone" }
}

func TestTheWebhooksAreAyames(t *testing.T) {
	t.Parallel()
	app := newApplication()
	app.answer = func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"allowed":true,"reason":null,"iceServers":[{"urls":["stun:s.example.org"]}],"authzMetadata":{"n":1.50,"b":[true]}}`)
	}
	w := onLoopback(t, app.serve(t))
	c := w.connect(t, false)
	c.send(`{"type":"register","roomId":"room1","clientId":"me","key":"old","signalingKey":"new","authnMetadata":{"z":1.50,"a":[null]},
		"ayameClient":"ayame","libwebrtc":"M120","environment":"test <1>","standalone":false}`)
	text := <-c.got
	id := strings.TrimPrefix(text, `{"type":"accept","connectionId":"`)[:26]
	if want := `{"type":"accept","connectionId":"` + id + `","iceServers":[{"urls":["stun:s.example.org"]}],"isExistClient":false,"isExistUser":false,"authzMetadata":{"n":1.50,"b":[true]}}` + "\n"; text != want {
		t.Errorf("accept is %s, want %s", text, want)
	}
	if got, want := <-app.asked, `{"roomId":"room1","clientId":"me","connectionId":"`+id+
		`","signalingKey":"new","authnMetadata":{"z":1.50,"a":[null]},"ayameClient":"ayame","libwebrtc":"M120","environment":"test \u003c1\u003e"}`; got != want {
		t.Errorf("the authn webhook is asked %s, want %s", got, want)
	}
	c.lose()
	if got, want := <-app.gone, `{"roomId":"room1","clientId":"me","connectionId":"`+id+`"}`; got != want {
		t.Errorf("the disconnect webhook is told %s, want %s", got, want)
	}

	d := w.connect(t, false)
	d.send(`{"type":"register","roomId":"room2","key":"old","authnMetadata":null,"environment":null}`)
	id = d.accept().ConnectionID
	if got, want := <-app.asked, `{"roomId":"room2","clientId":"`+id+`","connectionId":"`+id+`","signalingKey":"old"}`; got != want {
		t.Errorf("the authn webhook is asked %s, want %s", got, want)
	}
	w.stop()
	<-app.gone // the server has told of who was there at its end
}

func TestAnswersOfTheWebhook(t *testing.T) {
	t.Parallel()
	for body, reason := range map[string]string{
		`200 {"allowed":false,"reason":"go away"}`:                           "go away",
		`200 {"allowed":false,"reason":"` + strings.Repeat("é", 9000) + `"}`: strings.Repeat("é", maxRejectReason/2),
		`200 {"allowed":false}`:                                              wire.RejectInternal,
		`200 {"allowed":false,"reason":null}`:                                wire.RejectInternal,
		`200 {}`:                                                             wire.RejectInternal,
		`200 {"reason":"why"}`:                                               wire.RejectInternal,
		`200 null`:                                                           wire.RejectInternal,
		`200 7`:                                                              wire.RejectInternal,
		`200 `:                                                               wire.RejectInternal,
		`200 <html>`:                                                         wire.RejectInternal,
		`200 {"allowed":"yes"}`:                                              wire.RejectInternal,
		`200 {"allowed":true,"iceServers":{}}`:                               wire.RejectInternal,
		`200 {"allowed":true} and more`:                                      wire.RejectInternal,
		`200 {"allowed":true,"authzMetadata":"` + strings.Repeat("x", 64<<10) + `"`: wire.RejectInternal,
		`204 {"allowed":true}`: wire.RejectInternal,
		`302 {"allowed":true}`: wire.RejectInternal,
		`404 {"allowed":true}`: wire.RejectInternal,
		`500 {"allowed":true}`: wire.RejectInternal,
		`000`:                  wire.RejectInternal,
	} {
		app := newApplication()
		app.answer = func(w http.ResponseWriter, r *http.Request) {
			var status int
			_, _ = fmt.Sscan(body, &status)
			if status == 0 {
				panic(http.ErrAbortHandler) // the connection is cut
			}
			w.Header().Set("Location", "/authn?again")
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body[4:])
		}
		w := onLoopback(t, app.serve(t))
		c := w.connect(t, false)
		c.send(`{"type":"register","roomId":"room1"}`)
		closeReason := reason
		if reason != wire.RejectInternal {
			closeReason = wire.ReasonDone // not what an application says
		}
		if got, want := <-c.got, `{"type":"reject","reason":"`+reason+`"}`+"\n"; got != want {
			t.Errorf("%.60s: the client got %.80q, want %.80q", body, got, want)
		}
		c.mustClose(wire.CloseNormal, closeReason)
		w.stop()
		if len(app.asked) != 1 || len(app.gone) != 1 {
			t.Errorf("%.60s: asked %d times, told %d times, want once each", body, len(app.asked), len(app.gone))
		}
		if failed := w.rooms.Stats().WebhookFailures == 1; failed != (reason == wire.RejectInternal) {
			t.Errorf("%.60s: %d failures were counted", body, w.rooms.Stats().WebhookFailures)
		}
	}
}

func TestWhatTheWebhookDoesNotGive(t *testing.T) {
	t.Parallel()
	app := newApplication()
	app.answer = func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"allowed":true,"iceServers":[],"authzMetadata":null}`)
	}
	w := onLoopback(t, app.serve(t))
	c := w.connect(t, false)
	c.send(`{"type":"register","roomId":"room1"}`)
	if text := <-c.got; !strings.Contains(text, `"username":"room1.a"`) || strings.Contains(text, "authzMetadata") {
		t.Errorf("accept is %s, want our ICE servers and no authzMetadata", text)
	}
	w.stop()
}

// TestTheOrderOfAdmission holds whom the webhook is asked about: not about an
// id that does not admit, but before it is known whether there is a seat.
func TestTheOrderOfAdmission(t *testing.T) {
	t.Parallel()
	app := newApplication()
	w := onLoopback(t, app.serve(t))
	guess := w.connect(t, false)
	guess.send(`{"type":"register","roomId":"guessed"}`)
	guess.mustReject(wire.RejectNotFound)
	never := w.connect(t, false)
	never.leave()
	<-never.ends
	a, b, c := w.connect(t, false), w.connect(t, false), w.connect(t, false)
	a.register("room1")
	b.register("room1")
	c.send(`{"type":"register","roomId":"room1"}`)
	c.mustReject(wire.RejectFull)
	w.stop()
	if asked, gone := len(app.asked), len(app.gone); asked != 3 || gone != 3 {
		t.Errorf("asked about %d, told of %d, want the 3 that registered with an id that admits", asked, gone)
	}
}

// onPipesWith is a world on pipes whose webhooks are on pipes, too.
func (a *application) onPipesWith(t *testing.T, options ...func(*Config)) *world {
	t.Helper()
	w := onPipes(t, append(options, a.hook)...)
	a.reach(w)
	return w
}

// hook makes the rooms ask the application, once it is in reach.
func (*application) hook(c *Config) {
	c.AuthnURL, c.DisconnectURL = "http://app.example.org/authn", "http://app.example.org/gone"
}

// reach serves the application to a world on pipes.
func (a *application) reach(w *world) {
	l := pipenet.Listen()
	server := &http.Server{Handler: a, ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(l) }() // until the end of the test
	if transport, ok := w.rooms.hooks.client.Transport.(*http.Transport); ok {
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) { return l.Dial(ctx) }
	}
	stop := w.stop
	w.stop = func() {
		stop()
		_ = server.Close()
	}
}

func TestAWebhookThatHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		app := newApplication()
		app.answer = func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
		w := app.onPipesWith(t)
		start := time.Now()
		clients := make([]*client, maxAsking)
		for i := range clients {
			clients[i] = w.connect(t, false)
			clients[i].send(`{"type":"register","roomId":"room1"}`)
		}
		synctest.Wait()
		more := w.connect(t, false)
		more.send(`{"type":"register","roomId":"room1"}`)
		more.mustReject(wire.RejectInternal)
		if took := time.Since(start); took != 0 {
			t.Errorf("one too many was rejected after %v, want at once", took)
		}
		for _, c := range clients {
			c.mustReject(wire.RejectInternal)
		}
		if took := time.Since(start); took != hookTimeout {
			t.Errorf("rejected after %v, want 5s", took)
		}
		if n := w.rooms.Stats().WebhookFailures; n != maxAsking+1 {
			t.Errorf("%d failures were counted, want %d", n, maxAsking+1)
		}
		w.stop()
	})
}

func TestWhoLeavesWhileItIsAskedForTakesNoSeat(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*client){"closed": (*client).leave, "lost": (*client).lose, "at fault": func(c *client) { c.send("7") }} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				app := newApplication()
				allow := make(chan struct{})
				app.answer = func(w http.ResponseWriter, r *http.Request) {
					select {
					case <-allow:
						_, _ = io.WriteString(w, `{"allowed":true}`)
					case <-r.Context().Done(): // the question was taken back
					}
				}
				w := app.onPipesWith(t)
				a := w.connect(t, false)
				a.send(`{"type":"register","roomId":"room1","clientId":"gone"}`)
				a.send(`{"type":"offer"}`) // too early: for nobody
				synctest.Wait()
				end(a)
				<-a.ends
				synctest.Wait()
				if s := w.rooms.Stats(); s.Rooms != 0 || s.Accepted != 0 || len(w.rooms.hooks.asking) != 0 {
					t.Errorf("Stats() = %+v, want no seat taken and no question open", s)
				}
				if got := <-app.gone; !strings.Contains(got, `"clientId":"gone"`) {
					t.Errorf("told of %s, want the one who was asked about", got)
				}
				close(allow)
				b := w.connect(t, false)
				if b.register("room1").IsExistClient {
					t.Error("the next one was told that somebody is there")
				}
				w.stop()
			})
		})
	}
}

// TestAStayIsReportedOnce holds that resume needs no permission again, and
// that the application hears of one stay, which has one connection id.
func TestAStayIsReportedOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		app := newApplication()
		app.answer = func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"allowed":true,"iceServers":[{"urls":["stun:theirs"]}]}`)
		}
		w := app.onPipesWith(t)
		a, b, token, _ := w.pair(t, "room1")
		for range 3 {
			a.lose()
			synctest.Wait()
			a = w.connect(t, false)
			a.comeBack("room1", "alice", token)
			accept := a.accept()
			token = accept.ResumeToken
			if len(accept.ICEServers) != 1 || accept.ICEServers[0].URLs[0] != "stun:theirs" {
				t.Errorf("after a return the ICE servers are %v, want those of the webhook", accept.ICEServers)
			}
		}
		if len(app.asked) != 2 || len(app.gone) != 0 {
			t.Errorf("asked %d times, told of %d, want of the two who came and of nobody", len(app.asked), len(app.gone))
		}
		a.lose()
		<-time.After(holdFor - time.Second)
		if len(app.gone) != 0 {
			t.Error("told of somebody whose seat is held")
		}
		b.mustBye()
		synctest.Wait()
		if len(app.gone) != 2 {
			t.Errorf("told of %d, want 2", len(app.gone))
		}
		c, _, _, _ := w.pair(t, "room2")
		c.lose()
		synctest.Wait()
		w.stop() // one is away, one is here
		if len(app.gone) != 4 {
			t.Errorf("at the end told of %d, want 4", len(app.gone))
		}
	})
}

// TestReportsThatNobodyTakes holds that the server stops all the same.
func TestReportsThatNobodyTakes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		app := newApplication()
		var under atomic.Int64
		w := app.onPipesWith(t, func(*Config) {}, func(c *Config) { c.OpenRoom = func() string { return "alias" } })
		w.rooms.hooks.authnURL = ""
		app.gone = nil // whoever reports, hangs
		w.rooms.hooks.goneURL = "http://app.example.org/authn"
		app.answer = func(w http.ResponseWriter, r *http.Request) { under.Add(1); <-r.Context().Done() }
		app.asked = make(chan string, 1024)
		const stays = 100
		for i := range stays {
			c := w.connect(t, false)
			c.register(fmt.Sprint("r", i))
			c.lose()
		}
		synctest.Wait()
		if n := under.Load(); n != goneWorkers {
			t.Errorf("%d reports at once, want %d", n, goneWorkers)
		}
		start := time.Now()
		w.stop()
		if took := time.Since(start); took != flushTimeout {
			t.Errorf("the server stopped after %v, want 5s", took)
		}
		if s := w.rooms.Stats(); s.WebhookDropped+s.WebhookFailures != stays || s.WebhookDropped == 0 {
			t.Errorf("Stats() = %+v, want %d failed or dropped", s, stays)
		}
	})
}

// TestAnAnswerThatComesTooLate is for somebody who has just gone.
func TestAnAnswerThatComesTooLate(t *testing.T) {
	t.Parallel()
	rooms := New(Config{})
	m := &member{rooms: rooms}
	rooms.tell(rooms.leave(m, true, true))
	if s, _, verdict := rooms.enter(admission{expires: time.Now().Add(time.Minute)}, m, claim{visit: visit{RoomID: "room1"}}, nil); s != nil || verdict != tooLate {
		t.Errorf("enter = %v, %d; want no seat", s, verdict)
	}
	if rooms.Stats().Rooms != 0 || len(rooms.rooms) != 0 {
		t.Error("a room was made for nobody")
	}
}
