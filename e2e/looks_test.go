//go:build browser

package e2e

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
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
