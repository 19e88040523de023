//go:build interop

package e2e

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestCoturnsClientTakesWhatTheAPISays asks GET /turn for a credential, and lets
// turnutils_uclient use it as it is, through every kind of relay URL that it knows.
func TestCoturnsClientTakesWhatTheAPISays(t *testing.T) {
	t.Parallel()
	r := startRelay(t, "auto")
	var credential struct {
		Username, Password string
		TTL                int
		URIs               []string
	}
	text, err := os.ReadFile(r.cert)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(text)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
	t.Cleanup(client.CloseIdleConnections)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://localhost:"+r.web+"/turn?service=turn&username=ann&key="+relayAPIKey, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if err := json.NewDecoder(resp.Body).Decode(&credential); err != nil || resp.StatusCode != http.StatusOK || len(credential.URIs) == 0 {
		t.Fatalf("GET /turn = %s, %+v, %v", resp.Status, credential, err)
	}
	for name, flags := range map[string][]string{"udp": nil, "tcp": {"-t"}} {
		if out, err := uclientWith(t, r, credential.Username, credential.Password, flags...); err != nil {
			t.Errorf("%s: %v: %s", name, err, out)
		}
	}
	if out, err := uclientWith(t, r, credential.Username, "x"+credential.Password); err == nil {
		t.Errorf("with another password the tool is content: %s", out)
	}
}

// errLost is a run in which not every message came back.
var errLost = errors.New("messages are lost")

// uclientWith runs turnutils_uclient with a name and a password, and without the
// channels whose numbers it draws by lot.
func uclientWith(t *testing.T, r *relay, user, password string, flags ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), runTimeout)
	defer cancel()
	args := append([]string{"-u", user, "-w", password, "-p", r.plain, "-n", "20", "-z", "5", "-s", "-c", "-e", "127.0.0.1", "-r", r.peer}, flags...)
	out, err := exec.CommandContext(ctx, uclient, append(args, "127.0.0.1")...).CombinedOutput()
	if sent, received := totals(out); err == nil && (sent == 0 || sent != received) {
		return string(out), errLost
	}
	return strings.TrimSpace(string(out)), err
}
