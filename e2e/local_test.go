//go:build browser

package e2e

import (
	"strconv"
	"testing"

	"github.com/wasmp2pchat/wasmp2pchat/internal/freeport"
)

// TestTwoTabsOnLocalhost is what somebody sees who runs make run: two tabs of
// one browser on this computer, no laboratory.
func TestTwoTabsOnLocalhost(t *testing.T) {
	url, _ := serveHere(t)
	browser := chromium.launch(t, &thisComputer{}, habits{})
	a := openTab(t, browser, "A", url)
	b := openTab(t, browser, "B", url)

	a.start()
	a.becomes(waiting)
	b.start()
	a.becomes(chatting)
	b.becomes(chatting)
	a.shows("direct")

	a.say("Hello! Is anybody there?")
	b.hears("Hello! Is anybody there?")
	b.say("Somebody is.")
	a.hears("Somebody is.")

	a.next()
	b.becomes(left)
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

// TestTabAndTerminalOnLocalhost lets a tab and a terminal of this computer meet,
// whose browser tells what browsers tell of themselves: of its own addresses names
// of mDNS alone. Who has waited makes the offer, and with it chooses the path.
func TestTabAndTerminalOnLocalhost(t *testing.T) {
	for _, brand := range []brand{chromium, firefox} {
		t.Run(string(brand), func(t *testing.T) {
			url, _ := serveHere(t)
			tab := openTab(t, brand.launch(t, &thisComputer{}, habits{}), string(brand), url)

			tab.start()
			tab.wait(`document.getElementById("note").textContent.startsWith("Nobody else is waiting yet")`)
			tab.answersTo(openTerminal(t, &thisComputer{}, url))

			waits := openTerminal(t, &thisComputer{}, url)
			waits.prints("1 waiting")
			tab.start()
			tab.answersTo(waits)
		})
	}
}

// answersTo greets a terminal, is greeted, and leaves.
func (tab *tab) answersTo(terminal *terminal) {
	tab.t.Helper()
	tab.becomes(chatting)
	tab.shows("direct")
	terminal.prints("direct")
	tab.say("clicked")
	terminal.prints("clicked")
	terminal.say("typed")
	tab.hears("typed")
	tab.stop()
	tab.becomes(idle)
}

// serveHere starts a server on this computer, for browsers on it.
func serveHere(t *testing.T) (url string, s *server) {
	t.Helper()
	port, turn := freePort(t), freePort(t)
	s = startServer(t, &thisComputer{}, "127.0.0.1:"+freePort(t), "ADDR=127.0.0.1:"+port, "TURN_UDP_ADDR=:"+turn, "TURN_TCP_ADDR=:"+turn)
	return "http://localhost:" + port, s
}

// freePort is a port of this computer that nobody has now.
func freePort(t *testing.T) string {
	t.Helper()
	port, err := freeport.Find(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return strconv.Itoa(port)
}
