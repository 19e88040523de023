//go:build browser

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// patience is how long anything may take that a test waits for. Most takes well
// under a second; a busy machine and a relay over TCP are slower.
const patience = 30 * time.Second

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
	t       *testing.T
	name    string
	target  *chromedp.Target
	witness *witness

	explained bool
}

// open opens a page and waits until START can be pressed.
func (c *chromium) open(t *testing.T, name, url string) *tab {
	t.Helper()
	ctx := c.newTab()
	tab := &tab{t: t, name: name, witness: newWitness()}
	if err := chromedp.Listen(ctx, tab.witness.see); err != nil {
		t.Fatalf("open a tab: %v", err)
	}
	tab.target = chromedp.FromContext(ctx).Target
	t.Cleanup(tab.explain)
	do(tab, "watch the page", func(ctx context.Context, target *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, target, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: witnessJS})
		return chromedp.Void{}, err
	})
	tab.visit(url)
	return tab
}

// visit goes to a page, again if it is there already.
func (tab *tab) visit(url string) {
	tab.t.Helper()
	do(tab, "visit "+url, chromedp.Navigate(url))
	tab.becomes(idle)
}

func (tab *tab) start() { tab.t.Helper(); tab.press("start") }
func (tab *tab) next()  { tab.t.Helper(); tab.press("next") }
func (tab *tab) stop()  { tab.t.Helper(); tab.press("stop") }

// press clicks a button with the mouse, as soon as it is enabled.
func (tab *tab) press(id string) {
	tab.t.Helper()
	tab.wait(fmt.Sprintf("document.getElementById(%q)?.disabled === false", id))
	do(tab, "press "+id, chromedp.Click(chromedp.CSS("#"+id)))
}

// say writes a message and sends it.
func (tab *tab) say(text string) {
	tab.t.Helper()
	tab.wait(`document.getElementById("message").disabled === false`)
	do(tab, "write "+text, chromedp.Steps(
		chromedp.Focus(chromedp.CSS("#message")),
		func(ctx context.Context, target *chromedp.Target) (chromedp.Void, error) {
			_, err := cdp.Call(ctx, target, input.InsertText, input.InsertTextParams{Text: text})
			return chromedp.Void{}, err
		}))
	tab.press("send")
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

// close closes the tab as its x does.
func (tab *tab) close() {
	tab.t.Helper()
	do(tab, "close the tab", func(ctx context.Context, target *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, target, page.Close, cdp.Empty{})
		return chromedp.Void{}, err
	})
}

// match is the MATCH that brought the newest partner.
func (tab *tab) match() wire.MatchMessage {
	tab.t.Helper()
	m, ok := tab.witness.lastMatch()
	if !ok {
		tab.t.Fatalf("%s: no MATCH was seen on /matchmaking", tab.name)
	}
	return m
}

// connection asks the browser how it is connected.
func (tab *tab) connection() connection {
	tab.t.Helper()
	return evaluate[connection](tab, "window.witness()")
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

// evaluate runs JavaScript in the page and waits for its promise.
func evaluate[T any](tab *tab, script string) T {
	tab.t.Helper()
	return do(tab, script, chromedp.Evaluate[T](script, chromedp.EvalAwaitPromise))
}

// do carries out one action, for which there is patience.
func do[T any](tab *tab, what string, action chromedp.Action[T]) T {
	tab.t.Helper()
	ctx, cancel := context.WithTimeout(tab.t.Context(), patience)
	defer cancel()
	result, err := action(ctx, tab.target)
	if err != nil {
		tab.t.Fatalf("%s: %s: %v", tab.name, what, err)
	}
	return result
}

// explain shows what is known of the tab, once, if the test has failed.
func (tab *tab) explain() {
	if !tab.t.Failed() || tab.explained {
		return
	}
	tab.explained = true
	ctx, cancel := context.WithTimeout(context.WithoutCancel(tab.t.Context()), 5*time.Second)
	defer cancel()
	const look = `({
		url: location.href, state: document.body.dataset.state, path: document.getElementById("path")?.dataset.path,
		text: document.body.innerText, log: document.getElementById("log")?.innerHTML,
	})`
	result, err := cdp.Call(ctx, tab.target, runtime.Evaluate, runtime.EvaluateParams{Expression: look, ReturnByValue: new(true)})
	if err != nil {
		tab.t.Logf("%s: the page does not answer: %v", tab.name, err)
	} else {
		var seen map[string]string
		_ = json.Unmarshal(result.Result.Value, &seen) // what is missing stays empty
		tab.t.Logf("%s: %s is %q over %q, shows\n%s\nand its log is\n%s", tab.name, seen["url"], seen["state"], seen["path"], seen["text"], seen["log"])
	}
	tab.t.Logf("%s: console of the browser:\n%s", tab.name, tab.witness.consoleText())
}
