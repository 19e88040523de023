//go:build browser

package e2e

import (
	"cmp"
	_ "embed"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// sdkPage and sdkJS are an application that uses the SDK.
var (
	//go:embed testdata/sdk.html
	sdkPage string
	//go:embed testdata/sdk.js
	sdkJS string
)

// application is a page with the official Ayame SDK, unchanged, on an origin
// of its own, our server, and what an application's webhooks are told.
type application struct {
	t         *testing.T
	browser   browser
	page      string // its URL
	signaling string // of our server
	room      string

	mu    sync.Mutex                  // guards the fields below
	calls map[string][]map[string]any // bodies, by webhook
	news  chan struct{}               // closed and made anew with each call
}

// newApplication starts everything. Settings are the server's.
func newApplication(t *testing.T, settings ...string) *application {
	t.Helper()
	a := &application{t: t, room: "sdk-" + strings.ReplaceAll(t.Name(), "/", "-"), calls: map[string][]map[string]any{}, news: make(chan struct{})}
	site := httptest.NewServer(a.pages())
	t.Cleanup(site.Close)
	a.page = site.URL + "/"

	here := &thisComputer{}
	port, turn := freePort(t), freePort(t)
	startServer(t, here, "127.0.0.1:"+freePort(t), append([]string{
		"ADDR=127.0.0.1:" + port, "TURN_UDP_ADDR=:" + turn, "TURN_TCP_ADDR=:" + turn, "ALLOWED_ORIGINS=" + site.URL,
		"SIGNAL_OPEN_ROOMS=true", "SIGNAL_AUTHN_WEBHOOK_URL=" + site.URL + "/hooks/authn", "SIGNAL_DISCONNECT_WEBHOOK_URL=" + site.URL + "/hooks/disconnect",
	}, settings...)...)
	a.signaling = "ws://127.0.0.1:" + port + "/signaling"
	a.browser = chromium.launch(t, here, habits{})
	return a
}

// pages is the application's server.
func (a *application) pages() http.Handler {
	a.t.Helper()
	sdk, err := sdkModule()
	need(a.t, err)
	mux := http.NewServeMux()
	for path, file := range map[string][2]string{"/{$}": {"text/html", sdkPage}, "/sdk.js": {"text/javascript", sdkJS}, "/ayame.mjs": {"text/javascript", sdk}} {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", file[0])
			_, _ = io.WriteString(w, file[1]) // the browser has gone
		})
	}
	mux.HandleFunc("POST /hooks/{name}", a.hook)
	return mux
}

// sdkModule is the SDK as npm has it. The Makefile fetches it and holds it to
// its checksum.
func sdkModule() (text string, err error) {
	path := flag.Lookup("sdk").Value.String()
	if path == "" {
		return "", errors.New("no Ayame SDK: make browser fetches it, -sdk says where it is")
	}
	module, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("no Ayame SDK, is npm missing?: %w", err)
	}
	return string(module), nil
}

// hook is the application's side of the webhooks: it lets in whoever has the
// right key.
func (a *application) hook(w http.ResponseWriter, r *http.Request) {
	var body map[string]any
	if err := json.NewDecoder(io.LimitReader(r.Body, wire.MaxMessageBytes)).Decode(&body); err != nil {
		a.t.Errorf("webhook %s: %v", r.PathValue("name"), err)
	}
	a.mu.Lock()
	a.calls[r.PathValue("name")] = append(a.calls[r.PathValue("name")], body)
	close(a.news)
	a.news = make(chan struct{})
	a.mu.Unlock()
	answer := `{"allowed":true,"authzMetadata":{"role":"guest"}}`
	if body["signalingKey"] == "wrong" {
		answer = `{"allowed":false,"reason":"wrong key"}`
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, answer) // the server has gone
}

// told waits until a webhook has been called n times and returns the bodies,
// sorted by client.
func (a *application) told(name string, n int) []map[string]any {
	a.t.Helper()
	late := time.NewTimer(patience)
	defer late.Stop()
	for {
		a.mu.Lock()
		calls, news := slices.Clone(a.calls[name]), a.news
		a.mu.Unlock()
		if len(calls) >= n {
			slices.SortFunc(calls, func(x, y map[string]any) int {
				return cmp.Compare(fmt.Sprint(x["clientId"]), fmt.Sprint(y["clientId"]))
			})
			return calls
		}
		select {
		case <-news:
		case <-late.C:
			a.t.Fatalf("webhook %s was called %d times, want %d", name, len(calls), n)
		}
	}
}

// user is a tab with the application in it.
type user struct{ *tab }

// user opens the application.
func (a *application) user(name string) user {
	a.t.Helper()
	return user{openTab(a.t, a.browser, name, a.page)}
}

// enters connects to the room; options are those of the SDK, in JavaScript.
func (a *application) enters(u user, options string) {
	a.t.Helper()
	evaluate[any](u.tab, fmt.Sprintf("application.connect(%q, %q, %s)", a.signaling, a.room, options))
}

// logs waits for events, in any order and each as often as it is named.
func (u user) logs(events ...string) {
	u.t.Helper()
	for _, event := range events {
		n := 0
		for _, other := range events {
			if other == event {
				n++
			}
		}
		u.wait(fmt.Sprintf(`Array.from(document.querySelectorAll("#log > li")).filter((item) => item.textContent === %q).length >= %d`, event, n))
	}
}

// has tells whether an event has happened.
func (u user) has(event string) bool {
	u.t.Helper()
	return evaluate[bool](u.tab, fmt.Sprintf(`Array.from(document.querySelectorAll("#log > li")).some((item) => item.textContent === %q)`, event))
}

func (u user) says(text string) {
	u.t.Helper()
	evaluate[any](u.tab, fmt.Sprintf("application.say(%q)", text))
}

// talk sends one message each way.
func talk(a, b user, text string) {
	a.t.Helper()
	a.says("A " + text)
	b.says("B " + text)
	a.logs("heard B " + text)
	b.logs("heard A " + text)
}

// TestTheSDK is what its users rely on: two connect and talk, a third one is
// refused, and who stays learns that the other has left.
func TestTheSDK(t *testing.T) {
	app := newApplication(t)
	a, b, c := app.user("A"), app.user("B"), app.user("C")
	app.enters(a, `{clientId: "a", signalingKey: "k", metadata: {"age": 7}}`)
	a.logs("accepted", `open {"role":"guest"}`)
	app.enters(b, `{clientId: "b"}`)
	a.logs("talking")
	b.logs("talking")
	talk(a, b, "hello")

	app.enters(c, `{clientId: "c"}`)
	c.logs("disconnect full", "refused REJECTED")
	talk(a, b, "who was that?")

	evaluate[any](a.tab, "application.leave()")
	b.logs("bye", "disconnect WS-CLOSED")

	app.wasTold("authn", []map[string]any{
		{"clientId": "a", "signalingKey": "k", "authnMetadata": map[string]any{"age": 7.0}},
		{"clientId": "b"},
		{"clientId": "c"},
	})
	app.wasTold("disconnect", []map[string]any{{"clientId": "a"}, {"clientId": "b"}, {"clientId": "c"}})

	app.enters(c, `{clientId: "c", signalingKey: "wrong"}`)
	c.logs("disconnect wrong key", "refused REJECTED", "refused REJECTED")
}

// wasTold compares the bodies of a webhook's calls, with the room and the id
// of the connection added.
func (a *application) wasTold(name string, want []map[string]any) {
	a.t.Helper()
	got := a.told(name, len(want))
	for i, call := range got {
		if id, _ := call["connectionId"].(string); len(id) != 26 {
			a.t.Errorf("webhook %s: connectionId %q, want 26 characters", name, id)
		}
		delete(call, "connectionId")
		if i < len(want) {
			want[i]["roomId"] = a.room
		}
	}
	if g, w := fmt.Sprint(got), fmt.Sprint(want); g != w {
		a.t.Errorf("webhook %s was told\n%s, want\n%s", name, g, w)
	}
}

// standaloneFor is how long the chat of standalone clients is watched after
// their sockets have closed.
const standaloneFor = 5 * time.Second

// TestTheSDKStandalone closes both sockets as soon as the two are connected.
// The chat goes through our relay: its credentials must not end with them.
func TestTheSDKStandalone(t *testing.T) {
	for _, relay := range []bool{false, true} {
		t.Run(map[bool]string{false: "directly", true: "through the relay"}[relay], func(t *testing.T) {
			app := newApplication(t)
			a, b := app.user("A"), app.user("B")
			options := fmt.Sprintf(`{clientId: "x", standalone: true, relay: %t}`, relay)
			app.enters(a, options)
			app.enters(b, options)
			for _, u := range []user{a, b} {
				u.logs("talking", "socket closed")
			}
			app.told("disconnect", 2) // by now the server has closed them, too
			over := time.NewTimer(standaloneFor)
			defer over.Stop()
			again := time.NewTicker(standaloneFor / 10)
			defer again.Stop()
			for i := 0; ; i++ {
				talk(a, b, fmt.Sprint("still here ", i))
				select {
				case <-again.C:
					continue
				case <-over.C:
				}
				break
			}
			for _, u := range []user{a, b} {
				if u.has("bye") || u.has("disconnect WS-CLOSED") {
					t.Errorf("%s was told that the other one has left", u.name)
				}
				if got := u.connection().Local.Type; (got == "relay") != relay {
					t.Errorf("%s talks over a %s candidate", u.name, got)
				}
			}
		})
	}
}
