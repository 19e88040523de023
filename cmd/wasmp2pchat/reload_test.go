package main

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/wasmp2pchat/wasmp2pchat/internal/edge/certs"
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
		servers, _ := credentials.iceServers("m")("room", wire.SideA, false, netip.Addr{})
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

// TestSIGHUPReadsTheCertificateAtOnce replaces the certificate files while no
// time passes, so that it is not the look every 5 s that sees them.
func TestSIGHUPReadsTheCertificateAtOnce(t *testing.T) {
	t.Parallel()
	dir, old, fresh := t.TempDir(), newPair(t, 1001), newPair(t, 1002)
	old.write(t, dir)
	synctest.Test(t, func(t *testing.T) {
		keeper, err := certs.New(certs.Config{CertFile: filepath.Join(dir, "cert.pem"), KeyFile: filepath.Join(dir, "key.pem")})
		must(t, err)
		hangup := make(chan os.Signal)
		w := world{environ: []string{prefix + "STATE_DIR=" + dir, prefix + "NO_SUCH_SETTING=1"}, hangup: hangup} // a fault in the settings: nothing else is read
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 2)
		go func() { ended <- keeper.Serve(ctx) }()
		go func() {
			ended <- reloader(w, nil, nil, &front{certificate: keeper}, slog.New(slog.DiscardHandler))(ctx)
		}()
		serial := func() string {
			synctest.Wait()
			cert, err := keeper.TLSConfig().GetCertificate(new(tls.ClientHelloInfo))
			must(t, err)
			return cert.Leaf.SerialNumber.String()
		}
		fresh.write(t, dir)
		if got := serial(); got != old.serial {
			t.Errorf("before SIGHUP the certificate is %s, want %s", got, old.serial)
		}
		hangup <- syscall.SIGHUP
		if got := serial(); got != fresh.serial {
			t.Errorf("after SIGHUP the certificate is %s, want %s", got, fresh.serial)
		}
		cancel()
		must(t, <-ended, <-ended)
	})
}
