//go:build browser

package e2e

import (
	"context"
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// TestTwoTabsOnLocalhost is what somebody sees who runs make run: two tabs of
// one browser on this computer, no laboratory. It also takes the pictures.
func TestTwoTabsOnLocalhost(t *testing.T) {
	here := &thisComputer{}
	port, turn := freePort(t), freePort(t)
	startServer(t, here, "127.0.0.1:"+freePort(t), "ADDR=127.0.0.1:"+port, "TURN_UDP_ADDR=:"+turn, "TURN_TCP_ADDR=:"+turn)
	chromium := launch(t, here)
	a := chromium.open(t, "A", "http://localhost:"+port)
	b := chromium.open(t, "B", "http://localhost:"+port)
	a.photograph("idle")

	a.start()
	a.becomes(waiting)
	a.photograph("waiting")
	b.start()
	a.becomes(chatting)
	b.becomes(chatting)
	a.shows("direct")

	a.say("Hello! Is anybody there?")
	b.hears("Hello! Is anybody there?")
	b.say("Somebody is.")
	a.hears("Somebody is.")
	a.photograph("chatting")

	a.next()
	b.becomes(left)
	b.photograph("left")
	b.next()
	a.becomes(chatting)
	b.becomes(chatting)
	a.say("You again")
	b.hears("You again")

	a.stop()
	a.becomes(idle)
	b.becomes(left)
	b.stop()
	b.becomes(idle)
}

// freePort is a port of this computer that nobody listens on now.
func freePort(t *testing.T) string {
	t.Helper()
	var lc net.ListenConfig
	listener, err := lc.Listen(t.Context(), "tcp4", ":0")
	if err != nil {
		t.Fatal(err)
	}
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	return strconv.Itoa(listener.Addr().(*net.TCPAddr).Port)
}

// photograph saves the page as it is now, on a desktop and on a phone, by day
// and by night, if the flag -screenshots says where.
func (tab *tab) photograph(name string) {
	tab.t.Helper()
	dir := flag.Lookup("screenshots").Value.String()
	if dir == "" {
		return
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		tab.t.Fatal(err)
	}
	for device, size := range map[string]chromedp.Action[chromedp.Void]{
		"desktop": chromedp.EmulateViewport(1100, 760),
		"phone":   chromedp.EmulateViewport(390, 780, chromedp.EmulateScale(2), chromedp.EmulateMobile, chromedp.EmulateTouch),
	} {
		for _, scheme := range []string{"light", "dark"} {
			picture := filepath.Join(dir, fmt.Sprintf("%s-%s-%s.png", name, device, scheme))
			do(tab, "prepare "+picture, chromedp.Steps(size, prefers(scheme)))
			tab.settles()
			if err := os.WriteFile(picture, do(tab, "take "+picture, chromedp.CaptureScreenshot()), 0o600); err != nil {
				tab.t.Fatal(err)
			}
		}
	}
	do(tab, "end the emulation", chromedp.Steps(chromedp.ResetViewport(), prefers("")))
}

// settles waits until transitions have ended and a frame was drawn.
func (tab *tab) settles() {
	tab.t.Helper()
	evaluate[bool](tab, `Promise.allSettled(document.getAnimations().filter((a) => a.effect.getTiming().iterations !== Infinity).map((a) => a.finished))
		.then(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(() => resolve(true)))))`)
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
