//go:build browser

package e2e

import (
	"testing"
	"time"

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
	good := turnServer(w.a, match)
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
