//go:build browser

package e2e

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// findChromium looks for the names that distributions use.
func findChromium() (path string, err error) {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err = exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", missing(err, "Chromium", "chromium")
}

// onlyOurs keeps Chromium from finding its maker's servers: it asks for them
// whatever the other flags say.
func onlyOurs() string {
	rules := []string{"MAP * ~NOTFOUND"}
	for _, ours := range []string{"localhost", "127.*", "51.51.*", "*2a0a:*", domain, domain + "."} {
		rules = append(rules, "EXCLUDE "+ours)
	}
	return strings.Join(rules, ", ")
}

// ownPages are the features with which a new Chromium, before it shows any
// page, loads pages of its own for its address field: half a second of both
// cores that no test needs.
const ownPages = "WebUIOmniboxPopup,WebUIOmniboxAimPopup,WebUIOmniboxFullPopup,PreloadTopChromeWebUI"

// chromiumBrowser makes the context of a new tab, which lives as long as the
// browser.
type chromiumBrowser func() context.Context

// launchChromium starts a browser that is driven through a pipe, so it may be on
// a machine that the test cannot reach.
func launchChromium(t *testing.T, on machine, h habits) chromiumBrowser {
	t.Helper()
	path, err := findChromium()
	need(t, err)
	without := ownPages
	if h.tellsAddresses {
		without += ",WebRtcHideLocalIpsWithMdns"
	}
	options := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(path),
		chromedp.ModifyCmdFunc(func(cmd *exec.Cmd) { move(cmd, on) }),
		chromedp.Env("HOME=" + home(t, h)),
		chromedp.Flag("disable-features", without),
		chromedp.Flag("host-resolver-rules", onlyOurs()),
		chromedp.Flag("headless", true),
		chromedp.Flag("no-sandbox", true), // root may not have one
		chromedp.Flag("disable-gpu", true),
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("no-first-run", true),
		chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true),
		chromedp.Flag("disable-dev-shm-usage", true), // containers have little of it
	}
	life, stop := chromedp.NewExecAllocator(context.WithoutCancel(t.Context()), options...)
	t.Cleanup(stop)
	quiet := func(string, ...any) {} // a t.Logf may come after the test; faults come as errors too
	browser, closeBrowser := chromedp.NewContext(life, chromedp.WithErrorf(quiet))
	t.Cleanup(closeBrowser)
	if err := chromedp.Do(browser); err != nil {
		t.Fatalf("launch %s: %v", path, err)
	}
	return func() context.Context {
		tab, closeTab := chromedp.NewContext(browser)
		context.AfterFunc(browser, closeTab)
		return tab
	}
}

func (newTab chromiumBrowser) open(t *testing.T) driver {
	t.Helper()
	ctx := newTab()
	d := &chromiumDriver{}
	if err := chromedp.Listen(ctx, d.see); err != nil {
		t.Fatalf("open a tab: %v", err)
	}
	d.target = chromedp.FromContext(ctx).Target
	if _, err := cdp.Call(ctx, d.target, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: witnessJS}); err != nil {
		t.Fatalf("watch the page: %v", err)
	}
	return d
}

// chromiumDriver is a tab, driven by the DevTools protocol.
type chromiumDriver struct {
	target *chromedp.Target

	mu    sync.Mutex // guards the field below
	lines []string
}

// see takes every event of the tab; it must be quick.
func (d *chromiumDriver) see(event any) {
	var line string
	switch ev := event.(type) {
	case *runtime.EventConsoleAPICalled:
		var words []string
		for _, arg := range ev.Args {
			words = append(words, strings.Trim(string(arg.Value), `"`)+arg.Description)
		}
		line = fmt.Sprint(ev.Type, ": ", strings.Join(words, " "))
	case *runtime.EventExceptionThrown:
		line = (&chromedp.ExceptionError{ExceptionDetails: ev.ExceptionDetails}).Error()
	case *log.EventEntryAdded:
		line = fmt.Sprint(ev.Entry.Level, ": ", ev.Entry.Text, " ", ev.Entry.URL)
	default:
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, line)
}

func (d *chromiumDriver) console() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return strings.Join(d.lines, "\n")
}

func (d *chromiumDriver) visit(ctx context.Context, url string) error {
	_, err := chromedp.Navigate(url)(ctx, d.target)
	return err
}

func (d *chromiumDriver) click(ctx context.Context, id string) error {
	_, err := chromedp.Click(chromedp.CSS("#"+id))(ctx, d.target)
	return err
}

func (d *chromiumDriver) write(ctx context.Context, id, text string) error {
	if _, err := chromedp.Focus(chromedp.CSS("#"+id))(ctx, d.target); err != nil {
		return err
	}
	_, err := cdp.Call(ctx, d.target, input.InsertText, input.InsertTextParams{Text: text})
	return err
}

func (d *chromiumDriver) keys(ctx context.Context, keys string) error {
	if keys == backKey {
		_, err := chromedp.KeyEvent(tabKey, chromedp.KeyModifiers(chromedp.ModifierShift))(ctx, d.target)
		return err
	}
	_, err := chromedp.KeyEvent(keys)(ctx, d.target)
	return err
}

func (d *chromiumDriver) close(ctx context.Context) error {
	_, err := cdp.Call(ctx, d.target, page.Close, cdp.Empty{})
	return err
}

func (d *chromiumDriver) evaluate(ctx context.Context, script string) (string, error) {
	return chromedp.Evaluate[string](script, chromedp.EvalAwaitPromise)(ctx, d.target)
}

func (d *chromiumDriver) picture(ctx context.Context, look look) ([]byte, error) {
	width, height, isPhone := look.screen.size()
	size, scheme := chromedp.EmulateViewport(width, height), "light"
	if isPhone {
		size = chromedp.EmulateViewport(width, height, chromedp.EmulateScale(phoneScale), chromedp.EmulateMobile, chromedp.EmulateTouch)
	}
	if look.dark {
		scheme = "dark"
	}
	if _, err := chromedp.Steps(size, prefers(scheme))(ctx, d.target); err != nil {
		return nil, err
	}
	if _, err := d.evaluate(ctx, settled); err != nil {
		return nil, err
	}
	picture, err := chromedp.CaptureScreenshot()(ctx, d.target)
	if err != nil {
		return nil, err
	}
	_, err = chromedp.Steps(chromedp.ResetViewport(), prefers(""))(ctx, d.target)
	return picture, err
}

// prefers emulates prefers-color-scheme; empty ends that.
func prefers(scheme string) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		})
		return err
	})
}
