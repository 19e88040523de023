package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/coder/websocket"

	"github.com/wasmp2pchat/wasmp2pchat/internal/admin"
)

// startLine starts a server that will be upgraded. The processes share what they write
// to, which lives as long as the last of them.
func startLine(t *testing.T, settings ...string) *process {
	t.Helper()
	p := newProcess(t, settings...)
	ours, theirs, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p.cmd.Stderr = theirs
	var reader sync.WaitGroup
	reader.Go(func() { _, _ = io.Copy(&liner{to: p.log}, ours) }) // until the last one has ended
	t.Cleanup(func() {
		_ = theirs.Close()
		reader.Wait()
		_ = ours.Close()
	})
	p.start(t)
	return p
}

// upgrade has the server upgraded as an operator does it.
func (p *process) upgrade(t *testing.T) (admin.Upgraded, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var answer admin.Upgraded
	client := admin.Client{URL: p.admin, HTTP: newClient(t)}
	err := client.Do(ctx, http.MethodPost, "/api/upgrade", nil, &answer)
	if err == nil {
		t.Cleanup(func() { _ = syscall.Kill(answer.Serves.PID, syscall.SIGKILL) }) // it is nobody's child that this test knows
	}
	return answer, err
}

// newClient has connections of its own, which end with the test.
func newClient(t *testing.T) *http.Client {
	transport := new(http.Transport)
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// visitors ask for the page over and over, each with a connection that is kept and
// with new ones, until stop is called: no request may fail.
func (p *process) visitors(t *testing.T, n int) (stop func() (served int64)) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	var served atomic.Int64
	for i := range n {
		client := newClient(t)
		client.Transport.(*http.Transport).DisableKeepAlives = i%2 == 0
		all.Go(func() {
			for ctx.Err() == nil {
				req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url+"/version", nil)
				if err != nil {
					t.Error(err)
					return
				}
				resp, err := client.Do(req)
				if err == nil {
					_, err = io.Copy(io.Discard, resp.Body)
					_ = resp.Body.Close()
				}
				switch {
				case err == nil && resp.StatusCode == http.StatusOK:
					served.Add(1)
				case ctx.Err() == nil:
					t.Errorf("a request during the upgrades failed: %v", err)
					return
				}
			}
		})
	}
	return func() int64 {
		cancel()
		all.Wait()
		return served.Load()
	}
}

// upgradesDone is the counter of a result.
func upgradesDone(t *testing.T, p *process, result string) (n int) {
	t.Helper()
	_, text := get(t, p.admin+"/metrics")
	_, rest, _ := strings.Cut(text, `wasmp2pchat_upgrades_total{result="`+result+`"} `)
	if _, err := fmt.Sscan(rest, &n); err != nil {
		t.Fatalf("upgrades_total: %v", err)
	}
	return n
}

// TestUpgradeTwice holds that a server is replaced twice while people come: no request
// fails, and the old processes end when they have nobody left.
func TestUpgradeTwice(t *testing.T) {
	t.Parallel()
	p := startLine(t)
	stop := p.visitors(t, 8)
	first := p.cmd.Process.Pid
	text, _ := readContract(t).ask(p.admin, "", call{does: "POST /api/upgrade", status: http.StatusOK})
	var one admin.Upgraded
	mustJSON(t, text, &one)
	t.Cleanup(func() { _ = syscall.Kill(one.Serves.PID, syscall.SIGKILL) }) // it may have ended
	if len(one.Retired) != 1 || one.Retired[0].PID != first || one.Serves.Number != "2" || one.Serves.PID == first {
		t.Errorf("after the first upgrade: %+v", one)
	}
	two, err := p.upgrade(t)
	if err != nil {
		t.Fatal(err)
	}
	if two.Serves.Number != "3" || two.Serves.PID == one.Serves.PID {
		t.Errorf("after the second upgrade: %+v", two)
	}
	<-p.exited
	if p.err != nil {
		t.Errorf("the first process ended with %v, want nil: nobody was left", p.err)
	}
	if served := stop(); served == 0 {
		t.Error("nobody was served")
	}
	if value := upgradesDone(t, p, "ok"); value != 2 {
		t.Errorf("upgrades_total is %v, want 2", value)
	}
}

// TestAnUpgradeThatFailsCostsNobody holds that a new process that cannot serve leaves
// the old one as it was, and that the operator is told why.
func TestAnUpgradeThatFailsCostsNobody(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "env")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("")
	p := startLine(t, "ENV_FILE="+file)
	stop := p.visitors(t, 4)
	for _, c := range []struct{ settings, want string }{
		{prefix + "NO_SUCH_SETTING=1\n", "NO_SUCH_SETTING"},
		{prefix + "ROOM_SECRET=another-secret-0123456789\n", "ROOM_SECRET is another one"},
		{prefix + "TLS_CERT_FILE=no-such-file\n" + prefix + "TLS_KEY_FILE=no-such-file\n", "no-such-file"},
	} {
		write(c.settings)
		_, err := p.upgrade(t)
		problem, is := errors.AsType[*admin.ProblemError](err)
		if !is || problem.Status != http.StatusBadGateway || !strings.Contains(problem.Detail, c.want) {
			t.Errorf("with %q the upgrade ends with %v, want something of %s", c.settings, err, c.want)
		}
		p.ready(t)
	}
	write("")
	if served := stop(); served == 0 {
		t.Error("nobody was served")
	}
	if value := upgradesDone(t, p, "failed"); value != 3 {
		t.Errorf("upgrades_total of those that failed is %v, want 3", value)
	}
	if err := p.terminate(); err != nil {
		t.Errorf("the server ended with %v", err)
	}
}

// TestSIGTERMEndsAllProcesses holds that the current process takes retired ones along.
func TestSIGTERMEndsAllProcesses(t *testing.T) {
	t.Parallel()
	p := startLine(t)
	held := newClient(t)
	get := func() {
		resp, err := held.Get(p.url + "/version") //nolint:noctx // the server ends with the test
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
	}
	get() // its connection keeps the first process
	answer, err := p.upgrade(t)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(answer.Serves.PID, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-p.exited
	if text := p.log.line(`"cause":"the server ends`); text == "" || p.err != nil {
		t.Errorf("the retired process ended with %v, and not because of the other one:\n%s", p.err, strings.Join(p.log.with(""), "\n"))
	}
}

// TestARetiredProcessEndsWithTheOneThatServes holds that nothing keeps the sockets of a
// server whose current process was killed: whoever starts it again can do so at once.
func TestARetiredProcessEndsWithTheOneThatServes(t *testing.T) {
	t.Parallel()
	p := startLine(t, "TURN_PEERS=room", "TURN_SECRETS="+lineSecret, "DRAIN_TIMEOUT=24h")
	udp, tcp := p.offers(t)
	relayedMember(t, "udp", udp, "orphan", "ma")
	relayedMember(t, "tcp", tcp, "orphan", "mb")
	answer, err := p.upgrade(t)
	if err != nil {
		t.Fatal(err)
	}
	if answer.Retired[0].Left["relay"] < 2 {
		t.Errorf("the retired process keeps %v, want two allocations at least", answer.Retired[0].Left)
	}
	if err := syscall.Kill(answer.Serves.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-p.exited
	if text := p.log.line(`"cause":"the process that had taken over has ended`); text == "" || p.err != nil {
		t.Errorf("the retired process ended with %v, and not because of the other one:\n%s", p.err, strings.Join(p.log.with(""), "\n"))
	}
	for network, at := range map[string]string{"udp": udp, "tcp": tcp} {
		if closed, err := bindAgain(t, network, at); err != nil {
			t.Errorf("%s %s is not free: %v", network, at, err)
		} else {
			_ = closed.Close()
		}
	}
}

// bindAgain listens where a server has listened.
func bindAgain(t *testing.T, network, at string) (io.Closer, error) {
	if network == "udp" {
		return new(net.ListenConfig).ListenPacket(t.Context(), network, at)
	}
	return new(net.ListenConfig).Listen(t.Context(), network, at)
}

// TestSIGUSR2 is an upgrade without the API.
func TestSIGUSR2(t *testing.T) {
	t.Parallel()
	p := startLine(t)
	if err := p.cmd.Process.Signal(syscall.SIGUSR2); err != nil {
		t.Fatal(err)
	}
	<-p.exited
	text := p.log.line(`"msg":"a new process serves: this one is retired"`)
	var line struct{ PID int }
	if err := json.Unmarshal([]byte(text), &line); err != nil || p.err != nil {
		t.Fatalf("the first process ended with %v:\n%s", p.err, strings.Join(p.log.with(""), "\n"))
	}
	t.Cleanup(func() { _ = syscall.Kill(line.PID, syscall.SIGKILL) })
	p.ready(t)
}

// TestAnUpgradeGoesByTheSecretsOfNow holds that what counts is by which secrets this
// process signs and verifies now, and not those that it was started with.
func TestAnUpgradeGoesByTheSecretsOfNow(t *testing.T) {
	t.Parallel()
	const before, after = "the secret from before", "the secret from after"
	for name, c := range map[string]struct {
		reloaded []string // one after the other
		last     string   // what the new process reads
		want     string   // why it is refused; empty: it is not
	}{
		"the old one was dropped": {[]string{after + "," + before, after}, after, ""},
		"the new one is missing":  {[]string{after + "," + before}, before, "is not among TURN_SECRETS any more"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "turn-secrets")
			write := func(text string) { must(t, os.WriteFile(file, []byte(text), 0o600)) }
			write(before)
			p := startLine(t, "TURN_SECRETS_FILE="+file)
			for i, text := range c.reloaded {
				write(text)
				must(t, p.cmd.Process.Signal(syscall.SIGHUP))
				p.log.await(t, i+1, `"msg":"settings reloaded"`)
			}
			write(c.last)
			if _, err := p.upgrade(t); c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("the upgrade ends with %v, want %q", err, c.want)
			}
		})
	}
}

// TestAnUpgradeGoesOnWithADrain holds that a server that its operator drains takes
// nobody after an upgrade either, until he takes that back.
func TestAnUpgradeGoesOnWithADrain(t *testing.T) {
	t.Parallel()
	p := startLine(t)
	client := func() *admin.Client { return &admin.Client{URL: p.admin, HTTP: newClient(t)} } // of the process that serves
	must(t, client().Do(t.Context(), http.MethodPost, "/api/drain", nil, nil))
	for range 2 {
		_, err := p.upgrade(t)
		must(t, err)
		var state struct{ Draining bool }
		must(t, client().Do(t.Context(), http.MethodGet, "/api/drain", nil, &state))
		if !state.Draining {
			t.Fatal("the new process does not drain")
		}
		until(t, "it says so", func() bool { return p.readiness(t) == "503 draining\n" }) // it may still be starting
		_, response, err := websocket.Dial(t.Context(), p.url+"/matchmaking", nil)
		if err == nil || response == nil || response.StatusCode != http.StatusServiceUnavailable {
			t.Fatalf("a visitor hears %v, want 503", err)
		}
		_ = response.Body.Close() // it is a copy
	}
	must(t, client().Do(t.Context(), http.MethodDelete, "/api/drain", nil, nil))
	until(t, "it is ready again", func() bool { return p.readiness(t) == "200 ready\n" })
	meet(t, p.url)
	_, err := p.upgrade(t)
	must(t, err)
	until(t, "the next one is ready, too", func() bool { return p.readiness(t) == "200 ready\n" })
}

// readiness is what /readyz says in the process that serves.
func (p *process) readiness(t *testing.T) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.admin+"/readyz", nil)
	must(t, err)
	resp, err := newClient(t).Do(req)
	must(t, err)
	text, err := io.ReadAll(resp.Body)
	must(t, err, resp.Body.Close())
	return fmt.Sprintf("%d %s", resp.StatusCode, text)
}
