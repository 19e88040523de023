//go:build browser

package e2e

import (
	"testing"

	"github.com/wasmp2pchat/wasmp2pchat/internal/natlab"
)

// TestOnePort443 is the network of a strict office on both sides: nothing leaves
// it but TCP to port 443. Page, WebSockets and relay are there, under one name.
func TestOnePort443(t *testing.T) {
	t.Parallel()
	w := newLand(t, natlab.TCP443Only, natlab.TCP443Only)
	w.site = "https://" + domain + "/"
	w.serve(append(w.named(w.lab.Server().Addr()), "ADDR=51.51.51.10:443")...)
	w.people(chromium, chromium)
	w.meetThrice("relay-tls")
	w.b.close()
	w.b = w.person(natlab.SideB, firefox)
	w.meetThrice("relay-tls")
	for _, tab := range []*tab{w.a, w.b} {
		if got := tab.protocol(); got != "h2" {
			t.Errorf("%s: the page came by %s, want h2", tab.name, got)
		}
	}
}

// TestOnePort80 is the same without certificates: nothing leaves but TCP to port
// 80.
func TestOnePort80(t *testing.T) {
	t.Parallel()
	w := newLand(t, natlab.TCP80Only, natlab.TCP80Only)
	w.serve("TURN_TCP_ADDR=off")
	w.people(chromium, chromium)
	w.meetThrice("relay-tcp")
	w.b.close()
	w.b = w.person(natlab.SideB, firefox)
	w.meetThrice("relay-tcp")
}

// meetThrice lets the two chat again and again: what works once may have been
// luck.
func (w *world) meetThrice(path string) {
	w.t.Helper()
	for range rounds {
		w.chats(path)
		w.usesItsCredentials()
		w.part()
	}
}

// protocol is what the site answers by, as ALPN calls it (RFC 7301). The page
// itself may have come from its service worker.
func (tab *tab) protocol() string {
	tab.t.Helper()
	return evaluate[string](tab, `fetch("/version").then((answer) => answer.text()).then(() =>
		performance.getEntriesByType("resource").findLast((r) => r.name.endsWith("/version")).nextHopProtocol)`)
}
