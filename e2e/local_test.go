//go:build browser

package e2e

import (
	"net"
	"strconv"
	"testing"
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

// serveHere starts a server on this computer, for browsers on it.
func serveHere(t *testing.T) (url string, s *server) {
	t.Helper()
	port, turn := freePort(t), freePort(t)
	s = startServer(t, &thisComputer{}, "127.0.0.1:"+freePort(t), "ADDR=127.0.0.1:"+port, "TURN_UDP_ADDR=:"+turn, "TURN_TCP_ADDR=:"+turn)
	return "http://localhost:" + port, s
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
