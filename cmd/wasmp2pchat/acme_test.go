package main

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/edge/acmetest"
)

// What the log may say besides in every test on loopback with a certificate that
// no browser knows.
const (
	onLoopback = "no public address found"
	unknownCA  = "offered with a certificate that this machine does not trust"
	withheld   = "turn url withheld" // a turns: URL, before there is a certificate
)

const ninetyDays = 90 * 24 * time.Hour

// acmeSettings are those of a server that gets its certificate from ca.
func acmeSettings(ca *acmetest.Server, port int, more ...string) []string {
	return append([]string{
		"DOMAIN=localhost", "ADDR=127.0.0.1:" + strconv.Itoa(port), "REDIRECT_ADDR=off", "SIGNAL_OPEN_ROOMS=true",
		"TLS_ACME_CA=" + ca.Directory, "TLS_ACME_CA_ROOT=" + ca.Root,
	}, more...)
}

func turnsURL(port int) string { return "turns:localhost:" + strconv.Itoa(port) + "?transport=tcp" }

// TestACertificateComesByTheOnePort has nothing but ADDR to prove the name.
func TestACertificateComesByTheOnePort(t *testing.T) {
	t.Parallel()
	port := freePort(t)
	ca := acmetest.New(t, acmetest.Config{Name: "localhost", HTTPPort: freePort(t), TLSPort: port, Life: ninetyDays})
	release := ca.Hold()
	defer release()
	s := startServer(t, acmeSettings(ca, port)...)
	v := visitor{t, port, ca.Issued}

	offers := s.log.await(t, 1, `"msg":"turn offers"`)
	if strings.Contains(offers, "turns:") || !strings.Contains(offers, "turn:127.0.0.1") {
		t.Errorf("without a certificate: %s, want turn: URLs alone", offers)
	}
	s.log.await(t, 1, "turn url withheld", turnsURL(port), "no certificate yet: the first certificate is being obtained")
	if body := s.ready(t); !strings.Contains(body, "warning: certificate: the first certificate is being obtained") {
		t.Errorf("without a certificate: /readyz = %q, want a warning", body)
	}
	if serial, err := v.handshake(); err == nil {
		t.Errorf("without a certificate: a handshake has certificate %s", serial)
	}
	release()
	v.isServed(s)
	s.log.calm(t, onLoopback, unknownCA, withheld)
	if err := s.stop(); err != nil {
		t.Errorf("the server ended with %v", err)
	}
}

// isServed waits for the certificate, and uses everything that needs one.
func (v visitor) isServed(s *server) {
	v.t.Helper()
	s.log.await(v.t, 1, `"msg":"certificate in use"`)
	for protocol, client := range map[string]*http.Client{"HTTP/2.0": v.client(true), "HTTP/1.1": v.client(false)} {
		if got, _, err := v.page(client, "/version"); got != protocol || err != nil {
			v.t.Errorf("GET /version = %s, %v; want %s", got, err, protocol)
		}
	}
	v.registerWith(s, turnsURL(v.port))
	if body := s.ready(v.t); strings.Contains(body, "certificate") {
		v.t.Errorf("with a certificate: /readyz = %q, want no warning of it", body)
	}
	expiry := time.Unix(int64(metric(v.t, s, "wasmp2pchat_certificate_expiry_timestamp_seconds")), 0)
	if days := time.Until(expiry).Hours() / 24; days < 89 || days > 90 {
		v.t.Errorf("the certificate runs out in %v days, want 89 and a bit", days)
	}
}

// TestACertificateComesByThePlainPort has nothing but REDIRECT_ADDR to prove the
// name, which the server finds out by trying: a minute later, were it not for
// this test.
func TestACertificateComesByThePlainPort(t *testing.T) {
	t.Parallel()
	port, plain := freePort(t), freePort(t)
	ca := acmetest.New(t, acmetest.Config{Name: "localhost", HTTPPort: plain, TLSPort: freePort(t), Life: ninetyDays})
	dir := t.TempDir()
	settings := acmeSettings(ca, port, "REDIRECT_ADDR=127.0.0.1:"+strconv.Itoa(plain), "STATE_DIR="+dir)
	s := startServer(t, settings...)
	s.log.await(t, 1, `"msg":"certificate not obtained"`, "tls-alpn-01", `"next_attempt"`)
	if err := s.stop(); err != nil {
		t.Errorf("the server ended with %v", err)
	}
	letAMinutePass(t, dir)

	s = startServer(t, settings...)
	v := visitor{t, port, ca.Issued}
	v.isServed(s)
	if got := redirectOf(t, plain, "/a?b"); got != "https://localhost:"+strconv.Itoa(port)+"/a?b" {
		t.Errorf("the plain port redirects to %q", got)
	}
	s.log.calm(t, onLoopback, unknownCA, withheld)
	if _, orders := ca.Counts(); orders != 2 {
		t.Errorf("%d orders, want one for each way to prove the name", orders)
	}
	if err := s.stop(); err != nil {
		t.Errorf("the server ended with %v", err)
	}
}

// letAMinutePass makes an order due that a server would wait with.
func letAMinutePass(t *testing.T, dir string) {
	t.Helper()
	memories, err := filepath.Glob(filepath.Join(dir, "certificates", "*", "localhost.json"))
	if err != nil || len(memories) != 1 {
		t.Fatalf("the orders are remembered in %q, %v; want one file", memories, err)
	}
	text, err := os.ReadFile(memories[0])
	if err != nil {
		t.Fatal(err)
	}
	memory := map[string]any{}
	if err := json.Unmarshal(text, &memory); err != nil {
		t.Fatal(err)
	}
	next, err := time.Parse(time.RFC3339, memory["next"].(string))
	if err != nil || time.Until(next) < -patience || memory["failures"] != 1.0 {
		t.Fatalf("after one failure the memory is %s", text)
	}
	memory["next"] = next.Add(-time.Minute)
	if text, err = json.Marshal(memory); err == nil {
		err = os.WriteFile(memories[0], text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// redirectOf is where a plain port sends a visitor.
func redirectOf(t *testing.T, port int, path string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1:"+strconv.Itoa(port)+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := new(http.Transport).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	return resp.Header.Get("Location")
}

// TestRenewalCutsNobody renews the certificate while two people talk through
// TURN over TLS and one sits in a room.
func TestRenewalCutsNobody(t *testing.T) {
	t.Parallel()
	port := freePort(t)
	ca := acmetest.New(t, acmetest.Config{Name: "localhost", HTTPPort: freePort(t), TLSPort: port, Life: ninetyDays})
	s := startServer(t, acmeSettings(ca, port, "TURN_UDP_ADDR=off", "TURN_TCP_ADDR=off")...)
	v := visitor{t, port, ca.Issued}
	seat := v.registerWith(s, turnsURL(port))
	if got := seat.urls(); len(got) != 1 || got[0] != turnsURL(port) {
		t.Fatalf("clients are told %q, want %s alone", got, turnsURL(port))
	}
	url := "https://localhost:" + strconv.Itoa(port)
	chat := newConversation(openProcess(t, ca.IssuedPEM, "--relay", url), openProcess(t, ca.IssuedPEM, "--relay", url), "relay-tls")

	before := v.serial()
	chat.goOn(5)
	s.renew <- struct{}{}
	for len(s.log.with(`"msg":"certificate in use"`)) < 2 {
		chat.goOn(1)
	}
	if after := v.serial(); after == before {
		t.Error("the next handshake has the old certificate")
	}
	chat.goOn(10)
	seat.kept(t)
	if _, orders := ca.Counts(); orders != 2 {
		t.Errorf("%d orders, want the first one and one more", orders)
	}
	t.Logf("%d lines each way", chat.lines)
	s.log.calm(t, onLoopback, unknownCA, withheld, `"msg":"turn offers nothing`)
	chat.end()
	if err := s.stop(); err != nil {
		t.Errorf("the server ended with %v", err)
	}
}

// TestANameThatPointsElsewhereIsToldAndNothingIsOrdered says that localhost, of
// which /etc/hosts says 127.0.0.1, ought to be 127.0.0.2.
func TestANameThatPointsElsewhereIsToldAndNothingIsOrdered(t *testing.T) {
	t.Parallel()
	port, plain, udp := freePort(t), freePort(t), freePort(t)
	ca := acmetest.New(t, acmetest.Config{Name: "localhost", HTTPPort: plain, TLSPort: port, Life: ninetyDays})
	settings := acmeSettings(ca, port, "PUBLIC_IPS=127.0.0.2", "STATE_DIR="+t.TempDir(),
		"REDIRECT_ADDR=127.0.0.1:"+strconv.Itoa(plain), "TURN_UDP_ADDR=127.0.0.1:"+strconv.Itoa(udp))
	for range 2 { // the second time after a restart
		s := startServer(t, settings...)
		said := s.log.await(t, 1, `"msg":"certificate not obtained"`)
		for _, want := range []string{`"level":"ERROR"`, "localhost points to 127.0.0.1", "this server has 127.0.0.2: set its A record to 127.0.0.2", "next_attempt"} {
			if !strings.Contains(said, want) {
				t.Errorf("the log says %s, want %q in it", said, want)
			}
		}
		if body := s.ready(t); !strings.Contains(body, "warning: certificate: localhost points to 127.0.0.1") {
			t.Errorf("/readyz = %q, want a warning", body)
		}
		if expiry := metric(t, s, "wasmp2pchat_certificate_expiry_timestamp_seconds"); expiry != 0 {
			t.Errorf("the certificate that there is not runs out at %v, want 0", expiry)
		}
		if got := redirectOf(t, plain, "/"); got != "https://localhost:"+strconv.Itoa(port)+"/" {
			t.Errorf("the plain port redirects to %q", got)
		}
		if _, err := dialTURN(t, "udp", udp, nil).bind(); err != nil {
			t.Errorf("STUN does not answer over UDP: %v", err)
		}
		if many := len(s.log.with(`"msg":"certificate not obtained"`)); many != 1 {
			t.Errorf("it is said %d times, want once", many)
		}
		if err := s.stop(); err != nil {
			t.Errorf("the server ended with %v", err)
		}
	}
	if requests, orders := ca.Counts(); requests != 0 || orders != 0 {
		t.Errorf("the certificate authority was asked %d times, for %d orders; want never", requests, orders)
	}
}
