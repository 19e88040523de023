//go:build browser || proxies || deployments || soak

package e2e

import (
	"bytes"
	"context"
	"flag"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

// machine is where processes run: a host of the laboratory, or this computer.
type machine interface {
	Command(ctx context.Context, name string, args ...string) *exec.Cmd
	Dial(ctx context.Context, network, address string) (net.Conn, error)
}

// thisComputer is the machine that the tests run on, without a laboratory.
type thisComputer struct{ net.Dialer }

func (*thisComputer) Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name)
	cmd.Args = append(cmd.Args, args...)
	return cmd
}

func (c *thisComputer) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	return c.DialContext(ctx, network, address)
}

// server is a running wasmp2pchat.
type server struct {
	log  *record
	stop func() // ends it at once; may be called again
}

// startServer starts the server and waits until it says, at its admin address,
// that it is ready. Settings are NAME=value, without the prefix.
func startServer(t *testing.T, on machine, admin string, settings ...string) *server {
	t.Helper()
	life, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	s := &server{log: &record{}}
	cmd := on.Command(life, serverBinary(t), "serve")
	cmd.Stdout, cmd.Stderr = s.log, s.log
	usual := []string{
		"MATCH_AVOID=0", // in most tests the same two meet again and again
		"STATE_DIR=" + t.TempDir(),
	}
	if plane := flag.Lookup("plane").Value.String(); plane != "" {
		usual = append(usual, "TURN_DATAPLANE="+plane)
	}
	for _, setting := range append(append(usual, settings...), "ADMIN_ADDR="+admin, "LOG_LEVEL=debug") {
		cmd.Env = append(cmd.Env, "WASMP2PCHAT_"+setting)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan struct{})
	go func() {
		defer close(exited)
		_ = cmd.Wait() // the log says why
	}()
	s.stop = func() {
		stop() // at once: it would wait for the relays of browsers that were killed
		<-exited
	}
	t.Cleanup(func() {
		s.stop()
		if t.Failed() {
			t.Logf("log of the server:\n%s", s.log)
		}
	})
	waitReady(t, on, "http://"+admin+"/readyz", exited)
	return s
}

// waitReady polls until the server is ready.
func waitReady(t *testing.T, on machine, url string, exited <-chan struct{}) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	client := &http.Client{Transport: &http.Transport{DialContext: on.Dial, DisableKeepAlives: true}}
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for !answersOK(ctx, client, url) {
		select {
		case <-again.C:
		case <-exited:
			t.Fatal("the server ended before it was ready")
		case <-ctx.Done():
			t.Fatalf("the server is not ready after %v", patience)
		}
	}
}

func answersOK(ctx context.Context, client *http.Client, url string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	res, err := client.Do(req)
	if err != nil {
		return false
	}
	_ = res.Body.Close()
	return res.StatusCode == http.StatusOK
}

// keptSecret fails the test if the log, at its most talkative, holds any of the
// texts.
func (s *server) keptSecret(t *testing.T, texts ...string) {
	t.Helper()
	log := s.log.String()
	for _, text := range texts {
		if strings.Contains(log, text) {
			t.Errorf("the server logged %q", text)
		}
	}
}

// record keeps what is written to it.
type record struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (r *record) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.buf.Write(p)
}

func (r *record) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.buf.String()
}
