package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/turnclient"
	"github.com/wasmp2pchat/wasmp2pchat/turnsvc"
)

// lineSecret is that of the relay in tests of upgrades.
const lineSecret = "secret-of-relays-in-tests-0123456789"

// offers are the URLs that the relay offers first.
func (p *process) offers(t *testing.T) (udp, tcp string) {
	t.Helper()
	var line struct{ URLs []string }
	until(t, "the relay offers something", func() bool {
		text := p.log.line(`"msg":"turn offers"`)
		return text != "" && json.Unmarshal([]byte(text), &line) == nil
	})
	for _, url := range line.URLs {
		if at, is := strings.CutSuffix(strings.TrimPrefix(url, "turn:"), "?transport=udp"); is {
			udp = at
		}
		if at, is := strings.CutSuffix(strings.TrimPrefix(url, "turn:"), "?transport=tcp"); is {
			tcp = at
		}
	}
	return udp, tcp
}

// relayedMember is one side of a room with an allocation.
func relayedMember(t *testing.T, network, server, room, side string) (*turnclient.Client, netip.AddrPort) {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), network, server)
	if err != nil {
		t.Fatal(err)
	}
	user, password, _ := turnsvc.Issuer{Secret: lineSecret, TTL: time.Hour}.RoomCredential(turnsvc.Claims{Room: room, Side: side})
	c := turnclient.New(conn, turnclient.Config{Username: user, Password: password})
	t.Cleanup(func() { _ = c.Close() })
	at, err := c.Allocate(t.Context(), 0)
	if err != nil {
		t.Fatalf("%s of %s: %v", side, room, err)
	}
	return c, at
}

// told has one say something, which the other must hear.
func told(t *testing.T, n int, from *turnclient.Client, at netip.AddrPort, to *turnclient.Client) {
	t.Helper()
	text := fmt.Sprint("message ", n)
	if err := from.Send(at, []byte(text)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if heard, err := to.Receive(ctx); err != nil || string(heard.Data) != text {
		t.Fatalf("heard %q, %v, want %q", heard.Data, err, text)
	}
}

// TestRelayedChatsOutliveUpgrades holds that who talks by the relay of a server that is
// upgraded twice loses not one message, by UDP or TCP; that a partner who comes again to
// the newest process reaches him; and that old processes end when their allocations have.
func TestRelayedChatsOutliveUpgrades(t *testing.T) {
	t.Parallel()
	p := startLine(t, "TURN_PEERS=room", "TURN_SECRETS="+lineSecret)
	udp, tcp := p.offers(t)
	a, atA := relayedMember(t, "udp", udp, "room", "ma")
	b, atB := relayedMember(t, "tcp", tcp, "room", "mb")
	for c, peer := range map[*turnclient.Client]netip.AddrPort{a: atB, b: atA} {
		if err := c.Permit(t.Context(), peer); err != nil {
			t.Fatal(err)
		}
	}
	upgraded, n := make(chan error), 0
	talk := func() {
		told(t, n, a, atB, b)
		told(t, -n, b, atA, a)
		n++
	}
	for range 2 {
		go func() {
			_, err := p.upgrade(t)
			upgraded <- err
		}()
		for waits := true; waits; talk() {
			select {
			case err := <-upgraded:
				if waits = false; err != nil {
					t.Fatal(err)
				}
			default:
			}
		}
	}
	again, atAgain := relayedMember(t, "udp", udp, "room", "mb")
	for c, peer := range map[*turnclient.Client]netip.AddrPort{a: atAgain, again: atA} {
		until(t, "a permission for the relay of another process", func() bool { return c.Permit(t.Context(), peer) == nil })
	}
	until(t, "who came again is heard", func() bool {
		return hearsFrom(t, again, atA, a) == "bonjour" && hearsFrom(t, a, atAgain, again) == "bonjour"
	})
	t.Logf("%d messages each way during two upgrades", n)
	for _, c := range []*turnclient.Client{a, b} {
		if err := c.Release(t.Context()); err != nil {
			t.Error(err)
		}
	}
	_ = b.Close()
	<-p.exited
	if p.err != nil {
		t.Errorf("the first process ended with %v, want nil: nobody was left", p.err)
	}
}
