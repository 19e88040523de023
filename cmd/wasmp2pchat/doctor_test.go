package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/wasmp2pchat/wasmp2pchat/internal/doctor"
	"github.com/wasmp2pchat/wasmp2pchat/wasm"
)

// examine runs doctor and returns its report and what it ends with.
func examine(t *testing.T, environ []string, args ...string) (report doctor.Report, code int) {
	t.Helper()
	var out bytes.Buffer
	err := run(t.Context(), world{args: append([]string{"doctor", "--json"}, args...), environ: environ, stdout: &out, stderr: io.Discard})
	if err != nil {
		code, _ = exitCode(err)
	}
	if jsonErr := json.Unmarshal(out.Bytes(), &report); jsonErr != nil {
		t.Fatalf("doctor %q prints %q and ends with %v", args, out.Bytes(), err)
	}
	return report, code
}

// has returns the checks of a report with an id.
func has(t *testing.T, report doctor.Report, id string) (list []doctor.Check) {
	t.Helper()
	for _, c := range report.Checks {
		if c.ID == id {
			list = append(list, c)
		}
	}
	if len(list) == 0 {
		t.Fatalf("no check %q in %+v", id, report)
	}
	return list
}

// room lets visitors of loopback be relayed to one another, and to nobody else.
const room, loopback = "TURN_PEERS=room", "TURN_ALLOW_PEERS=127.0.0.0/8"

// needsClient skips a test where nobody has built the browser client, without which
// doctor is right to find a fault.
func needsClient(t *testing.T) {
	t.Helper()
	switch built, err := hasClient(); {
	case err != nil:
		t.Fatal(err)
	case !built:
		t.Skip("the browser client is not built: make client")
	}
}

// hasClient tells whether the browser client is built; in CI it has to be.
func hasClient() (bool, error) {
	page, err := wasm.New()
	if err != nil {
		return false, err
	}
	built := page.Version() != "none"
	if !built && slices.Contains(os.Environ(), "CI=true") {
		return false, errors.New("the browser client is not built: make client")
	}
	return built, nil
}

// TestDoctorFindsNothingWrong examines a server in good health, from outside.
func TestDoctorFindsNothingWrong(t *testing.T) {
	needsClient(t)
	t.Parallel()
	s := startServer(t, room, loopback)
	report, code := examine(t, nil, s.url)
	if report.Verdict != doctor.OK || code != 0 {
		t.Errorf("doctor = %d, %+v; want ok", code, report)
	}
	for _, id := range []string{
		"tcp", "page", "client", "clock", "websocket", "match", "signaling", "credentials",
		"stun-udp", "turn-udp", "turn-tcp", "relay", "relay-ports", "private-peers", "probe",
	} {
		for _, c := range has(t, report, id) {
			if c.Status != doctor.OK {
				t.Errorf("%s is %s: %s", id, c.Status, c.Seen)
			}
		}
	}
	until(t, "nothing of it is left", func() bool {
		_, text := get(t, s.admin+"/metrics")
		return strings.Contains(text, "wasmp2pchat_turn_allocations 0\n") && strings.Contains(text, "wasmp2pchat_match_waiting 0\n")
	})
}

// TestDoctorOnTheHost examines the server of the settings, which wants to be shown a
// token, and what the machine knows.
func TestDoctorOnTheHost(t *testing.T) {
	t.Parallel()
	const token = "ADMIN_TOKEN=the operator's own token"
	s := startServer(t, room, loopback, token)
	environ := serverEnviron(t, room, loopback, token, "ADDR="+strings.TrimPrefix(s.url, "http://"), "ADMIN_ADDR="+strings.TrimPrefix(s.admin, "http://"))
	report, _ := examine(t, environ)
	if report.Target != s.url {
		t.Errorf("doctor looks at %q, want %q", report.Target, s.url)
	}
	for _, id := range []string{"server", "urls", "ports", "data-plane"} {
		for _, c := range has(t, report, id) {
			if c.Status != doctor.OK {
				t.Errorf("%s is %s: %s", id, c.Status, c.Seen)
			}
		}
	}
	if _, body := get(t, s.url+"/api/doctor"); strings.Contains(body, "descriptors") {
		t.Error("strangers are told what only the host shall know")
	}
}

// TestWhoDoesNotAnswerTellsNothing: no facts are others than facts that are zero.
func TestWhoDoesNotAnswerTellsNothing(t *testing.T) {
	t.Parallel()
	if facts, err := askFacts("http://127.0.0.1:1", "")(t.Context()); facts != nil || err == nil {
		t.Errorf("a server that does not run tells %+v, %v; want nothing and an error", facts, err)
	}
}

// TestProbesAreBounded holds how often one address may ask.
func TestProbesAreBounded(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	ask := func() int {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/doctor/probes", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		return resp.StatusCode
	}
	for range probesAtOnce {
		if got := ask(); got != http.StatusCreated {
			t.Fatalf("one of the first %d probes is answered %d", probesAtOnce, got)
		}
	}
	if got := ask(); got != http.StatusTooManyRequests {
		t.Errorf("one more is answered %d, want 429", got)
	}
	if status, _ := get(t, s.url+"/doctor/probes/00"); status != http.StatusNotFound {
		t.Errorf("an unknown probe is answered %d, want 404", status)
	}
}

// TestDoctorNamesTheCause breaks a server in ways that need no firewall.
func TestDoctorNamesTheCause(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		settings []string
		id       string
		want     doctor.Cause
	}{
		"the relay leads inside": {[]string{"TURN_PEERS=any"}, "private-peers", doctor.PrivatePeersOpen},
		"no relay port is left":  {[]string{room, loopback, "TURN_RELAY_PORTS=50700-50700"}, "turn-udp", doctor.PortsFew},
		"a limit is reached":     {[]string{room, loopback, "TURN_MAX_ALLOCATIONS=1"}, "turn-udp", doctor.CredentialsRefuse},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			report, code := examine(t, nil, startServer(t, c.settings...).url)
			if code != exitBroken || report.Verdict != doctor.Fail {
				t.Errorf("doctor ends with %d, %s; want %d, fail", code, report.Verdict, exitBroken)
			}
			for _, got := range has(t, report, c.id) {
				if got.Cause == c.want && got.Status == doctor.Fail && got.Fix != "" {
					return
				}
			}
			t.Errorf("no check %s names %s: %+v", c.id, c.want, report.Checks)
		})
	}
}

func TestDoctorCannotAsk(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"ftp://example.org"}, {"--ca", "nowhere", "https://example.org"}, {"http://a.example", "http://b.example"}, {"--what"}} {
		err := run(t.Context(), world{args: append([]string{"doctor"}, args...), stdout: io.Discard, stderr: io.Discard})
		if code, silent := exitCode(err); err == nil || code != exitNotAsked || silent {
			t.Errorf("doctor %q = %v, code %d; want an error, code %d", args, err, code, exitNotAsked)
		}
	}
}
