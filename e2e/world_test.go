//go:build browser

package e2e

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/natlab"
)

// site is where the server of a world is.
const site = "http://51.51.51.10/"

// world is a laboratory with a server and two people in it, one behind each
// NAT. All of it ends with its test.
type world struct {
	t      *testing.T
	lab    *natlab.Lab
	site   string // what people open
	trusts string // file of the CA that browsers trust; empty for none of ours
	hides  bool   // browsers hide the addresses of their networks, as most people have it
	server *server
	a, b   *tab
}

// newWorld starts everything and opens the page on both sides. Settings are
// the server's, NAME=value without the prefix.
func newWorld(t *testing.T, a, b natlab.NAT, settings ...string) *world {
	t.Helper()
	w := newTown(t, a, b, settings...)
	w.people(chromium, chromium)
	return w
}

// people opens the page on both sides.
func (w *world) people(a, b brand) {
	w.t.Helper()
	w.a, w.b = w.person(natlab.SideA, a), w.person(natlab.SideB, b)
	w.t.Cleanup(func() { // before the end of one changes what the other shows
		w.a.explain()
		w.b.explain()
	})
}

// newTown is a world without people.
func newTown(t *testing.T, a, b natlab.NAT, settings ...string) *world {
	t.Helper()
	w := newLand(t, a, b)
	w.serve(settings...)
	return w
}

// newLand is a world without a server.
func newLand(t *testing.T, a, b natlab.NAT) *world {
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
	return &world{t: t, lab: lab, site: site}
}

// serve starts the server; of settings that are the same the last one counts.
func (w *world) serve(settings ...string) {
	w.t.Helper()
	w.server = startServer(w.t, w.lab.Server(), "127.0.0.1:9090", append([]string{
		"ADDR=51.51.51.10:80",
		"PUBLIC_IPS=51.51.51.10",
		"TURN_UDP_ADDR=:3478",
		"TURN_TCP_ADDR=:3478",
		"TURN_SECRETS=not a secret outside of this laboratory",
	}, settings...)...)
}

// person is somebody with a browser of his own, who looks at the page.
func (w *world) person(side natlab.Side, brand brand) *tab {
	w.t.Helper()
	browser := brand.launch(w.t, w.lab.Client(side), habits{tellsAddresses: !w.hides, trusts: w.trusts})
	return openTab(w.t, browser, fmt.Sprintf("%v, %s", side, brand), w.site)
}

// lasts lets time pass that is a fact of the test: how long something is down.
func (w *world) lasts(d time.Duration) {
	w.t.Helper()
	over := time.NewTimer(d)
	defer over.Stop()
	select {
	case <-over.C:
	case <-w.t.Context().Done():
	}
}

// addHost adds a host to the laboratory.
func (w *world) addHost(name, addr string) *natlab.Host {
	w.t.Helper()
	host, err := w.lab.Join(w.t.Context(), name, netip.MustParseAddr(addr))
	if err != nil {
		w.t.Fatal(err)
	}
	return host
}

// setNATs changes both NATs.
func (w *world) setNATs(a, b natlab.NAT) {
	w.t.Helper()
	ctx := w.t.Context()
	if err := errors.Join(w.lab.SetNAT(ctx, natlab.SideA, a), w.lab.SetNAT(ctx, natlab.SideB, b)); err != nil {
		w.t.Fatal(err)
	}
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
	w.a.visit(w.site)
	w.b.visit(w.site)
}
