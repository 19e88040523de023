//go:build browser

package e2e

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"
)

// TestLooks goes through the states of the page in every language, changing it
// in the middle of each, and takes the pictures. Nothing may be lost by that, and
// nothing may be wider than the screen.
func TestLooks(t *testing.T) {
	url, server := serveHere(t)
	browser := chromium.launch(t, &thisComputer{}, habits{})
	a := openTab(t, browser, "A", url+"?tags=go,music")
	b := openTab(t, browser, "B", url+"?tags=music&lang=fr")
	if got := evaluate[string](b, "document.documentElement.lang"); got != "fr" {
		t.Errorf("?lang=fr is served in %q", got)
	}
	a.photograph("idle")
	a.press("understood")
	a.photograph("known")

	a.start()
	a.becomes(waiting)
	a.photograph("waiting")
	b.start()
	a.becomes(chatting)
	b.becomes(chatting)
	a.shows("direct")

	b.say("Hi! Where are you connecting from?")
	a.say("From a train in Brittany, and it still works. 🙃")
	a.say("A second line\nwith a break")
	b.hears("From a train in Brittany, and it still works. 🙃", "A second line\nwith a break")
	b.say("Ha. I am in Kyoto, on a phone. 京都からです。")
	b.say("مرحبا، كيف حالك؟")
	said := []string{"Hi! Where are you connecting from?", "Ha. I am in Kyoto, on a phone. 京都からです。", "مرحبا، كيف حالك؟"}
	a.hears(said...)
	a.wait(`document.querySelector("#log > [data-note]") !== null`)
	a.write("Mostly Satie at night")
	a.photograph("chatting")
	a.hears(said...)
	a.press("path")
	a.photograph("path")
	a.press("path")
	a.press("report")
	a.photograph("report")
	a.press("cancel")

	b.next()
	a.becomes(left)
	a.photograph("left")
	a.stop()
	b.stop()
	server.stop()
	a.start()
	a.becomes("error")
	a.photograph("error")
	for _, screen := range []screen{desktop, phone, narrow} {
		a.paints(".hero .check", screen)
	}
}

// paints wants something of an element to be seen on a screen: neither scrolled
// out of it nor painted over, of which the document knows nothing.
func (tab *tab) paints(selector string, on screen) {
	tab.t.Helper()
	width, height, _ := on.size()
	var shot []byte
	var box struct{ X, Y, Width, Height float64 }
	tab.do("look for "+selector, func(ctx context.Context) (err error) {
		target := tab.driver.(*chromiumDriver).target
		if _, err = chromedp.EmulateViewport(width, height)(ctx, target); err != nil {
			return err
		}
		box = evaluate[struct{ X, Y, Width, Height float64 }](tab, settled+fmt.Sprintf(`.then(() => document.querySelector(%q).getBoundingClientRect())`, selector))
		if shot, err = chromedp.CaptureScreenshot()(ctx, target); err == nil {
			_, err = chromedp.ResetViewport()(ctx, target)
		}
		return err
	})
	picture, err := png.Decode(bytes.NewReader(shot))
	if err != nil {
		tab.t.Fatal(err)
	}
	colours := map[color.Color]bool{}
	for y := range int(box.Height) {
		for x := range int(box.Width) {
			if at := image.Pt(int(box.X)+x, int(box.Y)+y); at.In(picture.Bounds()) {
				colours[picture.At(at.X, at.Y)] = true
			}
		}
	}
	if len(colours) < 2 {
		tab.t.Errorf("%s: nothing is seen of %s on a %s, at %+v", tab.name, selector, on, box)
	}
}

// photograph saves the page as it is now, by day and by night, on several
// screens and in every language, if the flag -screenshots says where.
func (tab *tab) photograph(name string) {
	tab.t.Helper()
	for _, language := range []string{"fr", "ja", "en"} {
		tab.speaks(language)
		for _, look := range []look{{desktop, false}, {desktop, true}, {phone, false}, {phone, true}, {narrow, false}} {
			scheme := map[bool]string{false: "light", true: "dark"}[look.dark]
			tab.picture(fmt.Sprintf("%s-%s-%s-%s.png", name, language, look.screen, scheme), look)
		}
	}
}

// picture looks at the page, which must not be wider than the screen, and saves
// what it has seen. Where there is no folder for pictures it only takes the
// narrow look.
func (tab *tab) picture(name string, look look) {
	tab.t.Helper()
	dir := flag.Lookup("screenshots").Value.String()
	if dir == "" && look.screen != narrow {
		return
	}
	tab.do("take "+name, func(ctx context.Context) error {
		png, err := tab.driver.picture(ctx, look)
		if errors.Is(err, errors.ErrUnsupported) {
			return nil
		}
		if err != nil || dir == "" {
			return err
		}
		return errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(filepath.Join(dir, name), png, 0o600))
	})
}

// speaks changes the language with the menu of the page.
func (tab *tab) speaks(language string) {
	tab.t.Helper()
	evaluate[bool](tab, fmt.Sprintf(`(() => {
		const menu = document.getElementById("language");
		menu.value = %q;
		return menu.dispatchEvent(new Event("change", { bubbles: true }));
	})()`, language))
	tab.wait(fmt.Sprintf("document.documentElement.lang === %q", language))
}
