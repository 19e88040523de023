//go:build browser

package e2e

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

// TestTwoTabsOnLocalhost is what somebody sees who runs make run: two tabs of
// one browser on this computer, no laboratory. It also takes the pictures.
func TestTwoTabsOnLocalhost(t *testing.T) {
	here := &thisComputer{}
	port, turn := freePort(t), freePort(t)
	startServer(t, here, "127.0.0.1:"+freePort(t), "ADDR=127.0.0.1:"+port, "TURN_UDP_ADDR=:"+turn, "TURN_TCP_ADDR=:"+turn)
	browser := chromium.launch(t, here, habits{})
	a := openTab(t, browser, "A", "http://localhost:"+port)
	b := openTab(t, browser, "B", "http://localhost:"+port)
	a.photograph("idle")

	a.start()
	a.becomes(waiting)
	a.photograph("waiting")
	b.start()
	a.becomes(chatting)
	b.becomes(chatting)
	a.shows("direct")

	a.say("Hello! Is anybody there?")
	b.hears("Hello! Is anybody there?")
	b.say("Somebody is.")
	a.hears("Somebody is.")
	a.photograph("chatting")

	a.next()
	b.becomes(left)
	b.photograph("left")
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

// photograph saves the page as it is now, on a desktop and on a phone, by day
// and by night, if the flag -screenshots says where.
func (tab *tab) photograph(name string) {
	tab.t.Helper()
	dir := flag.Lookup("screenshots").Value.String()
	if dir == "" {
		return
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		tab.t.Fatal(err)
	}
	for device, look := range map[string]look{
		"desktop-light": {},
		"desktop-dark":  {dark: true},
		"phone-light":   {phone: true},
		"phone-dark":    {phone: true, dark: true},
	} {
		picture := filepath.Join(dir, fmt.Sprintf("%s-%s.png", name, device))
		tab.do("take "+picture, func(ctx context.Context) error {
			png, err := tab.driver.picture(ctx, look)
			if errors.Is(err, errors.ErrUnsupported) {
				return nil
			}
			return errors.Join(err, os.WriteFile(picture, png, 0o600))
		})
	}
}
