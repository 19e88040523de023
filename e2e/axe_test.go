//go:build browser

package e2e

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// axeSource is axe-core as npm has it. The Makefile fetches it and holds it to
// its checksum.
func axeSource() (source string, err error) {
	path := flag.Lookup("axe").Value.String()
	if path == "" {
		return "", errors.New("no axe-core: make browser fetches it, -axe says where it is")
	}
	file, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("no axe-core, is npm missing?: %w", err)
	}
	return string(file), nil
}

// clinic is a page of this computer that axe-core looks at, and whoever it
// talks to.
type clinic struct {
	*tab
	url    string
	server *server
}

// newClinic opens the page with axe-core beside it.
func newClinic(t *testing.T) *clinic {
	t.Helper()
	axe, err := axeSource()
	need(t, err)
	c := &clinic{}
	c.server, c.url = newLocalServer(t)
	c.tab = openTab(t, chromium.launch(t, &thisComputer{}, habits{}), "A", c.url)
	c.do("load axe-core", func(ctx context.Context) error {
		_, err := c.driver.evaluate(ctx, "(() => {"+axe+"\n})(); Promise.resolve('')")
		return err
	})
	return c
}

// newLocalServer starts a server on this computer.
func newLocalServer(t *testing.T) (s *server, url string) {
	t.Helper()
	port, turn := freePort(t), freePort(t)
	s = startServer(t, &thisComputer{}, "127.0.0.1:"+freePort(t), "ADDR=127.0.0.1:"+port, "TURN_UDP_ADDR=:"+turn, "TURN_TCP_ADDR=:"+turn)
	return s, "http://localhost:" + port
}

// TestAccessibility has axe-core look at every state of the page: by day and by
// night, on a desktop and as narrow as WCAG 2.2 §1.4.10 wants it to work, in every
// language. There must be no violation of any rule.
func TestAccessibility(t *testing.T) {
	t.Parallel()
	c := newClinic(t)
	c.isSound("idle, the first time")
	c.press("understood")
	c.isSound("idle")
	c.start()
	c.becomes(waiting)
	c.isSound("waiting")

	stranger := openTerminal(t, &thisComputer{}, c.url)
	c.becomes(chatting)
	stranger.say("Hello")
	c.hears("Hello")
	c.say("Hello to you")
	c.wait(`document.querySelector("#log > [data-note]") !== null`)
	c.isSound("chatting")
	c.press("path")
	c.isSound("about the path")
	c.press("path")
	c.press("report")
	c.wait(`document.getElementById("complaint").open`)
	c.isSound("report")
	c.press("cancel")
	stranger.leaves()
	c.becomes(left)
	c.isSound("left")
	c.stop()
	c.becomes(idle)
	c.server.stop()
	c.start()
	c.becomes("error")
	c.isSound("error")
}

// isSound runs all rules of axe-core over the page as it is now.
func (c *clinic) isSound(state string) {
	c.t.Helper()
	found := map[string][]string{} // by violation, where
	for _, width := range []int64{1100, 320} {
		for _, scheme := range []string{"light", "dark"} {
			c.looksLike(width, scheme)
			for _, language := range []string{"fr", "ja", "en"} {
				c.switchTo(language)
				for _, violation := range c.violations() {
					found[violation] = append(found[violation], fmt.Sprintf("%d px %s %s", width, scheme, language))
				}
			}
		}
	}
	for violation, where := range found {
		c.t.Errorf("%s: %s (%s)", state, violation, strings.Join(where, ", "))
	}
}

// violations are what axe-core finds, a rule and an element in each. The rule
// about the size of what is touched is one that it leaves out by default.
func (c *clinic) violations() []string {
	c.t.Helper()
	evaluate[string](c.tab, settled)
	return evaluate[[]string](c.tab, `axe.run(document, { resultTypes: ["violations"], rules: { "target-size": { enabled: true } } }).then(({ violations }) =>
		violations.flatMap(({ id, help, nodes }) => nodes.map(({ target, any }) => [id, help, target.join(" "), ...any.map(({ message }) => message)].join(" | "))))`)
}

// looksLike sets the width of the window, and whether it is day.
func (c *clinic) looksLike(width int64, scheme string) {
	c.t.Helper()
	c.do("look", func(ctx context.Context) error {
		_, err := chromedp.Steps(chromedp.EmulateViewport(width, 720), prefers(scheme))(ctx, c.driver.(*chromiumDriver).target)
		return err
	})
}

// switchTo changes the language with the menu of the page.
func (c *clinic) switchTo(language string) {
	c.t.Helper()
	evaluate[any](c.tab, fmt.Sprintf(`(() => {
		const menu = document.getElementById("language");
		menu.value = %q;
		menu.dispatchEvent(new Event("change", { bubbles: true }));
	})()`, language))
	c.wait(fmt.Sprintf("document.documentElement.lang === %q", language))
}
