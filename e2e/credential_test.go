//go:build browser

package e2e

import (
	"net/netip"
	"testing"
	"time"

	"github.com/pion/stun/v3"

	"github.com/wasmp2pchat/wasmp2pchat/internal/natlab"
	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// TestCredentialsEnd takes the credential that a browser was given for one
// chat, and shows it to the relay: as it is, changed, and when its time is over.
// The chat itself goes on through the relay.
func TestCredentialsEnd(t *testing.T) {
	w := newWorld(t, natlab.Symmetric, natlab.Symmetric, "TURN_CREDENTIAL_TTL=10s")
	w.meet()
	w.a.shows("relay-udp")
	match := w.a.match()
	good := turnServer(w.a, match.ICEServers)
	relay := w.lab.Server().Addr().String() + ":3478"
	client := w.lab.Client(natlab.SideA)

	if code := allocate(t, client, relay, good); code != granted {
		t.Errorf("Allocate with the credential as it was given: error %d", code)
	}
	for name, credential := range map[string]wire.ICEServer{
		"with a letter of the password changed": {Username: good.Username, Credential: changed(good.Credential)},
		"with a letter of the name changed":     {Username: changed(good.Username), Credential: good.Credential},
		"with a later end":                      {Username: "9" + good.Username, Credential: good.Credential},
	} {
		if allocate(t, client, relay, credential) == granted {
			t.Errorf("Allocate with the credential %s: granted", name)
		}
	}

	left := time.Until(match.ExpiresAt)
	if left <= 0 || left > 10*time.Second {
		t.Fatalf("the credential ends in %v, want within 10 s", left)
	}
	select {
	case <-time.After(left + time.Second): // it says its time to the second
	case <-t.Context().Done():
	}
	if allocate(t, client, relay, good) == granted {
		t.Error("Allocate after the credential's time: granted")
	}
	w.talks(3)
}

// TestACredentialServesItsRoomOnly takes the credential of a chat to the relay,
// and asks for more than the chat needs. Then the chat ends, and the allocation
// within a second of it.
func TestACredentialServesItsRoomOnly(t *testing.T) {
	w := newWorld(t, natlab.Symmetric, natlab.Symmetric)
	w.meet()
	w.a.shows("relay-udp")
	server := w.lab.Server()
	thief := dialRelay(t, w.lab.Client(natlab.SideA), server.Addr().String()+":3478", turnServer(w.a, w.a.match().ICEServers))
	if code := thief.allocate(); code != granted {
		t.Fatalf("Allocate with the credential of the chat: error %d", code)
	}
	third := netip.AddrPortFrom(server.Addrs()[1], 7000)
	witness, err := server.ListenPacket(t.Context(), "udp", third.String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = witness.Close() }()
	for address, want := range map[string]stun.ErrorCode{
		w.lab.Outside(natlab.SideB).String():       granted, // the partner's NAT
		server.Addr().String():                     granted, // relayed addresses; the relay itself sees whose
		third.Addr().String():                      403,
		"8.8.8.8":                                  403,
		w.lab.Client(natlab.SideB).Addr().String(): 403, // the partner's private address
		"127.0.0.1":                                403,
	} {
		if code := thief.permit(netip.AddrPortFrom(netip.MustParseAddr(address), 7000)); code != want {
			t.Errorf("CreatePermission for %s: error %d, want %d", address, code, want)
		}
	}
	thief.sendTo(third, "through the relay")
	thief.ask(stun.MethodRefresh) // answered, so what came before was handled
	direct, err := server.Dial(t.Context(), "udp", third.String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = direct.Close() }()
	if _, err := direct.Write([]byte("marker")); err != nil {
		t.Fatal(err)
	}
	packet := make([]byte, 100)
	if n, _, err := witness.ReadFrom(packet); err != nil || string(packet[:n]) != "marker" {
		t.Errorf("a third address got %q (%v), want nothing but the marker", packet[:n], err)
	}

	w.a.stop()
	stopped := time.Now()
	for thief.ask(stun.MethodRefresh) == granted {
		if took := time.Since(stopped); took > time.Second {
			t.Fatalf("%v after STOP the allocation still lives", took)
		}
	}
	if code := thief.allocate(); code == granted {
		t.Error("Allocate after the end of the room: granted")
	}
}

// changed is text with another last letter, which is one of base64 still.
func changed(text string) string {
	last := len(text) - 1
	for last > 0 && text[last] == '=' {
		last--
	}
	letter := byte('A')
	if text[last] == letter {
		letter = 'E' // differs in bits that count before the padding too
	}
	return text[:last] + string(letter) + text[last+1:]
}
