//go:build browser

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// The states of the page: body[data-state].
const (
	idle     = "idle"
	waiting  = "waiting"
	chatting = "chatting"
	left     = "left"
)

// Who a line of the log is from: data-from.
const (
	me   = "me"
	peer = "peer"
)

// tab is an open page. Its methods fail the test when what they wait for does
// not come.
type tab struct {
	t      *testing.T
	name   string
	driver driver

	explained bool
}

// openTab opens a page and waits until START can be pressed.
func openTab(t *testing.T, browser browser, name, url string) *tab {
	t.Helper()
	tab := &tab{t: t, name: name, driver: browser.open(t)}
	t.Cleanup(tab.explain)
	tab.visit(url)
	return tab
}

// visit goes to a page, again if it is there already.
func (tab *tab) visit(url string) {
	tab.t.Helper()
	tab.do("visit "+url, func(ctx context.Context) error { return tab.driver.visit(ctx, url) })
	tab.becomes(idle)
}

func (tab *tab) start() { tab.t.Helper(); tab.press("start") }
func (tab *tab) next()  { tab.t.Helper(); tab.press("next") }
func (tab *tab) stop()  { tab.t.Helper(); tab.press("stop") }

// press clicks a button with the mouse, as soon as it is enabled.
func (tab *tab) press(id string) {
	tab.t.Helper()
	tab.wait(fmt.Sprintf("document.getElementById(%q)?.disabled === false", id))
	tab.do("press "+id, func(ctx context.Context) error { return tab.driver.click(ctx, id) })
}

// say writes a message and sends it.
func (tab *tab) say(text string) {
	tab.t.Helper()
	tab.write(text)
	tab.press("send")
}

// write writes a message, and does not send it.
func (tab *tab) write(text string) {
	tab.t.Helper()
	tab.wait(`document.getElementById("message").disabled === false`)
	tab.do("write "+text, func(ctx context.Context) error { return tab.driver.write(ctx, "message", text) })
}

// hears waits until the partner's messages are exactly these.
func (tab *tab) hears(texts ...string) {
	tab.t.Helper()
	tab.wait(fmt.Sprintf(`document.querySelectorAll("#log > [data-from=peer]").length >= %d`, len(texts)))
	if got := tab.messages(peer); !slices.Equal(got, texts) {
		tab.t.Errorf("%s: messages of the partner = %q, want %q", tab.name, got, texts)
	}
}

// messages lists the lines of the log that are from somebody.
func (tab *tab) messages(from string) []string {
	tab.t.Helper()
	return evaluate[[]string](tab, fmt.Sprintf(`Array.from(document.querySelectorAll("#log > [data-from=%s]"), (line) => (line.querySelector("p") ?? line).textContent)`, from))
}

// becomes waits for a state of the page.
func (tab *tab) becomes(state string) {
	tab.t.Helper()
	tab.wait(fmt.Sprintf("document.body?.dataset.state === %q", state))
}

// shows waits for a path on the badge.
func (tab *tab) shows(path string) {
	tab.t.Helper()
	tab.wait(fmt.Sprintf(`document.getElementById("path").dataset.path === %q`, path))
}

// showsRelay waits until the path goes by a relay, over whatever transport: where
// there is no delay, TCP wins if the first Allocate over UDP is lost, and Chromium
// loses it now and then while it opens its socket. It asks again after 250 ms, and
// when it has a working pair by then it takes no further candidates.
func (tab *tab) showsRelay() {
	tab.t.Helper()
	tab.wait(`document.getElementById("path").dataset.path.startsWith("relay-")`)
}

// close closes the tab as its x does.
func (tab *tab) close() {
	tab.t.Helper()
	tab.do("close the tab", tab.driver.close)
}

// match is the MATCH that brought the newest partner to this page.
func (tab *tab) match() wire.MatchMessage {
	tab.t.Helper()
	matches := evaluate[[]wire.MatchMessage](tab, "window.witness.matches")
	if len(matches) == 0 {
		tab.t.Fatalf("%s: no MATCH was seen on /matchmaking", tab.name)
	}
	return matches[len(matches)-1]
}

// connection asks the browser how it is connected.
func (tab *tab) connection() connection {
	tab.t.Helper()
	return evaluate[connection](tab, "window.witness.connection()")
}

// wait waits until a JavaScript condition on the document holds.
func (tab *tab) wait(condition string) {
	tab.t.Helper()
	evaluate[bool](tab, fmt.Sprintf(`new Promise((resolve) => {
		const holds = () => %s;
		if (holds()) return resolve(true);
		new MutationObserver((_, observer) => {
			if (!holds()) return;
			observer.disconnect();
			resolve(true);
		}).observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
	})`, condition))
}

// evaluate runs JavaScript in the page and waits for its promise. T is what JSON
// makes of it.
func evaluate[T any](tab *tab, script string) (result T) {
	tab.t.Helper()
	tab.do(script, func(ctx context.Context) error {
		text, err := tab.driver.evaluate(ctx, "(async () => JSON.stringify(await ("+script+")) ?? 'null')()")
		if err != nil {
			return err
		}
		return json.Unmarshal([]byte(text), &result)
	})
	return result
}

// do carries out one action, for which there is patience.
func (tab *tab) do(what string, action func(context.Context) error) {
	tab.t.Helper()
	ctx, cancel := context.WithTimeout(tab.t.Context(), patience)
	defer cancel()
	if err := action(ctx); err != nil {
		tab.t.Fatalf("%s: %s: %v", tab.name, what, err)
	}
}

// explain shows what is known of the tab, once, if the test has failed.
func (tab *tab) explain() {
	if !tab.t.Failed() || tab.explained {
		return
	}
	tab.explained = true
	ctx, cancel := context.WithTimeout(context.WithoutCancel(tab.t.Context()), 5*time.Second)
	defer cancel()
	const look = `Promise.resolve(JSON.stringify({
		url: location.href, state: document.body.dataset.state, path: document.getElementById("path")?.dataset.path,
		text: document.body.innerText, log: document.getElementById("log")?.innerHTML,
	}))`
	if text, err := tab.driver.evaluate(ctx, look); err != nil {
		tab.t.Logf("%s: the page does not answer: %v", tab.name, err)
	} else {
		var seen map[string]string
		_ = json.Unmarshal([]byte(text), &seen) // what is missing stays empty
		tab.t.Logf("%s: %s is %q over %q, shows\n%s\nand its log is\n%s", tab.name, seen["url"], seen["state"], seen["path"], seen["text"], seen["log"])
	}
	if pairs, err := tab.driver.evaluate(ctx, "window.witness.pairs()"); err == nil { // there may be no connection
		tab.t.Logf("%s: its candidates and pairs:\n%s", tab.name, pairs)
	}
	tab.t.Logf("%s: console of the browser:\n%s", tab.name, tab.driver.console())
}

// connection is what the browser says of the newest RTCPeerConnection.
type connection struct {
	Policy     string           `json:"policy"`     // iceTransportPolicy
	ICEServers []wire.ICEServer `json:"iceServers"` // that it is configured with
	Local      candidate        `json:"local"`      // of the pair in use
	Remote     candidate        `json:"remote"`
	Known      []candidate      `json:"known"` // all remote candidates
}

// candidate is an RTCIceCandidateStats, as far as it matters here.
type candidate struct {
	Type          string `json:"type"` // host, srflx, prflx or relay
	Address       string `json:"address"`
	RelayProtocol string `json:"relayProtocol"` // udp, tcp or tls, of a local relay candidate
}
