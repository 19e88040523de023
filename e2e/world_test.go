//go:build browser

package e2e

import (
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/wasmp2pchat/wasmp2pchat/internal/natlab"
)

// site is where the server of a world is.
const site = "http://51.51.51.10/"

// world is a laboratory with a server and two people in it, one behind each
// NAT. All of it ends with its test.
type world struct {
	t      *testing.T
	lab    *natlab.Lab
	server *server
	a, b   *tab
}

// newWorld starts everything and opens the page on both sides. Settings are
// the server's, NAME=value without the prefix.
func newWorld(t *testing.T, a, b natlab.NAT, settings ...string) *world {
	t.Helper()
	w := newTown(t, a, b, settings...)
	w.a, w.b = w.person(natlab.SideA), w.person(natlab.SideB)
	t.Cleanup(func() { // before the end of one changes what the other shows
		w.a.explain()
		w.b.explain()
	})
	return w
}

// newTown is a world without people.
func newTown(t *testing.T, a, b natlab.NAT, settings ...string) *world {
	t.Helper()
	need(t, natlab.Available())
	lab, err := natlab.New(t.Context(), a, b)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := lab.Close(); err != nil {
			t.Error(err)
		}
	})
	settings = append([]string{
		"ADDR=51.51.51.10:80",
		"PUBLIC_IPS=51.51.51.10",
		"TURN_UDP_ADDR=:3478",
		"TURN_TCP_ADDR=:3478",
		"TURN_SECRETS=not a secret outside of this laboratory",
	}, settings...)
	return &world{t: t, lab: lab, server: startServer(t, lab.Server(), "127.0.0.1:9090", settings...)}
}

// person is somebody with a browser of his own, who looks at the page. The
// browser tells addresses as they are: mDNS does not pass routers.
func (w *world) person(side natlab.Side) *tab {
	w.t.Helper()
	noMDNS := chromedp.Flag("disable-features", "WebRtcHideLocalIpsWithMdns")
	return launch(w.t, w.lab.Client(side), noMDNS).open(w.t, side.String(), site)
}

// meet presses START on both sides and waits until the two can talk.
func (w *world) meet() {
	w.t.Helper()
	w.a.start()
	w.b.start()
	w.a.becomes(chatting)
	w.b.becomes(chatting)
}

// part lets A leave and B see it, and gives both a fresh page.
func (w *world) part() {
	w.t.Helper()
	w.a.stop()
	w.b.becomes(left)
	w.a.visit(site)
	w.b.visit(site)
}
