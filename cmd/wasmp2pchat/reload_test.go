package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/wasmp2pchat/wasmp2pchat/internal/edge/certs"
	"github.com/wasmp2pchat/wasmp2pchat/turnsvc"
)

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
			ended <- (&reloader{world: w, front: &front{certificate: keeper}, log: slog.New(slog.DiscardHandler)}).serve(ctx)
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

// reloading is a server with a file of settings.
type reloading struct {
	*server
	t    *testing.T
	path string
	done int // how often its settings were reloaded
}

func startReloading(t *testing.T, environ []string, lines ...string) *reloading {
	t.Helper()
	r := &reloading{t: t, path: filepath.Join(t.TempDir(), "env")}
	r.write(lines...)
	r.server = startServer(t, append(environ, "ENV_FILE="+r.path, "LOG_LEVEL=")...)
	return r
}

func (r *reloading) write(lines ...string) {
	r.t.Helper()
	must(r.t, os.WriteFile(r.path, []byte(prefix+strings.Join(lines, "\n"+prefix)+"\n"), 0o600))
}

// reload has the server read other settings, and returns the last line of the log
// about it.
func (r *reloading) reload(lines ...string) string {
	r.t.Helper()
	r.write(lines...)
	r.done++
	r.hangup <- syscall.SIGHUP
	return r.log.await(r.t, r.done, `"msg":"settings reloaded"`)
}

// site is another one.
const site = "https://app.example"

// fromSite asks for a WebSocket from there.
func (r *reloading) fromSite() (status int) {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), http.MethodGet, r.url+"/matchmaking", nil)
	must(r.t, err)
	req.Header.Set("Origin", site)
	resp, err := http.DefaultClient.Do(req)
	must(r.t, err)
	must(r.t, resp.Body.Close())
	return resp.StatusCode
}

// TestSIGHUPChangesWhatIsLive changes settings of every kind under a chat that is
// relayed: it goes on, the log says what is another thing by now, and no secret.
func TestSIGHUPChangesWhatIsLive(t *testing.T) {
	t.Parallel()
	r := startReloading(t, nil, "LOG_LEVEL=info", "TURN_SECRETS=the secret of before", "TURN_MAX_ALLOCATIONS=50")
	a, b := openTerminal(t, "--relay", r.url), openTerminal(t, "--relay", r.url)
	a.expect("* connected: relay-")
	b.expect("* connected: relay-")
	if got := r.fromSite(); got != http.StatusForbidden {
		t.Errorf("another site before: %d, want 403", got)
	}
	said := r.reload("LOG_LEVEL=debug", "TURN_SECRETS=the secret from now on,the secret of before", "TURN_MAX_ALLOCATIONS=1", "TURN_MAX_BITRATE=1mbit",
		"ALLOWED_ORIGINS="+site, "MATCH_AVOID=1s", "WS_MAX_PER_IP=5", "TURN_MONTHLY_BUDGET=1GiB", "WS_MAX_MESSAGE=32KiB", "TURN_REALM=elsewhere", "TURN_CREDENTIAL_TTL=5m")
	if !strings.Contains(said, `"changed":9,"need_restart":2`) {
		t.Errorf("the log says %s, want 9 that changed and 2 that need a restart", said)
	}
	for _, want := range [][]string{
		{`"INFO"`, `"setting changed"`, prefix + "LOG_LEVEL", `"was":"info","is":"debug"`},
		{`"INFO"`, `"setting changed"`, prefix + "TURN_SECRETS", `"was":"[redacted]","is":"changed"`},
		{`"INFO"`, `"setting changed"`, prefix + "TURN_MAX_BITRATE", `"was":"2mbit","is":"1mbit"`},
		{`"INFO"`, `"setting changed"`, prefix + "ALLOWED_ORIGINS", `"was":"","is":"` + site + `"`},
		{`"WARN"`, `"setting needs a restart"`, prefix + "TURN_REALM", `"was":"","is":"elsewhere"`},
		{`"INFO"`, `"setting changed"`, prefix + "WS_MAX_MESSAGE", `"was":"64KiB","is":"32KiB"`},
	} {
		if len(r.log.with(want...)) != 1 {
			t.Errorf("the log has %d lines with %q, want one", len(r.log.with(want...)), want)
		}
	}
	if got := r.fromSite(); got != http.StatusBadRequest {
		t.Errorf("another site after: %d, want 400: it is let in, and is no WebSocket", got)
	}
	for name, want := range map[string]float64{"turn_allocations_limit": 1, "turn_budget_limit_bytes": 1 << 30, "config_last_reload_successful": 1} {
		if got := metric(t, r.server, namespace+"_"+name); got != want {
			t.Errorf("%s = %v, want %v", name, got, want)
		}
	}
	a.say("still there?")
	b.expect("stranger: still there?")
	// Each of the two may hold, besides that of the room, the WebSocket that it was matched on.
	if c := openTerminal(t, r.url); !strings.HasPrefix(c.expect("* "), "* ") {
		t.Error("somebody new is not served")
	}
	r.log.await(t, 1, `"level":"DEBUG"`)
	if line := r.log.line("the secret"); line != "" {
		t.Errorf("the log has a secret: %s", line)
	}
	_ = a.keys.Close()
	b.expect("* the stranger has left")
	must(t, r.stop())
}

// TestSIGHUPWithAFaultChangesNothing holds that all faults are told and that what
// is right beside them does not count either.
func TestSIGHUPWithAFaultChangesNothing(t *testing.T) {
	t.Parallel()
	r := startReloading(t, []string{"MATCH_AVOID=7m"}, "LOG_LEVEL=info", "TURN_MAX_ALLOCATIONS=50")
	r.write("ALLOWED_ORIGINS="+site, "TURN_MAX_ALLOCATIONS=none", "MATCH_TAG_WAIT=-1s", "ADR=:80", "ROOM_SECRET=hunter2")
	r.hangup <- syscall.SIGHUP
	r.log.await(t, 4, `"WARN"`, `"settings not reloaded"`)
	for _, want := range []string{
		`TURN_MAX_ALLOCATIONS: read \"none\", want a whole number`, "MATCH_TAG_WAIT: want more than 0 and at most 1h",
		"ADR: no such setting; did you mean " + prefix + "ADDR?", `ROOM_SECRET: read \"[redacted]\", want a secret`,
	} {
		if len(r.log.with(`"settings not reloaded"`, want)) != 1 {
			t.Errorf("the log does not say once %s", want)
		}
	}
	until(t, "the metric says so", func() bool {
		return metric(t, r.server, "wasmp2pchat_config_last_reload_successful") == 0
	})
	if got := r.fromSite(); got != http.StatusForbidden {
		t.Errorf("another site after a reload with faults: %d, want 403", got)
	}
	if got := metric(t, r.server, "wasmp2pchat_turn_allocations_limit"); got != 50 {
		t.Errorf("%v allocations, want 50 as before", got)
	}

	r.reload("LOG_LEVEL=warn", "ALLOWED_ORIGINS="+site, "MATCH_AVOID=1m") // which is told although nothing is told of it any more
	if len(r.log.with(`"WARN"`, "the environment wins over the file of settings", prefix+"MATCH_AVOID", r.path)) != 1 {
		t.Error("the log does not say that the file is not heard about MATCH_AVOID")
	}
	if line := r.log.line(`"setting changed"`, "MATCH_AVOID"); line != "" {
		t.Errorf("the log says %s, which is not so", line)
	}
	if got := r.fromSite(); got != http.StatusBadRequest {
		t.Errorf("another site after a reload: %d, want 400", got)
	}
	if got := metric(t, r.server, "wasmp2pchat_config_last_reload_successful"); got != 1 {
		t.Errorf("config_last_reload_successful = %v, want 1", got)
	}
	must(t, r.stop())
}

// TestSecretsAreReadAgain rotates the TURN secrets of a server by its file, and
// holds that credentials are signed with the newest one.
func TestSecretsAreReadAgain(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "secrets")
	const before, after = "the secret of before", "the secret from now on"
	must(t, os.WriteFile(file, []byte(before), 0o600))
	r := startReloading(t, []string{"TURN_SECRETS_FILE=" + file}, "LOG_LEVEL=info")
	signedWith := func() string {
		t.Helper()
		_, body := get(t, r.url+"/check/servers")
		var answer checkAnswer
		must(t, json.Unmarshal([]byte(body), &answer))
		for _, server := range answer.A {
			for _, secret := range []string{before, after} {
				if c, err := (turnsvc.Verifier{Secrets: []string{secret}}).Check(server.Username); err == nil && c.Accepts(server.Credential) {
					return secret
				}
			}
		}
		return ""
	}
	if got := signedWith(); got != before {
		t.Errorf("credentials are signed with %q at first, want %q", got, before)
	}
	must(t, os.WriteFile(file, []byte(after+","+before), 0o600))
	r.reload("LOG_LEVEL=info")
	if got := signedWith(); got != after {
		t.Errorf("credentials are signed with %q after SIGHUP, want %q", got, after)
	}
	must(t, os.WriteFile(file, []byte("short"), 0o600))
	r.hangup <- syscall.SIGHUP
	r.log.await(t, 1, `"settings not reloaded"`, "TURN_SECRETS: read")
	if got := signedWith(); got != after {
		t.Errorf("credentials are signed with %q after a bad file, want %q as before", got, after)
	}
	must(t, r.stop())
}
