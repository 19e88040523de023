//go:build browser

package e2e

import (
	"testing"

	"github.com/wasmp2pchat/wasmp2pchat/internal/natlab"
)

// TestBrowserAndTerminal lets a browser behind one NAT and the native client
// behind the other one talk, directly and with the terminal's address hidden.
func TestBrowserAndTerminal(t *testing.T) {
	for _, c := range []struct {
		name    string
		flags   []string
		printed string // of the path
		badge   string
	}{
		{"direct", nil, "direct", "direct"},
		{"relayed", []string{"--relay"}, "relay", "relay-udp"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newTown(t, natlab.PortRestrictedCone, natlab.PortRestrictedCone)
			browser := w.person(natlab.SideA, chromium)
			browser.start()
			browser.becomes(waiting)
			terminal := openTerminal(t, w.lab.Client(natlab.SideB), append(c.flags, site)...)
			terminal.prints(c.printed)
			browser.becomes(chatting)
			browser.shows(c.badge)

			terminal.say("typed")
			browser.hears("typed")
			browser.say("clicked")
			terminal.prints("clicked")

			browser.stop()
			browser.becomes(idle)
			terminal.prints("left")
		})
	}
}
