package main

import (
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/wasmp2pchat/wasmp2pchat/turnsvc"
	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// TestSecretsAreReadAgain rotates the TURN secrets of a server by its file.
func TestSecretsAreReadAgain(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "secrets")
	write := func(secrets string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(secrets), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	w := world{environ: []string{prefix + "TURN_SECRETS_FILE=" + path, prefix + "STATE_DIR=" + t.TempDir()}}
	const before, after = "the secret of before", "the secret from now on"
	relay, err := turnsvc.Listen(t.Context(), turnsvc.Config{Secrets: []string{before}, UDPAddrs: []string{"127.0.0.1:0"}, PublicIPs: []netip.Addr{netip.MustParseAddr("127.0.0.1")}})
	if err != nil {
		t.Fatal(err)
	}
	credentials := newMint(turnsvc.Issuer{Secret: before, URLs: []string{"turn:127.0.0.1:3478?transport=udp"}})
	signedWith := func() string {
		servers, _ := credentials.iceServers("m")("room", wire.SideA, netip.Addr{})
		for _, secret := range []string{before, after} {
			if c, err := (turnsvc.Verifier{Secrets: []string{secret}}).Check(servers[0].Username); err == nil && c.Accepts(servers[0].Credential) {
				return secret
			}
		}
		return ""
	}
	write(after + "," + before)
	if err := reload(w, relay, credentials); err != nil || signedWith() != after {
		t.Errorf("reload = %v, and credentials are signed with %q, want the newest secret", err, signedWith())
	}
	write("short")
	if err := reload(w, relay, credentials); err == nil || signedWith() != after {
		t.Errorf("reload of a bad file = %v, and credentials are signed with %q, want an error and no change", err, signedWith())
	}
}
