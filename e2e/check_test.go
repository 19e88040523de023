//go:build browser

package e2e

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/wasmp2pchat/wasmp2pchat/internal/natlab"
)

// TestCheckFindsOut opens /check in networks of every kind: the verdict is what
// a chat from there would show.
func TestCheckFindsOut(t *testing.T) {
	t.Parallel()
	w := newTown(t, natlab.NoNAT, natlab.Symmetric, "TURN_UDP_ADDR=:3478,:3479")
	a, b := w.checker(natlab.SideA, chromium, true), w.checker(natlab.SideB, chromium, false)
	a.checks(finding{verdict: "good", nat: "open", relay: "UDP"})
	b.checks(finding{verdict: "relay_udp", nat: "changes", relay: "UDP"})
	a.tells("51.51.")

	w.setNATs(natlab.PortRestrictedCone, natlab.UDPBlocked)
	a.checks(finding{verdict: "good", nat: "keeps", relay: "UDP"})
	b.checks(finding{verdict: "relay_tcp", nat: "blocked", relay: "TCP", lost: []string{"stun:", "transport=udp"}})

	a.close()
	b.close()
	w.setNATs(natlab.Symmetric, natlab.NoNAT)
	a, b = w.checker(natlab.SideA, firefox, false), w.checker(natlab.SideB, firefox, false)
	a.checks(finding{verdict: "relay_udp", nat: "changes", relay: "UDP"})
	b.checks(finding{verdict: "good", nat: "keeps", relay: "UDP"}) // who hides his address does not know that it is public
}

// TestCheckInAStrictOffice is a network that nothing leaves but TCP to port 443.
func TestCheckInAStrictOffice(t *testing.T) {
	t.Parallel()
	w := newLand(t, natlab.TCP443Only, natlab.TCP443Only)
	w.site = "https://" + domain + "/"
	w.serve(append(w.named(w.lab.Server().Addr()), "ADDR=51.51.51.10:443")...)
	lost := []string{"stun:", "transport=udp", "turn:"}
	w.checker(natlab.SideA, chromium, false).checks(finding{verdict: "relay_tls", nat: "blocked", relay: "TLS", lost: lost})
	w.checker(natlab.SideB, firefox, false).checks(finding{verdict: "relay_tls", nat: "blocked", relay: "TLS", lost: lost})
}

// TestCheckLooks takes the pictures of the check, in every language. It must not
// be wider than the screen.
func TestCheckLooks(t *testing.T) {
	url, _ := serveHere(t)
	tab := &tab{t: t, name: "A", driver: chromium.launch(t, &thisComputer{}, habits{}).open(t)}
	t.Cleanup(tab.explain)
	for _, language := range []string{"fr", "ja", "en"} {
		c := &checker{tab: tab, url: url + "/check?lang=" + language}
		c.visits()
		if got := evaluate[string](tab, "document.documentElement.lang"); got != language {
			t.Errorf("?lang=%s is served in %q", language, got)
		}
		for _, look := range []look{{desktop, false}, {desktop, true}, {phone, false}, {phone, true}, {narrow, false}} {
			scheme := map[bool]string{false: "light", true: "dark"}[look.dark]
			tab.picture(fmt.Sprintf("check-%s-%s-%s.png", language, look.screen, scheme), look)
		}
	}
}

// checker is a tab that shows /check.
type checker struct {
	*tab
	url string
}

// checker opens the check in a browser of its own, which tells its addresses or, as
// most do, hides them.
func (w *world) checker(side natlab.Side, brand brand, tells bool) *checker {
	w.t.Helper()
	browser := brand.launch(w.t, w.lab.Client(side), habits{tellsAddresses: tells, trusts: w.trusts})
	c := &checker{tab: &tab{t: w.t, name: fmt.Sprintf("%v, %s", side, brand), driver: browser.open(w.t)}, url: w.site + "check"}
	w.t.Cleanup(c.explain)
	return c
}

// finding is what a check finds out.
type finding struct {
	verdict, nat string
	relay        string   // the transport that the row says
	lost         []string // what is in the URLs that cannot be reached; all others can
}

// visits opens the page and waits for the verdict.
func (c *checker) visits() {
	c.t.Helper()
	c.do("visit "+c.url, func(ctx context.Context) error { return c.driver.visit(ctx, c.url) })
	c.becomes("checked")
}

// checks makes a check, and compares what it finds.
func (c *checker) checks(want finding) {
	c.t.Helper()
	c.visits()
	type row struct{ Row, State, Kind, URL, Detail string }
	rows := evaluate[[]row](c.tab, `Array.from(document.querySelectorAll("#rows tr"), (tr) => ({
		row: tr.dataset.row, state: tr.dataset.state, kind: tr.dataset.kind ?? "",
		url: tr.querySelector("small")?.textContent ?? "", detail: tr.cells[2].textContent,
	}))`)
	if got := evaluate[string](c.tab, "document.body.dataset.verdict"); got != want.verdict {
		c.t.Errorf("%s: the verdict is %s, want %s; rows: %+v", c.name, got, want.verdict, rows)
	}
	seen := map[string]int{}
	for _, r := range rows {
		seen[r.Row]++
		switch r.Row {
		case "nat":
			if r.Kind != want.nat {
				c.t.Errorf("%s: the NAT is %q, want %q", c.name, r.Kind, want.nat)
			}
		case "server":
			lost := slices.ContainsFunc(want.lost, func(part string) bool { return strings.Contains(r.URL, part) })
			if got := r.State == "no"; got != lost {
				c.t.Errorf("%s: %s is %q (%s), want it lost: %v", c.name, r.URL, r.State, r.Detail, lost)
			}
		case "relay":
			if !strings.HasSuffix(r.Detail, " "+want.relay) {
				c.t.Errorf("%s: the relay: %q, want it over %s", c.name, r.Detail, want.relay)
			}
		case "websocket", "network":
			if r.State != "ok" && r.State != "slow" {
				c.t.Errorf("%s: %s is %q: %s", c.name, r.Row, r.State, r.Detail)
			}
		}
	}
	if seen["nat"] != 1 || seen["relay"] != 1 || seen["websocket"] != 1 || seen["network"] != 1 || seen["server"] < 3 {
		c.t.Errorf("%s: the rows are %+v", c.name, rows)
	}
}

// tells presses "Copy the report", takes it, and looks for what it must not hold.
func (c *checker) tells(addr string) {
	c.t.Helper()
	c.press("copy")
	c.wait(`!document.getElementById("by-hand").hidden`) // without TLS there is no clipboard
	report := evaluate[string](c.tab, `document.getElementById("by-hand").value`)
	for _, want := range []string{"Verdict: good", "NAT: open", "Relay: ", "TURN udp 3478 IPv4: ", addr} {
		if !strings.Contains(report, want) {
			c.t.Errorf("%s: the report lacks %q:\n%s", c.name, want, report)
		}
	}
	for _, secret := range []string{"51.51.51.10", "credential", "candidate"} {
		if strings.Contains(report, secret) {
			c.t.Errorf("%s: the report holds %q:\n%s", c.name, secret, report)
		}
	}
	c.t.Logf("%s: the report is\n%s", c.name, report)
}

// TestCheckIsAccessible has axe-core look at the check, as wide and as narrow as
// at the chat.
func TestCheckIsAccessible(t *testing.T) {
	axe, err := axeSource()
	need(t, err)
	url, _ := serveHere(t)
	c := &clinic{tab: &tab{t: t, name: "A", driver: chromium.launch(t, &thisComputer{}, habits{}).open(t)}}
	t.Cleanup(c.explain)
	(&checker{tab: c.tab, url: url + "/check"}).visits()
	c.do("load axe-core", func(ctx context.Context) error {
		_, err := c.driver.evaluate(ctx, "(() => {"+axe+"\n})(); Promise.resolve('')")
		return err
	})
	for _, width := range []int64{1100, 320} {
		for _, scheme := range []string{"light", "dark"} {
			c.looksLike(width, scheme)
			for _, violation := range c.violations() {
				t.Errorf("%d px %s: %s", width, scheme, violation)
			}
		}
	}
}
