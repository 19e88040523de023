//go:build interop

package e2e

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// relaySecret is shared by the server and turnutils_uclient.
const relaySecret = "not a secret outside of this test"

// relayAPIKey is that of an application beside the chat.
const relayAPIKey = "no-key-outside-of-this-test"

// relay is a running wasmp2pchat that relays to everybody, with turnutils_peer
// beside it. All of it is on loopback.
type relay struct {
	plain, secure string // ports for UDP and TCP, and for TLS and DTLS
	web           string // of the page and GET /turn, by https
	cert          string // file of its certificate
	peer          string // the port of turnutils_peer
}

// startRelay builds the server, starts it with a data plane, and waits until it is
// ready.
func startRelay(t *testing.T, plane string) *relay {
	t.Helper()
	ports := unusedPorts(t, 4)
	r := &relay{plain: ports[0], secure: ports[1], web: ports[2], peer: startEcho(t)}
	admin := "127.0.0.1:" + ports[3]
	cert, key := writeCertificate(t, "localhost")
	r.cert = cert
	settings := []string{
		"ADDR=127.0.0.1:" + ports[2], "ADMIN_ADDR=" + admin, "STATE_DIR=" + t.TempDir(),
		"PUBLIC_IPS=127.0.0.1,::1", "DOMAIN=localhost", "TLS_CERT_FILE=" + cert, "TLS_KEY_FILE=" + key,
		"TURN_SECRETS=" + relaySecret, "TURN_PEERS=any", "TURN_API_KEY=" + relayAPIKey, "TURN_DATAPLANE=" + plane,
		"TURN_UDP_ADDR=127.0.0.1:" + r.plain, "TURN_TCP_ADDR=127.0.0.1:" + r.plain, "TURN_TLS_ADDR=127.0.0.1:" + r.secure,
		"TURN_MAX_ALLOCATIONS_PER_USER=2000", // all clients of the tool are one user
	}
	life, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	cmd := exec.CommandContext(life, buildServer(t), "serve")
	for _, setting := range settings {
		cmd.Env = append(cmd.Env, "WASMP2PCHAT_"+setting)
	}
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan struct{})
	go func() {
		defer close(exited)
		_ = cmd.Wait() // the log says why
	}()
	t.Cleanup(func() {
		stop() // at once: it would wait for allocations that the tools leave behind
		<-exited
		if t.Failed() {
			t.Logf("log of the server:\n%s", log.String())
		}
	})
	awaitReady(t, "http://"+admin+"/readyz", exited)
	return r
}

// buildServer builds the server of this module. The page must have been built
// before, because the server embeds it.
func buildServer(t *testing.T) string {
	t.Helper()
	if _, err := os.Stat("../wasm/dist/index.html"); err != nil {
		t.Fatalf("%v: run make client first", err)
	}
	binary := filepath.Join(t.TempDir(), "wasmp2pchat")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "../cmd/wasmp2pchat")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build the server: %v: %s", err, out)
	}
	return binary
}

// awaitReady polls until the server says that it is ready.
func awaitReady(t *testing.T, url string, exited <-chan struct{}) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for !says200(ctx, url) {
		select {
		case <-again.C:
		case <-exited:
			t.Fatal("the server ended before it was ready")
		case <-ctx.Done():
			t.Fatal("the server does not become ready")
		}
	}
}

func says200(ctx context.Context, url string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	_ = res.Body.Close()
	return res.StatusCode == http.StatusOK
}

// unusedPorts are TCP ports of loopback that nobody listens on now.
func unusedPorts(t *testing.T, n int) []string {
	t.Helper()
	var ports []string
	for range n {
		l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		ports = append(ports, strconv.Itoa(l.Addr().(*net.TCPAddr).Port))
		defer func() { _ = l.Close() }() // all are open until all are found, so no two are the same
	}
	return ports
}

// writeCertificate writes a certificate that signs itself, and its key.
func writeCertificate(t *testing.T, domain string) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{domain}, NotAfter: time.Now().Add(time.Hour)}
	certificate, err := x509.CreateCertificate(rand.Reader, &c, &c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return writePEM(t, "CERTIFICATE", certificate), writePEM(t, "PRIVATE KEY", private)
}

func writePEM(t *testing.T, kind string, der []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "it.pem")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
